"""Rows of all tables, kept in the order in which they were read until their places are known."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Self

import numpy as np

from unspool.data.series.cast import place
from unspool.data.series.columns import SeriesColumns
from unspool.data.series.read_stamps import Clock
from unspool.data.series.rows import Rows, long_rows, wide_rows
from unspool.data.series.sources import Source
from unspool.data.series.spool import ROWS, Names, Spool
from unspool.errors import DataError


class Block(NamedTuple):
    """Some rows read again: number of the first, and `[n]` series, stamps and values of each."""

    first: int
    series: np.ndarray
    times: np.ndarray
    y: np.ndarray


class Part(NamedTuple):
    """Rows that were read at once: the number of the first among all and in its table, how many rows of the table."""

    start: int
    first: int
    rows: int
    source: Source


class Gathered:
    """All rows of some tables, until the end of a `with`.

    Attributes:
        ids: names of the series.
        words: the words of each covariate that is a category.
        covariates: the rows of each covariate.
        named: whether all tables in long form say which series a row is of.
    """

    def __init__(self, columns: SeriesColumns) -> None:
        self.columns = columns
        self.ids = Names()
        self.words: dict[str, Names] = {}
        self.covariates: dict[str, Spool] = {}
        self.named = True
        self._clock: tuple[Clock, str] | None = None
        self._series, self._times, self._y = Spool(np.int32), Spool(np.int64), Spool(np.float64)
        self._parts: list[Part] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for spool in (self._series, self._times, self._y, *self.covariates.values()):
            spool.close()

    def __len__(self) -> int:
        return len(self._series)

    @property
    def clock(self) -> Clock:
        """What the stamps are."""
        return self._clock[0] if self._clock is not None else Clock(True)

    def add(self, source: Source, *, future: bool = False) -> None:
        """Read a table.

        Raises:
            DataError: it has no rows, lacks a column, has a cell that cannot be used, or its stamps are of another kind
                than those of the tables before it.
        """
        before = len(self)
        if self.columns.form == "wide":
            self._append(wide_rows(source, self.columns, self.ids), source)
        else:
            self.named &= self.columns.unique_id in source.names
            self._choose(source, future)
            self._append(long_rows(source, self.columns, self.ids, self.words, future=future), source)
        if len(self) == before:
            raise DataError(f"{source.label} has no rows; expected at least one")

    def blocks(self) -> Iterator[Block]:
        """All rows, some at a time."""
        for first in range(0, len(self), ROWS):
            last = min(first + ROWS, len(self))
            yield Block(first, *(part.read(first, last) for part in (self._series, self._times, self._y)))

    def missing(self, name: str) -> float | int:
        """What stands for no value of a covariate."""
        return -1 if name in self.words else np.nan

    def words_of(self, name: str) -> tuple[str, ...] | None:
        """The words of a covariate; None if it is a number."""
        return tuple(self.words[name].texts) if name in self.words else None

    def place(self, row: int) -> str:
        """Where a row stands: its table, and its number there."""
        part = self._parts[bisect_right(self._parts, row, key=lambda part: part.start) - 1]
        return place(part.source, part.first + (row - part.start) % part.rows)

    def _choose(self, source: Source, future: bool) -> None:
        """Whether each covariate is a category or a number, as far as that is not known yet."""
        for name, role in self.columns.covariates():
            if name in self.covariates or name not in source.names or (future and role != "known"):
                continue
            category = name in self.columns.categories or not source.holds_numbers(name)
            self.covariates[name] = Spool(np.int32 if category else np.float32)
            if category:
                self.words[name] = Names()

    def _append(self, blocks: Iterable[Rows], source: Source) -> None:
        for rows in blocks:
            if not len(rows.times):
                continue
            self._check(rows, source)
            self._parts.append(Part(len(self), rows.first, rows.rows, source))
            self._series.append(rows.series)
            self._times.append(rows.times)
            self._y.append(rows.y)
            for name, spool in self.covariates.items():
                given = rows.covariates.get(name)
                nothing = np.full(len(rows.times), self.missing(name), spool.dtype)
                spool.append(nothing if given is None else given)

    def _check(self, rows: Rows, source: Source) -> None:
        if self._clock is None:
            self._clock = (rows.clock, source.label)
        clock, label = self._clock
        if rows.clock != clock:
            raise DataError(
                f"{place(source, rows.first)}: {self.columns.ds!r} holds {rows.clock}, but in {label} {clock}; "
                "expected the same everywhere"
            )
