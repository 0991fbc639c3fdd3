"""Which frequency stamps have: their most frequent spacing, if it fits them all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from unspool.data.series.frequency import Frequency
from unspool.data.series.grids import DAY
from unspool.data.series.stamps import nanoseconds, on_the_wall, read_as_utc, shown_stamp
from unspool.data.series.steps import MONTHS, UNITS, WEEKDAYS
from unspool.errors import DataError

MONTH = 30.436875
"""Days of a month, on average."""


TRIED = 12
"""How many spacings are tried, the most frequent first."""


def infer(series: Sequence[np.ndarray], zone: str | None) -> Frequency:
    """`Frequency.infer`, of a list of arrays."""
    arrays = [np.asarray(times) for times in series if len(times)]
    integer = bool(arrays) and arrays[0].dtype.kind in "iu"
    whole = [times.astype(np.int64) if integer else nanoseconds(times) for times in arrays]
    if integer:
        _check_no_dates(np.concatenate(whole))
    spacings = np.concatenate([np.diff(stamps) for stamps in whole] or [np.empty(0, dtype=np.int64)])
    spacings = spacings[spacings > 0]
    if not len(spacings):
        raise DataError("no series has two different stamps, so how far apart steps are is unknown: give --freq")
    stamps = np.concatenate(whole)
    found, counts = np.unique(spacings, return_counts=True)
    most = found[np.argsort(-counts, kind="stable")[:TRIED]].tolist()
    times = stamps if integer else stamps.astype("datetime64[ns]")
    for spacing in most:
        for frequency in _candidates(spacing, times, zone):
            if frequency.located(times)[1].all():
                return frequency
    raise _unlike(times, most[0], int(np.gcd.reduce(spacings)), zone)


def _check_no_dates(numbers: np.ndarray) -> None:
    """Refuse whole numbers that are all dates such as 20240531."""
    year, month, day = numbers // 10_000, numbers // 100 % 100, numbers % 100
    dates = (year > 1677) & (year < 2262) & (month > 0) & (month < 13) & (day > 0) & (day < 32)
    if len(numbers) > 1 and dates.all():
        raise DataError(
            f"the stamps are whole numbers such as {numbers[0]}, which seem to be dates; write them as 2024-05-31, or "
            "give --freq 1 if they count steps"
        )


def _candidates(spacing: int, times: np.ndarray, zone: str | None) -> Iterator[Frequency]:
    """Frequencies with this spacing, fitted to the stamps, the likelier first."""
    integer = times.dtype.kind != "M"
    aliases = [str(spacing)] if integer else _aliases(spacing, on_the_wall(times.astype(np.int64), zone))
    return (Frequency(alias, zone).fitted(times) for alias in aliases)


def _aliases(spacing: int, wall: np.ndarray) -> list[str]:
    days = spacing // DAY
    if spacing % DAY:
        return [_even(spacing)]
    if days == 1:
        return ["B", "D"] if _rests(wall) else ["D"]
    day = int(wall[0] // DAY)
    months = round(days / MONTH)
    calendar = _by_month(months, day) if months and abs(days - months * MONTH) < 2.5 else []
    weeks = [f"{days // 7}W-{WEEKDAYS[(day + 3) % 7]}"] if days % 7 == 0 else []
    halves = [_twice_a_month(wall)] if 13 <= days <= 18 else []
    return [*calendar, *weeks, *halves, f"{days}D"]


def _even(spacing: int) -> str:
    """The alias of so many nanoseconds, in the longest unit that they are whole."""
    unit, size = next((unit, size) for unit, size in reversed(UNITS.items()) if spacing % size == 0)
    return f"{spacing // size}{unit}"


def _rests(wall: np.ndarray) -> bool:
    """Whether more than a week of days holds no Saturday and no Sunday."""
    days = wall // DAY
    return bool(days.max() - days.min() > 7 and ((days + 3) % 7 < 5).all())


def _by_month(months: int, day: int) -> list[str]:
    month = MONTHS[int(np.datetime64(day, "D").astype("datetime64[M]").astype(np.int64)) % 12]
    kinds = ("S", "E")
    if months % 12 == 0:
        return [f"{months // 12}{rest}Y{kind}-{month}" for rest in ("", "B") for kind in kinds]
    if months % 3 == 0:
        return [f"{months // 3}{rest}Q{kind}-{month}" for rest in ("", "B") for kind in kinds]
    return [f"{months}{rest}M{kind}" for rest in ("", "B") for kind in kinds]


def _twice_a_month(wall: np.ndarray) -> str:
    """The first day of each month and another, or a day and the last one, as far as pandas knows such."""
    days = (wall // DAY).astype("datetime64[D]")
    places = (days - days.astype("datetime64[M]").astype("datetime64[D]")).astype(np.int64) + 1
    first, last = int(places.min()), int(places.max())
    return f"SMS-{min(last, 27)}" if first == 1 else f"SME-{min(first, 27)}"


def _unlike(times: np.ndarray, spacing: int, finest: int, zone: str | None) -> DataError:
    """The error for stamps that no spacing fits."""
    frequency = list(_candidates(spacing, times, zone))[-1]
    stamp = times[int(frequency.located(times)[1].argmin())]
    finer = str(finest) if frequency.integer else _even(finest)
    return DataError(
        f"most stamps are {frequency.alias!r} apart, but {shown_stamp(stamp, zone)} is on no step of that: mend it, or "
        f"name the frequency with --freq (of what pandas knows, {finer!r} would fit all; steps without a row are "
        f"missing values){read_as_utc(zone, frequency.by_clock)}"
    )
