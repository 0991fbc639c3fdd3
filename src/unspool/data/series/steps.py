"""What an alias of pandas means: every n-th place of a grid, and what repeats on it."""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from unspool.data.needed import needed
from unspool.data.series.grids import DAY, Even, Grid, Listed, Months, Weekdays
from unspool.errors import ConfigError

UNITS = {"ns": 1, "us": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9, "h": 3600 * 10**9, "D": DAY}
"""Nanoseconds of the units that are equally long wherever they begin."""

YEARLY = {"W": 52, "SMS": 24, "SME": 24, "MS": 12, "ME": 12, "BMS": 12, "BME": 12}
YEARLY |= {"QS": 4, "QE": 4, "BQS": 4, "BQE": 4, "YS": 1, "YE": 1, "BYS": 1, "BYE": 1}
"""How many of the units longer than a day are in a year."""

WEEKDAYS = ("MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

OLD = {"H": "h", "T": "min", "S": "s", "L": "ms", "U": "us", "N": "ns", "M": "ME", "BM": "BME", "C": "B"}
OLD |= {"Q": "QE", "BQ": "BQE", "Y": "YE", "A": "YE", "BY": "BYE", "BA": "BYE", "AS": "YS", "BAS": "BYS"}
"""Units as earlier versions of pandas, and the names of well-known data sets, write them."""


@dataclass(frozen=True)
class Steps:
    """Every `every`-th place of a grid.

    Attributes:
        alias: as pandas writes it; a whole number for integer steps.
        unit: the alias without its number and anchor: `"h"`, `"W"`, `"MS"`, …; `"1"` for integer steps.
        every: places from one step to the next.
        grid: where the places are.
    """

    alias: str
    unit: str
    every: int
    grid: Grid

    @property
    def integer(self) -> bool:
        """Whether stamps are whole numbers and no dates."""
        return self.unit == "1"

    @property
    def size(self) -> int | None:
        """Nanoseconds from one step to the next, where that is the same everywhere."""
        even = isinstance(self.grid, Even) and not self.integer
        return self.every * self.grid.reach if even else None

    @property
    def by_clock(self) -> bool:
        """Whether steps go on evenly through a change of the clocks: hours and below."""
        return self.unit in UNITS and self.unit != "D"


@lru_cache(maxsize=256)
def steps_of(alias: str) -> Steps:
    """What an alias means.

    Raises:
        ConfigError: pandas does not know it, it does not go forward, or its steps cannot be numbered.

    Example:
        >>> steps_of("H").alias, steps_of("2W").alias, steps_of("Q").alias, steps_of("1").integer
        ('h', '2W-SUN', 'QE-DEC', True)
    """
    alias = alias.strip()
    if re.fullmatch(r"0*[1-9]\d*", alias):
        return Steps(str(int(alias)), "1", int(alias), Even(1))
    offset = _offset(alias)
    if offset.n < 1:
        raise ConfigError(f"frequency is {alias!r}; expected steps that go forward, such as 'h' or '15min'")
    unit = offset.base.freqstr.partition("-")[0]
    return Steps(offset.freqstr, unit, offset.n, _grid(unit, offset.base))


def _offset(alias: str) -> Any:
    pandas = needed("pandas", "a calendar", "forecast")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            return pandas.tseries.frequencies.to_offset(_renamed(alias))
    except ValueError:
        raise ConfigError(
            f"frequency is {alias!r}, which pandas does not know; expected for instance 's', '15min', 'h', 'D', 'B' "
            "(weekdays), 'W-SUN', 'MS' (month starts), 'ME' (month ends), 'QS', 'YS', or '1' for whole numbers"
        ) from None


def _renamed(alias: str) -> str:
    """The alias with its unit as the newest pandas writes it."""
    found = re.fullmatch(r"(-?\d*)([A-Z]+)(-\w+)?", alias)
    return alias if found is None else f"{found[1]}{OLD.get(found[2], found[2])}{found[3] or ''}"


def _grid(unit: str, base: Any) -> Grid:
    if unit in UNITS:
        return Even(UNITS[unit])
    if unit == "W":
        return Even(7 * DAY, origin=(base.weekday - 3) * DAY)  # 1970-01-01 was a Thursday
    if unit in ("MS", "ME"):
        return Months(1, 0, unit == "ME")
    if unit in ("QS", "QE"):
        return Months(3, (base.startingMonth - 1) % 3, unit == "QE")
    if unit in ("YS", "YE"):
        return Months(12, base.month - 1, unit == "YE")
    if unit == "B":
        return Weekdays()
    return _listed(unit, base)


def _listed(unit: str, base: Any) -> Grid:
    """Places of a calendar that pandas knows better, such as the last weekday of each month."""
    if unit.lower() in ("bh", "cbh"):
        raise ConfigError(f"frequency is {unit!r}; give 'h': hours without a row are missing values")
    pandas = needed("pandas", "a calendar", "forecast")
    places = pandas.date_range("1678-01-01", "2261-12-31", freq=base).to_numpy()
    return Listed(places.astype("datetime64[ns]").astype(np.int64))
