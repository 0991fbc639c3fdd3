"""Series whose rows keep to some hours of the day, as at an exchange or in an office: time stands still overnight."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from unspool.data.series.frequency import Frequency
from unspool.data.series.grids import DAY
from unspool.data.series.stamps import nanoseconds, on_the_wall

WEEK = 7 * DAY
CLOSED = DAY // 8
"""The least stretch of a day without a row that is taken for a closed door: three hours."""
FULL = 0.8
"""The least share of the open steps, on days with a row, that have one; fewer are gaps, not hours."""
MOST = 100
"""Series that are looked at."""


def tell_of_closed_hours(stamps: Sequence[tuple[str, np.ndarray]], frequency: Frequency) -> None:
    """Warn of series, named, with sorted stamps, whose rows keep to some hours of the day for a week or more; the
    first `MOST` are looked at."""
    if not frequency.by_clock:
        return
    step = int(np.diff(frequency.times(np.arange(2)).astype(np.int64))[0])
    if DAY % step:
        return
    looked_at = stamps[:MOST]
    if found := [(name, steps) for name, times in looked_at if (steps := _open(times, step, frequency.zone))]:
        name, steps = found[0]
        of = "" if len(stamps) <= MOST else "the first "
        whose = f"series {name!r}" if len(stamps) == 1 else f"{len(found)} of {of}{len(looked_at)} series, as {name!r},"
        warnings.warn(
            f"rows of {whose} lie at only {steps} of the {DAY // step} steps of a day (frequency {frequency.alias!r}): "
            "the others are read as missing values; if time stands still there (office or trading hours), number the "
            f"rows of each series, and train with --freq 1 --season {steps}, the rows of a day, or with those of a "
            "week",
            stacklevel=2,
        )


def _open(times: np.ndarray, step: int, zone: str | None) -> int:
    """How many steps of a day have rows, if the others do not as a door is closed; else 0. Rows that are equally far
    apart, night and day, are those of another frequency."""
    wall = on_the_wall(nanoseconds(times), zone)
    if not len(wall) or wall[-1] - wall[0] < WEEK:
        return 0
    places, days = np.unique(wall % DAY // step), len(np.unique(wall // DAY))
    apart = np.diff(places, append=places[0] + DAY // step)
    closed = int(apart.max() - 1) * step
    full = len(wall) >= FULL * days * len(places)
    return len(places) if apart.max() > apart.min() and closed >= CLOSED and full else 0
