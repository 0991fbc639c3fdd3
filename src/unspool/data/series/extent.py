"""From where to where each series goes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from unspool.data.series.frequency import Frequency
from unspool.data.series.gather import Block, Gathered
from unspool.errors import DataError

NEVER = np.iinfo(np.int64).max
"""The first step of a series without any value."""


@dataclass(frozen=True, eq=False)
class Extent:
    """Steps of N series, as numbers of the frequency.

    Attributes:
        rows: `[N]` int64, how many rows each has.
        begin: `[N]` int64, the first step of any row.
        first, last: `[N]` int64, the first and the last step with a value; `NEVER` and `-NEVER` where there is none.
        end: `[N]` int64, the last step of any row.
        sorted: whether the rows of each series lie together, their steps ascending.
    """

    rows: np.ndarray
    begin: np.ndarray
    first: np.ndarray
    last: np.ndarray
    end: np.ndarray
    sorted: bool


def extent_of(gathered: Gathered, frequency: Frequency) -> Extent:
    """The extent of all series.

    Raises:
        DataError: a stamp is on no step; its row and series are named.
    """
    series = len(gathered.ids)
    rows = np.zeros(series, dtype=np.int64)
    begin, first = np.full(series, NEVER), np.full(series, NEVER)
    last, end = np.full(series, -NEVER), np.full(series, -NEVER)
    ascending, before = True, (-1, 0)
    for block in gathered.blocks():
        steps = steps_of_block(gathered, block, frequency)
        runs = np.flatnonzero(np.diff(block.series, prepend=-1))
        members = block.series[runs]
        there = ~np.isnan(block.y)
        np.add.at(rows, members, np.diff(runs, append=len(steps)))
        np.minimum.at(begin, members, np.minimum.reduceat(steps, runs))
        np.minimum.at(first, members, np.minimum.reduceat(np.where(there, steps, NEVER), runs))
        np.maximum.at(last, members, np.maximum.reduceat(np.where(there, steps, -NEVER), runs))
        np.maximum.at(end, members, np.maximum.reduceat(steps, runs))
        ascending = ascending and _ascend(np.append(before[0], block.series), np.append(before[1], steps))
        before = (block.series[-1], steps[-1])
    return Extent(rows, begin, first, last, end, ascending)


def steps_of_block(gathered: Gathered, block: Block, frequency: Frequency) -> np.ndarray:
    """`[n]` int64: the number of the step of each row.

    Raises:
        DataError: a stamp is on no step.
    """
    times = block.times if frequency.integer else block.times.astype("datetime64[ns]")
    steps, fits = frequency.located(times)
    if not fits.all():
        row = int(fits.argmin())
        name = gathered.ids.texts[block.series[row]]
        raise DataError(f"{gathered.place(block.first + row)}: series {name!r}: {frequency.misfit(times[row])}")
    return steps


def _ascend(series: np.ndarray, steps: np.ndarray) -> bool:
    """Whether each row is of a later step of the same series, or of a series not seen before."""
    further = np.diff(series)
    return bool(((further > 0) | ((further == 0) & (np.diff(steps) > 0))).all())
