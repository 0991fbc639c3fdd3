"""What the rows of a table belong to: label, group and id."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from unspool.data.columns import Columns
from unspool.data.sequences import shown
from unspool.data.tables import Kind, Table, TableFile, first_blank
from unspool.errors import DataError

Texts = list[str] | None


@dataclass(frozen=True)
class Spans:
    """Which rows of a table are one sequence.

    Attributes:
        members: `[rows]` int64, the sequence of each row.
        first, last: `[N]` int64, the first and the last row of each sequence.
        ids: the N ids.
    """

    members: np.ndarray
    first: np.ndarray
    last: np.ndarray
    ids: list[str]


@dataclass(frozen=True)
class Belongings:
    """How labels, groups and ids are read; each is None where the table has no such column.

    Attributes:
        columns: their names.
        labelled: whether each sequence must have a label; else labels with a blank among them are as good as none.
        empty_labels: a blank label is one like any other.
    """

    columns: Columns
    labelled: bool
    empty_labels: bool

    def of_rows(self, table: Table) -> tuple[Texts, Texts, Texts]:
        """Labels, groups and ids of a table with one sequence a row."""
        return self._labels(table, None), self._groups(table, None), self._ids(table)

    def of_spans(self, table: Table, spans: Spans) -> tuple[Texts, Texts]:
        """Labels and groups of a table with one step a row; all rows of a sequence must agree."""
        return self._labels(table, spans), self._groups(table, spans)

    def _labels(self, table: Table, spans: Spans | None) -> Texts:
        if self.columns.label not in table.file.names:
            return None
        codes, words = _one_each(table, self.columns.label, spans)
        blank = None if self.empty_labels else first_blank(codes, words)
        if blank is not None and self.labelled:
            raise _blank(table, self.columns.label, blank, spans, "a label")
        return words[codes].tolist() if blank is None else None

    def _groups(self, table: Table, spans: Spans | None) -> Texts:
        if self.columns.group not in table.file.names or self.columns.group is None:
            return None
        codes, words = _one_each(table, self.columns.group, spans)
        blank = first_blank(codes, words)
        if blank is not None:
            raise _blank(table, self.columns.group, blank, spans, "a group")
        return words[codes].tolist()

    def _ids(self, table: Table) -> Texts:
        if self.columns.id not in table.file.names:
            return None
        codes, words = table.keys(self.columns.id)
        return words[codes].tolist()


def key_columns(file: TableFile, columns: Columns) -> dict[str, Kind]:
    """The columns that say what a row belongs to, as far as the file has them."""
    return {name: "key" for name in (columns.id, columns.label, columns.group) if name in file.names and name}


def number_columns(file: TableFile, names: Iterable[str]) -> list[str]:
    """The columns of numbers among `names`; a warning names the others, which are left out.

    Raises:
        DataError: there is none.
    """
    holds = {name: file.holds_numbers(name) for name in names}
    others = [name for name, numbers in holds.items() if not numbers]
    if len(others) == len(holds):
        raise DataError(
            f"{file.path} has no column of texts or numbers to learn from; its columns are {shown(file.names)}: name "
            "the text with --text-column, or give a table with columns of numbers"
        )
    if others:
        warnings.warn(f"{file.path}: columns without numbers are left out: {shown(others)}", stacklevel=2)
    return [name for name, numbers in holds.items() if numbers]


def _one_each(table: Table, name: str, spans: Spans | None) -> tuple[np.ndarray, np.ndarray]:
    """`[N]` codes, one a sequence, and the text of each code."""
    codes, words = table.keys(name)
    if spans is None:
        return codes, words
    unlike = codes != codes[spans.first][spans.members]
    if unlike.any():
        row = int(unlike.argmax())
        sequence = spans.members[row]
        first = spans.first[sequence]
        raise DataError(
            f"{table.place(row)}: {name!r} is {words[codes[row]]!r}, but {words[codes[first]]!r} in row "
            f"{first + table.file.first_row}, of the same id {spans.ids[sequence]!r}; expected one for all its rows"
        )
    return codes[spans.first], words


def _blank(table: Table, name: str, sequence: int, spans: Spans | None, expected: str) -> DataError:
    row = sequence if spans is None else int(spans.first[sequence])
    return DataError(f"{table.place(row)}: {name!r} is empty; expected {expected}: fill it in or leave the row out")
