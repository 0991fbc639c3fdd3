"""Files with rows that cannot be read, so that one of them does not cost the others their answers."""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from unspool.data.columns import Columns
from unspool.data.sequences import Sequences
from unspool.errors import DataError

MOST = 100
"""Sequences that may be unreadable; with more, something is wrong with the whole file."""


@dataclass(frozen=True)
class Unreadable:
    """A sequence that could not be read: its id, if it has one, and what is wrong."""

    id: str | None
    problem: str


@dataclass(frozen=True)
class _Unit:
    """The rows of one sequence, and their numbers in the file."""

    id: str | None
    rows: list[str]
    numbers: list[int]


def readable_parts(path: Path, columns: Columns, read: Callable[[Path], Sequences]) -> list[Sequences | Unreadable]:
    """What can be read of a file, in its order: sequences, and between them those that cannot be read.

    A file that `read` refuses is cut in halves until what it refuses is single sequences. Only files of rows of text
    can be cut: `.csv`, `.tsv`, `.jsonl`.

    Args:
        path: the file.
        columns: which columns tell the rows of a sequence.
        read: raises `DataError`.

    Raises:
        DataError: what `read` says of the whole, if it cannot be cut, if nothing of it can be read, or more than `MOST`
            sequences cannot.
    """
    try:
        return [read(path)]
    except DataError as error:
        with suppress(OSError, csv.Error):
            return _cut(path, columns, read, error)
        raise


def _cut(
    path: Path, columns: Columns, read: Callable[[Path], Sequences], error: DataError
) -> list[Sequences | Unreadable]:
    if path.suffix not in (".csv", ".tsv", ".jsonl"):
        raise error
    head, units = _units(path, columns)
    with tempfile.TemporaryDirectory() as folder:
        found: list[Sequences | Unreadable] = []
        waiting = [units]
        while waiting:
            part = waiting.pop()
            copy = Path(folder, f"{len(waiting)}-{len(found)}{path.suffix}")
            text = "".join([head, *(row for unit in part for row in unit.rows)])
            copy.write_text(text, encoding="utf-8", errors="surrogateescape", newline="")
            try:
                found.append(_placed(read(copy), copy, path, part))
            except DataError as wrong:
                middle = len(part) // 2
                if middle:
                    waiting += [part[middle:], part[:middle]]
                else:
                    found.append(Unreadable(part[0].id if part else None, _told(str(wrong), copy, path, part)))
            bad = sum(isinstance(one, Unreadable) for one in found)
            if bad > MOST or bad >= len(units):
                raise error
        return found


def _placed(sequences: Sequences, copy: Path, path: Path, part: Sequence[_Unit]) -> Sequences:
    """The sequences of a copy, placed where they are written in the file that it is of."""
    return replace(sequences, places=lambda i: _told(sequences.places(i), copy, path, part))


def _units(path: Path, columns: Columns) -> tuple[str, list[_Unit]]:
    """The header of a table, and the rows of each sequence."""
    lines = _records(path)
    if path.suffix == ".jsonl":
        return "", [_Unit(None, [line], [i]) for i, line in enumerate(lines, 1)]
    cells = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if path.suffix == ".tsv" else {}
    rows = list(csv.reader(lines, **cells))
    header = [name.removeprefix("\ufeff") for name in rows[0]] if rows else []
    at = header.index(columns.id) if columns.id in header else None
    long = columns.form == "long" or (columns.form == "auto" and columns.text not in header and columns.time in header)
    units: dict[str | int, _Unit] = {}
    for number, (line, row) in enumerate(zip(lines[1:], rows[1:], strict=True), 2):
        name = row[at] if at is not None and at < len(row) else None
        unit = units.setdefault(number if name is None or not long else name, _Unit(name, [], []))
        unit.rows.append(line)
        unit.numbers.append(number)
    return "".join(lines[:1]), list(units.values())


def _records(path: Path) -> list[str]:
    """The rows of a file as they are written, each with its end; in `.csv`, quotes may hold line ends."""
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        lines = [line if line.endswith("\n") else f"{line}\n" for line in file]
    if path.suffix != ".csv":
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


def _told(message: str, copy: Path, path: Path, part: Sequence[_Unit]) -> str:
    """What was said of a copy, with the name and the row numbers of the file that it is of."""
    numbers = [number for unit in part for number in unit.numbers]
    first = 1 if path.suffix == ".jsonl" else 2

    def original(match: re.Match[str]) -> str:
        number = int(match[2]) - first
        return f"{match[1]}{numbers[number] if 0 <= number < len(numbers) else match[2]}"

    message = re.sub(rf"({re.escape(str(copy))}, (?:row|line) )(\d+)", original, message)
    return message.replace(str(copy), str(path))
