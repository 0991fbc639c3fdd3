"""Stamps as int64: of datetime64 and whole numbers, on the wall of a time zone, and in messages."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from unspool.data.needed import needed
from unspool.errors import ConfigError, DataError


def stamps_of(times: np.ndarray, integer: bool, alias: str) -> np.ndarray:
    """`[n]` int64: whole numbers as they are, dates in nanoseconds.

    Raises:
        DataError: dates where whole numbers are expected or the other way round, a missing date, or one before 1678 or
            after 2261.
    """
    times = np.asarray(times)
    if times.dtype.kind == "M" and not integer:
        return nanoseconds(times)
    if times.dtype.kind in "iu" and integer:
        return times.astype(np.int64)
    found, expected = ("dates", "whole numbers") if integer else (f"of type {times.dtype}", "dates")
    raise DataError(
        f"the stamps are {found}, but steps of frequency {alias!r} are {expected}: give another --freq ('1' for whole "
        "numbers), or write stamps as 2024-05-31 12:00"
    )


def nanoseconds(times: np.ndarray) -> np.ndarray:
    """`[n]` int64 of datetime64 in any unit.

    Raises:
        DataError: one is missing, or before 1678 or after 2261.

    Example:
        >>> nanoseconds(np.array(["1970-01-02"], dtype="datetime64[D]")).tolist()
        [86400000000000]
    """
    years = times.astype("datetime64[Y]")
    wrong = np.isnat(times) | (years < np.datetime64("1678")) | (years > np.datetime64("2261"))
    if wrong.any():
        place = int(wrong.argmax())
        raise DataError(
            f"stamp {place + 1} is {'missing' if np.isnat(times[place]) else times[place]}; expected a date between "
            "1678 and 2261: mend it or leave its row out"
        )
    return times.astype("datetime64[ns]").astype(np.int64)


def on_the_wall(stamps: np.ndarray, zone: str | None) -> np.ndarray:
    """`[n]` int64: what a clock on the wall of the zone shows at these nanoseconds of UTC.

    Example:
        >>> (on_the_wall(np.array([0]), "Asia/Tokyo") // 3_600_000_000_000).tolist()
        [9]
    """
    if zone is None:
        return stamps
    return _nanoseconds_of(_index(stamps).tz_localize("UTC").tz_convert(checked_zone(zone)).tz_localize(None))


def utc(stamps: np.ndarray, zone: str | None) -> np.ndarray:
    """`[n]` int64: nanoseconds of UTC at which the clock on the wall shows these; the first time, where it is turned
    back over them, and the time to which it is turned, where it never shows them."""
    if zone is None:
        return stamps
    first = np.ones(len(stamps), dtype=bool)
    local = _index(stamps).tz_localize(checked_zone(zone), ambiguous=first, nonexistent="shift_forward")
    return _nanoseconds_of(local.tz_convert("UTC").tz_localize(None))


def checked_zone(zone: str) -> Any:
    """The zone as pandas takes it.

    Raises:
        ConfigError: there is none of this name.
    """
    pandas = needed("pandas", "a time zone", "forecast")
    try:
        return pandas.DatetimeTZDtype(tz=zone).tz
    except (KeyError, ValueError, TypeError, OSError) as error:
        raise ConfigError(f"time zone is {zone!r}; expected a name such as 'Europe/Berlin' or 'UTC'") from error


def read_as_utc(zone: str | None, by_clock: bool) -> str:
    """What to add where stamps of UTC fit no steps: days of another zone begin at another time.

    Example:
        >>> read_as_utc("UTC", False)[:34], read_as_utc("Asia/Tokyo", False)
        ('; stamps with offsets are read as ', '')
    """
    if zone != "UTC" or by_clock:
        return ""
    return "; stamps with offsets are read as UTC: if days are those of a zone, train with --zone, as in Europe/Berlin"


def shown_stamp(stamp: Any, zone: str | None = None) -> str:
    """A stamp for a message: a whole number, or the clock on the wall and the zone, without seconds that are 0.

    Example:
        >>> shown_stamp(np.datetime64("2024-05-31T12:00")), shown_stamp(7)
        ('2024-05-31 12:00', '7')
    """
    if not isinstance(stamp, np.datetime64):
        return str(stamp)
    wall = on_the_wall(stamp.astype("datetime64[ns]").astype(np.int64)[None], zone).astype("datetime64[ns]")[0]
    day, clock, part = re.split("[T.]", str(wall))
    clock = f"{clock}.{part.rstrip('0')}" if part.strip("0") else clock.removesuffix(":00")
    return day + (f" {clock}" if clock != "00:00" else "") + (f" ({zone})" if zone else "")


def _index(stamps: np.ndarray) -> Any:
    return needed("pandas", "a time zone", "forecast").DatetimeIndex(stamps.astype("datetime64[ns]"))


def _nanoseconds_of(index: Any) -> np.ndarray:
    return index.to_numpy().astype("datetime64[ns]").astype(np.int64)
