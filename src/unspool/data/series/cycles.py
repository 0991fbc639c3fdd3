"""Calendar features: where a stamp lies in the minute, hour, day, week, month and year."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from unspool.data.series.grids import DAY
from unspool.data.series.steps import UNITS, YEARLY, Steps


def _through(span: int, origin: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    return lambda stamps: ((stamps - origin) % span) / span


def _through_month(stamps: np.ndarray) -> np.ndarray:
    return _between(stamps, "datetime64[M]")


def _through_year(stamps: np.ndarray) -> np.ndarray:
    return _between(stamps, "datetime64[Y]")


def _between(stamps: np.ndarray, unit: str) -> np.ndarray:
    """Share of the month or year that is over at the start of the stamp's day."""
    day = (stamps // DAY).astype("datetime64[D]")
    start = day.astype(unit)
    first, last = start.astype("datetime64[D]"), (start + 1).astype("datetime64[D]")
    return (day - first).astype(np.float64) / (last - first).astype(np.float64)


def _month(stamps: np.ndarray) -> np.ndarray:
    day = (stamps // DAY).astype("datetime64[D]")
    return (day.astype("datetime64[M]").astype(np.int64) % 12) / 12


PLACES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "second of minute": _through(UNITS["min"]),
    "minute of hour": _through(UNITS["h"]),
    "hour of day": _through(DAY),
    "day of week": _through(7 * DAY, origin=4 * DAY),  # 1970-01-05 was a Monday
    "day of month": _through_month,
    "day of year": _through_year,
    "month of year": _month,
}
"""How much of its cycle is over at each stamp, in [0, 1)."""


LENGTHS = {
    "second of minute": UNITS["min"], "minute of hour": UNITS["h"], "hour of day": DAY, "day of week": 7 * DAY,
    "day of month": 30 * DAY, "day of year": 365 * DAY, "month of year": 365 * DAY,
}  # fmt: skip
"""Nanoseconds of a cycle, at least."""


def held_twice(names: tuple[str, ...], span: int) -> tuple[str, ...]:
    """Of these cycles those that `span` nanoseconds go through twice.

    Example:
        >>> held_twice(("hour of day", "day of week", "day of year"), 365 * DAY)
        ('hour of day', 'day of week')
    """
    return tuple(name for name in names if 2 * LENGTHS[name] <= span)


def places_of(steps: Steps) -> tuple[str, ...]:
    """The cycles in which stamps at these steps differ.

    Example:
        >>> from unspool.data.series.steps import steps_of
        >>> places_of(steps_of("h"))
        ('hour of day', 'day of week', 'day of month', 'day of year')
    """
    if steps.integer:
        return ()
    if YEARLY.get(steps.unit, 0) in (1, 4, 12) or steps.unit.startswith("WOM"):
        return ("month of year",) if steps.every % YEARLY.get(steps.unit, 12) else ()
    size = steps.size or DAY
    clock = {"second of minute": "min", "minute of hour": "h", "hour of day": "D"}
    names = [name for name, unit in clock.items() if size % UNITS[unit]]
    week = ["day of week"] if size % (7 * DAY) else []
    return (*names, *week, "day of month", "day of year")


def features(names: tuple[str, ...], stamps: np.ndarray) -> np.ndarray:
    """`[n, 2 · names]` float32: sine and cosine of 2π times how much of each cycle is over; stamps `[n]` int64 as read
    on a clock on the wall."""
    waves = np.empty((len(stamps), 2 * len(names)), dtype=np.float32)
    for column, name in enumerate(names):
        angle = 2 * np.pi * PLACES[name](stamps)
        waves[:, 2 * column], waves[:, 2 * column + 1] = np.sin(angle), np.cos(angle)
    return waves
