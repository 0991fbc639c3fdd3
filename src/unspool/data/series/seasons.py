"""What repeats at a frequency: the default season, and the lags that matter."""

from __future__ import annotations

from unspool.data.series.grids import DAY
from unspool.data.series.steps import UNITS, YEARLY, Steps

WEEK = 7 * DAY

CYCLES = ((UNITS["min"], 3, 2), (UNITS["h"], 3, 2), (DAY, 7, 1), (WEEK, 4, 1), (30 * DAY, 1, 1), (52 * WEEK, 3, 1))
"""Cycles in nanoseconds, how many of them back matter, and how many steps around each."""


def season(steps: Steps) -> int:
    """Steps after which values repeat, as long as nobody says otherwise; 1 for none.

    The first of millisecond, second, minute, hour and day that is 24 whole steps or more, else of day and week that is
    whole steps: of "h" the day (24), of "30min" the day (48), of "min" the hour (60), of "D" the week (7). Of longer
    steps the year.

    Example:
        >>> from unspool.data.series.steps import steps_of
        >>> [season(steps_of(alias)) for alias in ("s", "min", "15min", "h", "3h", "D", "B", "W", "MS", "QE", "Y", "1")]
        [60, 60, 96, 24, 8, 7, 5, 52, 12, 4, 1, 1]
    """
    if steps.unit not in UNITS or steps.size is None:
        return max(1, _whole(_cycle(steps), steps.every))
    short = [_whole(span, steps.size) for span in UNITS.values()]
    long = [_whole(span, steps.size) for span in (DAY, WEEK)]
    return next((count for count in (*(n for n in short if n >= 24), *long) if count > 1), 1)


def lags(steps: Steps, most: int, period: int | None = None) -> tuple[int, ...]:
    """Steps back that matter, ascending: 1 to 7, and around one, two, … cycles of the calendar and of `period`.

    Source: after GluonTS, `time_feature/lag.py::get_lags_for_frequency`.
    """
    near = set(range(1, 8))
    around = _around(steps) + [(cycles * period, 1) for cycles in (1, 2, 3) if period and period > 1]
    far = {lag for middle, reach in around for lag in range(middle - reach, middle + reach + 1)}
    return tuple(lag for lag in sorted(near | far) if 0 < lag <= most)


def _around(steps: Steps) -> list[tuple[int, int]]:
    """Some cycles in steps, and how many steps around each."""
    if steps.size is None or steps.integer:
        cycle = _cycle(steps)
        return [(count * cycle // steps.every, 1) for count in (1, 2, 3) if cycle > 1]
    months = [(count * 4 * WEEK // steps.size, 0) for count in (1, 2, 3) if steps.size >= WEEK]
    return months + [
        (count * cycle // steps.size, reach) for cycle, cycles, reach in CYCLES for count in range(1, cycles + 1)
    ]


def _cycle(steps: Steps) -> int:
    """Places of the grid in a year, of weekdays in a week."""
    return 5 if steps.unit == "B" else YEARLY.get(steps.unit, 1)


def _whole(span: int, size: int) -> int:
    """How many steps make up the span; 0 where they do not."""
    return 0 if span % size else span // size
