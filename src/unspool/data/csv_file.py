"""A CSV or TSV file by pyarrow: read fast, and where that fails once more, slowly, to say what is wrong where."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv

from unspool.data.separators import hint_of_cell, hint_of_separator
from unspool.data.times import like, time_type
from unspool.errors import DataError

BLOCK = 1 << 20
ROW_BYTES = 1 << 28
"""Bytes read at once; no row may be longer than the second."""

TYPES = {"text": pa.string(), "key": pa.dictionary(pa.int32(), pa.string()), "number": pa.float32()}
TIMESTAMP = "a timestamp such as 2024-05-31 12:00:00 (with a zone in all rows or in none)"
EXPECTED = {"float": "a number", "double": f"a number or {TIMESTAMP}", "timestamp": TIMESTAMP}
"""What a cell should be, by the type that pyarrow could not make of it; only times are read as double."""


class CsvFile:
    """A file of rows below a header, which may end in `.gz`; `unspool.data.tables.open_table` says more.

    Types are told, not guessed: a label `1.0` stays as written. Only a column of times is typed by its first rows.
    """

    first_row = 2

    def __init__(self, path: Path) -> None:
        self.path = path
        self._tabs = path.name.removesuffix(".gz").endswith(".tsv")
        self._first = self._attempt(self._first_rows)
        try:
            self.names = tuple(self._first.schema.names)
        except UnicodeDecodeError:
            raise DataError(f"{path}, row 1 is not UTF-8; convert the file to UTF-8") from None
        if any("\0" in name for name in self.names):
            raise DataError(f"{path} is no text in UTF-8; convert the file to UTF-8")

    def holds_numbers(self, name: str) -> bool:
        """Whether a column has a number in its first rows, or nothing: text beside numbers is an error of its row."""
        column = self._first.column(self.names.index(name))
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_null(column.type):
            return True
        return pa.types.is_string(column.type) and any(map(_is_number, column.to_pylist()))

    def read(self, kinds: Mapping[str, str]) -> Any:
        """The columns named as a pyarrow table."""
        types = {name: TYPES.get(kind) or time_type(self._seen(name)) for name, kind in kinds.items()}
        if pa.int64() in types.values():
            try:
                return self._all_rows(types)
            except pa.ArrowInvalid:  # whole numbers at first, and perhaps others further down
                types = {name: pa.float64() if kind == pa.int64() else kind for name, kind in types.items()}
        return self._attempt(partial(self._all_rows, types))

    def _seen(self, name: str) -> pa.DataType:
        """What the first rows of a column look like; where they differ, the first that is not empty."""
        column = self._first[name]
        return column.type if not pa.types.is_string(column.type) else like(column.drop_null()[0].as_py())

    def _attempt(self, read: Callable[..., Any]) -> Any:
        """`read` in small blocks by several threads; where that fails, in one block, which allows line ends in a cell
        and rows of any length, by one thread, which counts rows."""
        try:
            try:
                return read()
            except pa.ArrowInvalid:
                return read(threads=False, newlines=True, block=ROW_BYTES)
        except pa.ArrowInvalid as error:
            raise self._explained(str(error)) from None
        except OSError as error:
            raise DataError(f"{self.path} cannot be read ({error}); it is damaged or cut off: fetch it again") from None

    def _first_rows(self, **options: Any) -> pa.Table:
        """The first block of rows, with types as they look."""
        with csv.open_csv(self.path, **self._options(**options), convert_options=_as_written()) as reader:
            return pa.Table.from_batches(islice(reader, 1), schema=reader.schema)

    def _all_rows(self, types: Mapping[str, pa.DataType], **options: Any) -> pa.Table:
        convert = _as_written(column_types=types, include_columns=list(types))
        return csv.read_csv(self.path, **self._options(**options), convert_options=convert)

    def _options(self, *, threads: bool = True, newlines: bool = False, block: int = BLOCK) -> dict[str, Any]:
        how = {"delimiter": "\t", "quote_char": False} if self._tabs else {"newlines_in_values": newlines}
        return {
            "read_options": csv.ReadOptions(use_threads=threads, block_size=block),
            "parse_options": csv.ParseOptions(**how),
        }

    def _explained(self, message: str) -> DataError:
        """What pyarrow says of a reading by one thread, in the words of this project."""
        with pa.input_stream(self.path) as stream:
            start = stream.read(4096)
        if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return DataError(f"{self.path} is UTF-16; convert the file to UTF-8")
        if b"\0" in start:
            return DataError(f"{self.path} is no text in UTF-8; convert the file to UTF-8")
        if "Empty CSV" in message:
            return DataError(f"{self.path} is empty; expected a header row and rows below it")
        if ragged := re.search(r"Row #(\d+): Expected (\d+) columns, got (\d+)", message):
            row, expected, found = ragged.groups()
            if expected == "1" and (hint := hint_of_separator(start.partition(b"\n")[0].decode(errors="replace"))):
                return DataError(f"{self.path} has one column: {hint}")
            return DataError(
                f"{self.path}, row {row} has {found} cell{'s'[: found != '1']}, but the header has {expected}; "
                "expected as many: mend the row, or put quotes around a text that holds the separator"
            )
        if cell := re.search(r"CSV column #(\d+): Row #(\d+): .*?error to (\w+)\S*: (.*)", message, re.S):
            return self._wrong_cell(*cell.groups())
        if "straddling" in message:
            return DataError(f"{self.path} has a row of more than {ROW_BYTES} bytes; perhaps a quote is not closed")
        return DataError(f"{self.path} cannot be read as a table: {message}")

    def _wrong_cell(self, column: str, row: str, kind: str, why: str) -> DataError:
        place = f"{self.path}, row {row}: {self.names[int(column)]!r}"
        if "UTF8" in why:
            return DataError(f"{place} is not UTF-8; convert the file to UTF-8, or mend the row")
        value = why[why.index("'") :].strip()
        expected = EXPECTED.get(kind, "a time such as 23:59:00")
        return DataError(f"{place} is {value}; expected {expected}: {hint_of_cell(value)}")


def _as_written(**options: Any) -> csv.ConvertOptions:
    """Only a cell with nothing in it is empty: `nan` is a number that is refused later, `NA` is text."""
    return csv.ConvertOptions(null_values=[""], **options)


def _is_number(text: str | None) -> bool:
    try:
        float(text or "")
    except ValueError:
        return False
    return True
