"""The long form of a table: a step a row; the rows of a sequence share an id."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from unspool.data.belongings import Belongings, Spans, key_columns, number_columns
from unspool.data.columns import Columns
from unspool.data.sequences import Sequences, starts_and_end
from unspool.data.tables import Table, TableFile, first_blank, read_table, require
from unspool.errors import DataError


def long_form(file: TableFile, columns: Columns, belongings: Belongings) -> Sequences:
    """The sequences of a table with a row for each step, by first appearance of their ids, each by time."""
    require(file, columns.id, "id", "--id-column")
    require(file, columns.time, "time", "--time-column")
    keys = key_columns(file, columns)
    features = number_columns(file, [name for name in file.names if name not in keys and name != columns.time])
    table = read_table(file, {columns.time: "time", **dict.fromkeys(features, "number"), **keys})
    spans = spans_of(table, columns.id)
    labels, groups = belongings.of_spans(table, spans)
    numbers = _matrix(table, features, _order(spans.members, table.times(columns.time)))
    offsets = starts_and_end(np.bincount(spans.members, minlength=len(spans.ids)))
    places = partial(_place, file, spans.first, spans.last, spans.ids)
    return Sequences("numbers", None, numbers, offsets, tuple(features), labels, groups, places, spans.ids)


def spans_of(table: Table, name: str) -> Spans:
    """Which rows share an id, numbered by its first appearance."""
    codes, words = table.keys(name)
    blank = first_blank(codes, words)
    if blank is not None:
        raise DataError(f"{table.place(blank)}: {name!r} is empty; expected the id of the sequence that the row is of")
    rows = np.arange(len(codes))
    first, last = np.full(len(words), len(codes)), np.empty(len(words), dtype=np.int64)
    first[codes[::-1]] = rows[::-1]  # of several values for one place, the last one stays
    last[codes] = rows
    used = np.argsort(first, kind="stable")[: int((first < len(codes)).sum())]
    numbers = np.empty(len(words), dtype=np.int64)
    numbers[used] = np.arange(len(used))
    return Spans(numbers[codes], first[used], last[used], words[used].tolist())


def _order(members: np.ndarray, times: np.ndarray) -> np.ndarray | None:
    """The stable order by sequence and time; None where the rows lie in it already."""
    same = members[1:] == members[:-1]
    if np.all((members[1:] > members[:-1]) | (same & (times[1:] >= times[:-1]))):
        return None
    return np.lexsort((times, members))


def _matrix(table: Table, features: Sequence[str], order: np.ndarray | None) -> np.ndarray:
    """`[rows, F]` float32 in this order, all finite."""
    numbers = np.empty((len(table), len(features)), dtype=np.float32)
    for feature, name in enumerate(features):
        values = table.numbers(name)
        wrong = ~np.isfinite(values)
        if wrong.any():
            raise table.refused(name, int(wrong.argmax()), "a finite number")
        numbers[:, feature] = values if order is None else values[order]
    return numbers


def _place(file: TableFile, first: np.ndarray, last: np.ndarray, ids: Sequence[str], i: int) -> str:
    start, end = first[i] + file.first_row, last[i] + file.first_row
    rows = f"row {start}" if start == end else f"rows {start} to {end}"
    return f"{file.path}, {rows} (id {ids[i]!r})"
