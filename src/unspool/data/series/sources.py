"""Files of series, block by block: CSV, TSV and Parquet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
from pyarrow import csv, parquet

from unspool.data.csv_file import ROW_BYTES, CsvFile
from unspool.data.parquet_file import ParquetFile
from unspool.data.separators import hint_of_cell
from unspool.data.series.cast import KEY, NOTHING, Kind, cast, holds_numbers
from unspool.data.tables import SUFFIXES
from unspool.errors import DataError

ROWS = 1 << 16
"""Rows of a block of Parquet and of data frames."""


ATTEMPTS: tuple[dict[str, Any], ...] = (
    {},
    {"threads": False, "newlines": True, "block": 1 << 24},
    {"threads": False, "newlines": True, "block": ROW_BYTES},
)
"""How a CSV file is read: fast, else with line ends in cells and rows counted, else with rows of any length."""

EXPECTED = "that ends in .csv, .csv.gz, .tsv, .tsv.gz or .parquet"


class Source(Protocol):
    """A table with named columns."""

    names: tuple[str, ...]
    label: str
    """What to call it in messages."""
    stem: str
    """Name of the series, where it is only one."""
    first_row: int
    """Number of the first row of values."""

    def holds_numbers(self, name: str) -> bool:
        """Whether a column is of numbers, as far as its type or its first rows show."""
        ...

    def blocks(self, kinds: Mapping[str, Kind]) -> Iterator[Mapping[str, Any]]:
        """The columns named, some rows at a time, each a pyarrow array of the type that its kind asks for."""
        ...


class CsvSource(CsvFile):
    """A CSV or TSV file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.label, self.stem = str(path), path.name.partition(".")[0] or path.name

    def blocks(self, kinds: Mapping[str, Kind]) -> Iterator[dict[str, Any]]:
        types = {name: self._type(name, kind) for name, kind in kinds.items()}
        for batch in self._batches(types):
            yield dict(zip(types, batch.columns, strict=True))

    def _type(self, name: str, kind: Kind) -> pa.DataType:
        if kind == "time":
            seen = self._first[name].type
            if pa.types.is_integer(seen) or pa.types.is_floating(seen):
                return seen
            if pa.types.is_date(seen) or pa.types.is_timestamp(seen):
                return pa.timestamp("ns", getattr(seen, "tz", None))
        return {"value": pa.float64(), "number": pa.float32()}.get(kind, KEY)

    def _batches(self, types: Mapping[str, pa.DataType]) -> Iterator[pa.RecordBatch]:
        """Blocks of rows, read fast; from where that fails on, slowly: with line ends in cells, and rows counted."""
        done = 0
        for attempt in ATTEMPTS:
            try:
                for batch in self._stream(types, attempt, done):
                    done += len(batch)
                    yield batch
                return
            except pa.ArrowInvalid as error:
                if attempt == ATTEMPTS[-1]:
                    raise self._explained(str(error)) from None
            except OSError as error:
                raise self._damaged(error) from None

    def _stream(self, types: Mapping[str, pa.DataType], how: Mapping[str, Any], skip: int) -> Iterator[pa.RecordBatch]:
        """Blocks of the rows after the first `skip`."""
        convert = csv.ConvertOptions(null_values=NOTHING, column_types=types, include_columns=list(types))
        with csv.open_csv(self.path, **self._options(**how), convert_options=convert) as reader:
            for batch in reader:
                if len(batch) > skip:
                    yield batch.slice(skip)
                skip -= min(skip, len(batch))

    def _attempt(self, read: Callable[..., Any], attempts: Sequence[Mapping[str, Any]] = ATTEMPTS) -> Any:
        """What `read` yields in the first of the attempts that works."""
        try:
            return read(**attempts[0])
        except pa.ArrowInvalid as error:
            if len(attempts) == 1:
                raise self._explained(str(error)) from None
            return self._attempt(read, attempts[1:])
        except OSError as error:
            raise self._damaged(error) from None

    def _wrong_cell(self, column: str, row: str, kind: str, why: str) -> DataError:
        if "UTF8" in why or kind not in ("int64", "double", "float"):
            return super()._wrong_cell(column, row, kind, why)
        expected = {"int64": "a whole number", "float": "a number (if they are names, give --categories)"}
        place = f"{self.path}, row {row}: {self.names[int(column)]!r}"
        value = why[why.index("'") :].strip()
        return DataError(f"{place} is {value}; expected {expected.get(kind, 'a number')}: {hint_of_cell(value)}")

    def _damaged(self, error: OSError) -> DataError:
        return DataError(f"{self.path} cannot be read ({error}); it is damaged or cut off: fetch it again")


class ParquetSource(ParquetFile):
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.label, self.stem = str(path), path.name.partition(".")[0] or path.name

    def holds_numbers(self, name: str) -> bool:
        """Whether a column is of a type of numbers, or of truth values."""
        return holds_numbers(self._schema.field(name).type)

    def blocks(self, kinds: Mapping[str, Kind]) -> Iterator[dict[str, Any]]:
        try:
            first = 0
            for batch in parquet.ParquetFile(self.path, pre_buffer=False).iter_batches(ROWS, columns=list(kinds)):
                yield {name: cast(batch[name], name, kind, self, first) for name, kind in kinds.items()}
                first += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.path} is damaged ({error}); fetch it again") from None


def open_source(path: Path) -> Source:
    """A CSV, TSV or Parquet file, opened as far as the names of its columns; CSV and TSV also as `.gz`.

    Raises:
        DataError: the file is missing, empty, damaged or of another kind, or a name stands over two columns.
    """
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}; expected a file {EXPECTED}")
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path} ends in {path.suffix!r}; expected a file {EXPECTED}")
    source: Source = ParquetSource(path) if suffix == ".parquet" else CsvSource(path)
    check_names(source)
    return source


def check_names(source: Source) -> None:
    """Refuse a table with a name over two columns."""
    twice = [name for name, count in Counter(source.names).items() if count > 1]
    if twice:
        raise DataError(f"{source.label}: two columns are named {twice[0]!r}; expected a name for each column")
