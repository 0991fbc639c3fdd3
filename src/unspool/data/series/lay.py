"""Rows that were read in any order, laid on the steps of their frequency."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from unspool.data.sequences import shown, starts_and_end
from unspool.data.series.arrays import warn_of_empty
from unspool.data.series.covariate import Covariate
from unspool.data.series.extent import NEVER, Extent, extent_of, steps_of_block
from unspool.data.series.flat import blank, let_go
from unspool.data.series.frequency import Frequency
from unspool.data.series.gather import Block, Gathered
from unspool.data.series.pace import check_pace, frequency_of, tell_of_pace, tell_of_strides
from unspool.data.series.panel import Panel
from unspool.data.series.stamps import shown_stamp
from unspool.data.series.static import static_covariate
from unspool.errors import DataError

SPARE = 10_000_000
"""Steps that may be without a row, beside 50 for each row."""

PUT = 1 << 22
"""Rows of a column of which some are written at once."""


@dataclass(frozen=True, eq=False)
class Plan:
    """Where the rows of N series go.

    Attributes:
        frequency: what the numbers of steps mean.
        first, last, end: `[N]` int64, the first step, the last one with a value, and the last one.
        offsets: `[N + 1]` int64; series that are left out have no steps.
        sorted: whether rows come in the order in which they are laid.
        going_on: whether rows after the last value keep their past covariates, as values may follow.
    """

    frequency: Frequency
    first: np.ndarray
    last: np.ndarray
    end: np.ndarray
    offsets: np.ndarray
    sorted: bool
    going_on: bool

    @property
    def used(self) -> np.ndarray:
        """`[N]` bool: which series have a value, or had one before."""
        return self.first < NEVER


class Laid(NamedTuple):
    """Rows of a block that are on the steps of the plan: their numbers in the block, places, and which are history."""

    rows: np.ndarray
    places: np.ndarray
    history: np.ndarray


def laid(gathered: Gathered, freq: str | Frequency | None, going_on: Collection[str] | None = None) -> Panel:
    """The panel of all rows.

    Args:
        gathered: the rows.
        freq: an alias or a frequency; found in the stamps if None.
        going_on: names of series whose first rows were read before: all of their rows count, also without any value
            (then `observed` is 0). If given, rows after the last value of any series keep their past covariates.

    Raises:
        DataError: a stamp is on no step, two rows of a series have one stamp, rows of a series differ in a static
            covariate, series have different frequencies, or steps without rows are too many to be meant.
    """
    frequency = frequency_of(gathered, freq)
    extent = extent_of(gathered, frequency)
    plan = _planned(gathered, frequency, extent, going_on)
    sparse = plan.used & (plan.last - plan.first > 1.9 * (extent.rows - 1))
    if freq is None:
        check_pace(gathered, frequency, sparse)
    elif plan.used.any() and (sparse == plan.used).all():
        tell_of_pace(gathered, frequency, plan.used)
    elif isinstance(freq, Frequency):
        tell_of_strides(gathered, frequency, sparse)
    used, names = np.flatnonzero(plan.used), gathered.ids.texts
    warn_of_empty([names[i] for i in np.flatnonzero(~plan.used)], len(names), refused=not going_on)
    if going_on is None:
        _tell_early(extent, names)
    columns = _columns(gathered, plan)
    covariates = [
        static_covariate(gathered, name, used)
        if role == "static"
        else Covariate(name, role, columns[name], gathered.words_of(name))
        for name, role in gathered.columns.covariates()
    ]
    offsets = np.append(plan.offsets[used], plan.offsets[-1])
    first, observed = plan.first[used], plan.last[used] - plan.first[used] + 1
    ids = [names[i] for i in used]
    return Panel(ids, offsets, first, frequency, columns[gathered.columns.y], observed, tuple(covariates))


def _tell_early(extent: Extent, names: Sequence[str]) -> None:
    """Say which histories end early: their latest rows have no value, where other series have one."""
    early = (extent.first < NEVER) & (extent.last < np.minimum(extent.end, extent.last.max()))
    if early.any():
        those = shown([names[i] for i in np.flatnonzero(early).tolist()])
        warnings.warn(
            f"{early.sum()} of {len(names)} series have no value in their latest rows, where others have one, and end "
            f"earlier, so that forecasts of them begin there: {those}",
            stacklevel=6,
        )


def _planned(gathered: Gathered, frequency: Frequency, extent: Extent, going_on: Collection[str] | None) -> Plan:
    before = np.array([name in (going_on or ()) for name in gathered.ids.texts], dtype=bool)
    first = np.where(before, extent.begin, extent.first)
    last = np.where(before, np.maximum(extent.last, first - 1), extent.last)
    kept = ("known",) if going_on is None else ("known", "past")
    end = extent.end if any(role in kept for _, role in gathered.columns.covariates()) else last
    used = first < NEVER
    steps = np.where(used, end.astype(np.float64) - first + 1, 0)  # no whole number is too large for these
    if steps.sum() > 50 * len(gathered) + SPARE:
        series = int((steps / extent.rows).argmax())
        raise _too_sparse(gathered, frequency, series, int(extent.rows[series]), np.array([first, end])[:, series])
    lengths = np.where(used, end - np.where(used, first, 0) + 1, 0)
    return Plan(frequency, first, last, end, starts_and_end(lengths), extent.sorted, going_on is not None)


def _columns(gathered: Gathered, plan: Plan) -> dict[str, np.ndarray]:
    """Every column with a value a row, on the steps of the plan."""
    total = int(plan.offsets[-1])
    y = gathered.columns.y
    columns = {y: blank(total, np.float64, np.nan)}
    roles = {name: role for name, role in gathered.columns.covariates() if role != "static"}
    for name in roles:
        spool = gathered.covariates[name]
        columns[name] = blank(total, spool.dtype, gathered.missing(name))
    for block, found in _laid_blocks(gathered, plan):
        _put(columns[y], found.places, block.y[found.rows])
        for name, role in roles.items():
            values = gathered.covariates[name].read(block.first, block.first + len(block.y))[found.rows]
            chosen = found.history if role == "past" and not plan.going_on else slice(None)
            _put(columns[name], found.places[chosen], values[chosen])
    return columns


def _laid_blocks(gathered: Gathered, plan: Plan) -> Iterator[tuple[Block, Laid]]:
    """Every block with the places of its rows.

    Raises:
        DataError: two rows have one place.
    """
    taken = None if plan.sorted else blank(int(plan.offsets[-1]), np.bool_)
    for block in gathered.blocks():
        steps = steps_of_block(gathered, block, plan.frequency)
        rows = np.flatnonzero((plan.first[block.series] <= steps) & (steps <= plan.end[block.series]))
        members, steps = block.series[rows], steps[rows]
        places = plan.offsets[members] + steps - plan.first[members]
        history = steps <= plan.last[members]
        if taken is not None:
            order = np.argsort(places, kind="stable")
            rows, places, history = rows[order], places[order], history[order]
            if (second := _second(taken, places)) is not None:
                raise _duplicate(gathered, plan.frequency, block, int(rows[second]))
        yield block, Laid(rows, places, history)


def _second(taken: np.ndarray, places: np.ndarray) -> int | None:
    """The number of the first of these places, ascending, that is taken; if there is none, all of them are now."""
    twice = taken[places]
    twice[1:] |= places[1:] == places[:-1]
    _put(taken, places, np.ones(len(places), dtype=np.bool_))
    return int(twice.argmax()) if twice.any() else None


def _put(column: np.ndarray, places: np.ndarray, values: np.ndarray) -> None:
    """Put values at ascending places, a part of the column after the other, so that little of it is in memory."""
    ends = np.searchsorted(places, np.arange(0, len(column) + PUT, PUT))
    for first, last in pairwise(ends.tolist()):
        column[places[first:last]] = values[first:last]
        let_go(column)


def _duplicate(gathered: Gathered, frequency: Frequency, block: Block, row: int) -> DataError:
    series, stamp = block.series[row], block.times[row]
    same = ((b.first, np.flatnonzero((b.series == series) & (b.times == stamp))) for b in gathered.blocks())
    first = next(start + int(rows[0]) for start, rows in same if len(rows))
    clock = gathered.clock
    shown = shown_stamp(int(stamp) if clock.integer else stamp.astype("datetime64[ns]"), clock.zone)
    name = gathered.ids.texts[series]
    return DataError(
        f"{gathered.place(block.first + row)}: series {name!r} has a second row for {shown}, after that of "
        f"{gathered.place(first)}; expected one row a stamp: leave one out or add them up{_hint(gathered, frequency)}"
    )


def _hint(gathered: Gathered, frequency: Frequency) -> str:
    columns = gathered.columns
    if columns.form == "long" and not gathered.named:
        return "; if rows are of several series, name the column that tells them apart with --unique-id"
    if frequency.by_clock and frequency.zone is None:
        return "; if it is an hour that clocks show twice, write stamps with their zone"
    return ""


def _too_sparse(gathered: Gathered, frequency: Frequency, series: int, rows: int, span: np.ndarray) -> DataError:
    first, last = frequency.times(span)
    name = gathered.ids.texts[series]
    return DataError(
        f"series {name!r} has {rows} rows from {shown_stamp(first, frequency.zone)} to "
        f"{shown_stamp(last, frequency.zone)}, so that nearly all its steps of frequency {frequency.alias!r} are "
        "missing; mend the stamp that is far from the others, or name the right frequency with --freq"
    )
