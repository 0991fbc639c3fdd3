"""Files by their sequences, so that some of these can be written to a file of the same form."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from unspool.data.audio_files import audio_files
from unspool.data.columns import Columns

TEXT = (".csv", ".tsv", ".jsonl")
LONGEST_CELL = 1 << 28


@dataclass(frozen=True)
class Unit:
    """One sequence: its id, if it has one, and the numbers of its rows in the file (of an audio file: its own)."""

    id: str | None
    numbers: list[int]


class Rows(Protocol):
    """A file, cut into its sequences.

    Attributes:
        suffix: of the name of a file that `write` writes.
        first: the number that the first row of such a file has.
        units: the sequences, in the order of their first rows.
    """

    suffix: str
    first: int
    units: list[Unit]

    def write(self, units: Sequence[Unit], path: Path) -> None:
        """Write some of the sequences."""
        ...


def rows_of(path: Path, columns: Columns) -> Rows | None:
    """The rows of a file, or the files of a folder; None for what is one sequence, or cannot be cut.

    Raises:
        OSError, EOFError, ValueError, KeyError, NotImplementedError, csv.Error: it cannot be read.
    """
    if path.is_dir():
        return AudioFiles(path)
    if path.suffix == ".parquet":
        return ParquetRows(path, columns)
    return TextRows(path, columns) if Path(path.name.removesuffix(".gz")).suffix in TEXT else None


class TextRows:
    """The rows of a `.csv`, `.tsv` or `.jsonl` file, which may end in `.gz`, as they are written."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.suffix = Path(path.name.removesuffix(".gz")).suffix
        lines = _lines(path)
        if self.suffix == ".jsonl":
            self._head, self.first = "", 1
            self._rows = {number: line for number, line in enumerate(lines, 1) if line.strip()}
            self.units = [Unit(_json_id(line, columns.id), [number]) for number, line in self._rows.items()]
            return
        # As in the reading of tables, blank lines do not count.
        head, *rows = [row for row in _records(lines, self.suffix) if row.strip("\r\n")] or [""]
        self._head, self.first = head, 2
        self._rows = dict(enumerate(rows, 2))
        header, *cells = _cells([head, *rows], self.suffix)
        names = [name.removeprefix("\ufeff") for name in header]
        at = names.index(columns.id) if columns.id in names else None
        ids = [row[at] if at is not None and at < len(row) else None for row in cells]
        self.units = _units(ids, self.first, long=_is_long(names, columns))

    def write(self, units: Sequence[Unit], path: Path) -> None:
        text = "".join([self._head, *(self._rows[number] for unit in units for number in unit.numbers)])
        path.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")


class ParquetRows:
    """The rows of a Parquet file."""

    suffix, first = ".parquet", 1

    def __init__(self, path: Path, columns: Columns) -> None:
        from pyarrow import parquet

        self._table = parquet.ParquetFile(path).read()
        ids: list[str | None] = [None] * self._table.num_rows
        if columns.id in self._table.column_names:
            ids = self._table.column(columns.id).cast("string").to_pylist()
        self.units = _units(ids, self.first, long=_is_long(self._table.column_names, columns))

    def write(self, units: Sequence[Unit], path: Path) -> None:
        from pyarrow import parquet

        parquet.write_table(self._table.take([number - 1 for unit in units for number in unit.numbers]), path)


class AudioFiles:
    """The files of a folder; a folder that `write` makes has links to them."""

    suffix, first = "", 1

    def __init__(self, path: Path) -> None:
        self._files = [(file.resolve(), file.relative_to(path)) for file in audio_files(path)]
        self.units = [Unit(str(name), [number]) for number, (_, name) in enumerate(self._files, 1)]

    def write(self, units: Sequence[Unit], path: Path) -> None:
        for unit in units:
            file, name = self._files[unit.numbers[0] - 1]
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).symlink_to(file)


def _units(ids: Iterable[str | None], first: int, *, long: bool) -> list[Unit]:
    """A sequence for each row; in the long form one for each id."""
    units: dict[str | int, Unit] = {}
    for number, name in enumerate(ids, first):
        unit = units.setdefault(name if long and name is not None else number, Unit(name, []))
        unit.numbers.append(number)
    return list(units.values())


def _is_long(names: Sequence[str], columns: Columns) -> bool:
    return columns.form == "long" or (columns.form == "auto" and columns.text not in names and columns.time in names)


def _lines(path: Path) -> list[str]:
    """The lines of a file as they are written, each with its end."""
    opened = partial(gzip.open, path, "rt") if path.suffix == ".gz" else path.open
    with opened(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return [line if line.endswith("\n") else f"{line}\n" for line in file]


def _records(lines: list[str], suffix: str) -> list[str]:
    """The rows of a table as they are written; in `.csv`, quotes may hold line ends."""
    if suffix != ".csv":
        return lines
    records: list[str] = []
    open_ = False
    for line in lines:
        if open_:
            records[-1] += line
        else:
            records.append(line)
        open_ ^= line.count('"') % 2 == 1
    return records


def _cells(rows: list[str], suffix: str) -> list[list[str]]:
    csv.field_size_limit(LONGEST_CELL)
    return list(csv.reader(rows, delimiter="\t", quoting=csv.QUOTE_NONE) if suffix == ".tsv" else csv.reader(rows))


def _json_id(line: str, name: str) -> str | None:
    """The id of an object, as it is written."""
    with suppress(ValueError, RecursionError, AttributeError):
        found = json.loads(line, parse_float=str, parse_int=str).get(name)
        return found if isinstance(found, str) else None
    return None
