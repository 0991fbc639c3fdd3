"""Tables: CSV, TSV and Parquet by pyarrow, a column at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np

from unspool.data.needed import needed
from unspool.data.sequences import shown
from unspool.errors import DataError

Kind = Literal["text", "key", "number", "time"]
"""What a column is read as: text of its own in each row, text that repeats, float32, or a number or timestamp."""

SUFFIXES = (".csv", ".tsv", ".parquet")


class TableFile(Protocol):
    """A file with named columns."""

    path: Path
    names: tuple[str, ...]
    first_row: int
    """Number of the first row of values: 2 below a header, else 1."""

    def holds_numbers(self, name: str) -> bool:
        """Whether a column is of numbers, as far as its type or its first rows show."""
        ...

    def read(self, kinds: Mapping[str, Kind]) -> Any:
        """The columns named, as a pyarrow table."""
        ...


@dataclass(frozen=True)
class Table:
    """The columns that were asked for, in memory."""

    file: TableFile
    columns: Any

    def __len__(self) -> int:
        return self.columns.num_rows

    def place(self, row: int) -> str:
        """Where a row was written."""
        return place(self.file, row)

    def texts(self, name: str) -> list[str]:
        """A column of kind `"text"`; DataError for a null."""
        column = self.columns[name]
        if column.null_count:
            row = int(column.is_null().to_numpy().argmax())
            raise DataError(f"{self.place(row)}: {name!r} is null; expected a text")
        return column.to_pylist()

    def keys(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """A column of kind `"key"`: `[rows]` codes, and the text of each code; a null is the empty text."""
        column = self.columns[name].unify_dictionaries().combine_chunks()
        words = np.array([*column.dictionary.to_pylist(), ""], dtype=object)
        return column.indices.fill_null(len(words) - 1).to_numpy(zero_copy_only=False), words

    def numbers(self, name: str) -> np.ndarray:
        """A column of kind `"number"`: `[rows]` float32, NaN where it is empty."""
        return self.columns[name].to_numpy()

    def filled(self, name: str) -> np.ndarray:
        """`[rows]` bool: which cells of a column are not empty."""
        return self.columns[name].is_valid().to_numpy()

    def times(self, name: str) -> np.ndarray:
        """A column of kind `"time"`: `[rows]` int64 (timestamps in nanoseconds) or float64; DataError for none."""
        column = self.columns[name]
        times = (column if column.type == "double" else column.cast("int64")).to_numpy()
        missing = column.is_null().to_numpy() | ~np.isfinite(times)
        if missing.any():
            raise self.refused(name, int(missing.argmax()), "a number or a timestamp")
        return times

    def refused(self, name: str, row: int, expected: str) -> DataError:
        """The error for a cell that cannot be used."""
        value = self.columns[name][row].as_py()
        found = "empty" if value is None else "infinite or too large" if abs(value) == np.inf else str(value)
        return DataError(f"{self.place(row)}: {name!r} is {found}; expected {expected}: mend the row or leave it out")


def place(file: TableFile, row: int) -> str:
    """Where a row was written: the file, and its number there, counted from 1 with a header as row 1."""
    return f"{file.path}, row {row + file.first_row}"


def open_table(path: Path) -> TableFile:
    """A CSV, TSV or Parquet file, opened as far as the names of its columns; CSV and TSV also as `.gz`.

    Rows and columns of CSV are as in RFC 4180: separated by commas, quotes around a cell that holds a comma, a quote
    or a line end; blank lines are skipped and not counted. Cells of TSV are separated by tabs and hold no quotes.

    Raises:
        DataError: the file is empty, damaged, or not of its kind, or a name stands over two columns.
        UnspoolError: pyarrow is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "a.csv")
        ...     _ = file.write_text("id,x\\na,1.5\\n")
        ...     table = open_table(file)
        ...     table.names, table.holds_numbers("x")
        (('id', 'x'), True)
    """
    needed("pyarrow", "reading a table")
    from unspool.data.csv_file import CsvFile
    from unspool.data.parquet_file import ParquetFile

    file: TableFile = ParquetFile(path) if path.suffix == ".parquet" else CsvFile(path)
    twice = next((name for name in file.names if file.names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: two columns are named {twice!r}; expected a header row with a name for each column")
    return file


def read_table(file: TableFile, kinds: Mapping[str, Kind]) -> Table:
    """The columns named, each as a kind.

    Raises:
        DataError: there is no row, a row has too few or too many cells, or a cell is not of its kind or not UTF-8;
            file, row and column are named.
    """
    table = Table(file, file.read(kinds))
    if not len(table):
        raise DataError(f"{file.path} has no row below its header; expected at least one")
    return table


def require(file: TableFile, name: str, use: str, option: str) -> None:
    """Refuse a file without a column of this name."""
    if name not in file.names:
        raise DataError(
            f"{file.path} has no column {name!r} for the {use}; its columns are {shown(file.names)}: "
            f"name the right one with {option}"
        )


def first_blank(codes: np.ndarray, words: Sequence[str] | np.ndarray) -> int | None:
    """The first row whose key is blank."""
    blank = np.array([not word.strip() for word in words])[codes]
    return int(blank.argmax()) if blank.any() else None
