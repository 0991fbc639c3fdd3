"""Grids of stamps: numbered places in time, in plain integer arithmetic.

A stamp is int64: nanoseconds since 1970-01-01 00:00, or whatever whole number the user counts in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

DAY = 86_400_000_000_000
"""Nanoseconds in a day."""

FIRST, LAST = np.array(["1678-01-01", "2261-12-31"], dtype="datetime64[ns]").astype(np.int64).tolist()
"""The first and the last stamp in nanoseconds that every grid reaches."""


class Grid(Protocol):
    """Stamps in ascending order, numbered without gaps, number 0 near 1970."""

    @property
    def reach(self) -> int:
        """The shortest distance between neighbours, in the stamps' unit."""
        ...

    def index(self, stamps: np.ndarray) -> np.ndarray:
        """Number of the last place at or before each stamp."""
        ...

    def stamps(self, index: np.ndarray) -> np.ndarray:
        """The stamp of each place."""
        ...


@dataclass(frozen=True)
class Even:
    """Places `size` apart, one of them at `origin`.

    Example:
        >>> grid = Even(10, origin=3)
        >>> grid.index(np.array([2, 3, 25])).tolist(), grid.stamps(np.array([0, 2])).tolist()
        ([-1, 0, 2], [3, 23])
    """

    size: int
    origin: int = 0

    @property
    def reach(self) -> int:
        return self.size

    def index(self, stamps: np.ndarray) -> np.ndarray:
        return (stamps - self.origin) // self.size

    def stamps(self, index: np.ndarray) -> np.ndarray:
        return index * self.size + self.origin


@dataclass(frozen=True)
class Months:
    """The first or the last day of every `count`-th month, one of which is month `anchor` of 1970 (0 is January).

    Example:
        >>> ends = Months(3, anchor=2, last_day=True)
        >>> ends.stamps(np.array([0, 1])).astype("datetime64[ns]").astype("datetime64[D]").tolist()
        [datetime.date(1970, 3, 31), datetime.date(1970, 6, 30)]
    """

    count: int
    anchor: int = 0
    last_day: bool = False
    reach: int = 28 * DAY

    def index(self, stamps: np.ndarray) -> np.ndarray:
        day = (stamps // DAY + self.last_day).astype("datetime64[D]")
        month = day.astype("datetime64[M]").astype(np.int64) - self.last_day
        return (month - self.anchor) // self.count

    def stamps(self, index: np.ndarray) -> np.ndarray:
        month = index * self.count + self.anchor + self.last_day
        return (month.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) - self.last_day) * DAY


@dataclass(frozen=True)
class Weekdays:
    """Monday to Friday, without holidays.

    Example:
        >>> grid = Weekdays()
        >>> grid.stamps(np.arange(4, 6)).astype("datetime64[ns]").astype("datetime64[D]").tolist()
        [datetime.date(1970, 1, 2), datetime.date(1970, 1, 5)]
    """

    reach: int = DAY

    def index(self, stamps: np.ndarray) -> np.ndarray:
        week, day = np.divmod(stamps // DAY + 3, 7)  # 1970-01-01 was a Thursday
        return 5 * week + np.minimum(day, 4)

    def stamps(self, index: np.ndarray) -> np.ndarray:
        week, day = np.divmod(index, 5)
        return (7 * week + day - 3) * DAY


@dataclass(frozen=True, eq=False)
class Listed:
    """Places written out one by one, `[places]` int64, ascending; for calendars without a formula."""

    places: np.ndarray
    reach: int = DAY
    zero: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "zero", int(np.searchsorted(self.places, 0)))

    def index(self, stamps: np.ndarray) -> np.ndarray:
        return np.searchsorted(self.places, stamps, side="right") - 1 - self.zero

    def stamps(self, index: np.ndarray) -> np.ndarray:
        return self.places[np.clip(index + self.zero, 0, len(self.places) - 1)]
