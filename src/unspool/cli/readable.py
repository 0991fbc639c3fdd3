"""Files with rows that cannot be read, so that one of them does not cost the others their answers."""

from __future__ import annotations

import csv
import re
import tempfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from unspool.cli.rows import Rows, rows_of
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


def readable_parts(path: Path, columns: Columns, read: Callable[[Path], Sequences]) -> list[Sequences | Unreadable]:
    """What can be read of a file, in its order: sequences, and between them those that cannot be read.

    A file that `read` refuses is cut in halves until what it refuses is single sequences. Every form of table can be
    cut, and JSON lines, packed or not, and a folder of audio files.

    Args:
        path: the file or folder.
        columns: which columns tell the rows of a sequence.
        read: raises `DataError`.

    Raises:
        DataError: what `read` says of the whole, if it cannot be cut, if nothing of it can be read, or more than `MOST`
            sequences cannot.
    """
    try:
        return [read(path)]
    except DataError:
        rows: Rows | None = None
        with suppress(OSError, EOFError, ValueError, KeyError, NotImplementedError, csv.Error, zlib.error, DataError):
            rows = rows_of(path, columns)
        found = None if rows is None else _cut(path, rows, read)
        if found is None:
            raise
        return found


def _cut(path: Path, rows: Rows, read: Callable[[Path], Sequences]) -> list[Sequences | Unreadable] | None:
    """None if too little can be read."""
    with tempfile.TemporaryDirectory() as folder:
        found: list[Sequences | Unreadable] = []
        waiting = [rows.units]
        while waiting:
            part = waiting.pop()
            copy = Path(folder, f"{len(waiting)}-{len(found)}{rows.suffix}")
            told = _Told(copy, path, [number for unit in part for number in unit.numbers], rows.first)
            rows.write(part, copy)
            try:
                found.append(_placed(read(copy), told))
            except DataError as wrong:
                middle = len(part) // 2
                if middle:
                    waiting += [part[middle:], part[:middle]]
                else:
                    found.append(Unreadable(part[0].id if part else None, told(str(wrong))))
            bad = sum(isinstance(one, Unreadable) for one in found)
            if bad > MOST or bad >= len(rows.units):
                return None
        return found


def _placed(sequences: Sequences, told: _Told) -> Sequences:
    """The sequences of a copy, placed where they are written in the file that it is of."""
    return replace(sequences, places=lambda i: told(sequences.places(i)))


@dataclass(frozen=True)
class _Told:
    """What was said of a copy, with the name and the row numbers of the file that it is of."""

    copy: Path
    path: Path
    numbers: Sequence[int]
    first: int

    def __call__(self, message: str) -> str:
        there = rf"(?:(?<={re.escape(str(self.copy))}, )|(?<= in ))(?:row|line)s? \d+(?: to \d+)?"
        message = re.sub(there, lambda rows: re.sub(r"\d+", self._original, rows[0]), message)
        return message.replace(str(self.copy), str(self.path))

    def _original(self, match: re.Match[str]) -> str:
        at = int(match[0]) - self.first
        return str(self.numbers[at]) if 0 <= at < len(self.numbers) else match[0]
