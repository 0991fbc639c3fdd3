"""The frequency of gathered rows: named by the user, or found in their stamps."""

from __future__ import annotations

import warnings

import numpy as np

from unspool.data.sequences import shown
from unspool.data.series.closed import tell_of_closed_hours
from unspool.data.series.frequency import Frequency
from unspool.data.series.gather import Gathered
from unspool.data.series.read_stamps import Clock
from unspool.errors import DataError

ROWS = 500_000
"""Rows whose stamps are looked at."""

ALONE = 100
"""Series that are looked at one by one, where all together have no frequency."""

Stamps = list[tuple[str, np.ndarray]]
"""Names of series, and their stamps, sorted and distinct."""


def frequency_of(gathered: Gathered, freq: str | Frequency | None) -> Frequency:
    """The frequency of all rows.

    Args:
        gathered: the rows.
        freq: an alias, whose steps are laid through most stamps; a frequency, which is taken as it is; None to find it.

    Raises:
        DataError: none fits all series, or that named is of whole numbers and the stamps are dates or the reverse.
        ConfigError: pandas does not know the alias.
    """
    clock = gathered.clock
    if isinstance(freq, Frequency):
        return _same_kind(freq, gathered)
    named = None if freq is None else _same_kind(Frequency.of(freq, clock.zone), gathered)
    counts = np.zeros(len(gathered.ids), dtype=np.int64)
    for block in gathered.blocks():
        np.add.at(counts, block.series, 1)
    stamps = stamps_of_series(gathered, np.cumsum(counts) - counts < ROWS)
    if named is not None:
        return named.fitted(np.concatenate([times for _, times in stamps]))
    try:
        found = Frequency.infer([times for _, times in stamps], clock.zone)
    except DataError:
        refuse_mixed([(name, alone) for name, times in stamps[:ALONE] if (alone := _alone(times, clock.zone))])
        raise
    tell_of_closed_hours(stamps, found)
    return found


def check_pace(gathered: Gathered, frequency: Frequency, sparse: np.ndarray) -> None:
    """Refuse series whose steps are all much longer than those of the frequency that was found for all.

    Args:
        gathered: the rows.
        frequency: of all.
        sparse: `[N]` bool, series with hardly more than every other step; others pass.

    Raises:
        DataError: there is one; it and one of the others are named.
    """
    if not sparse.any() or sparse.all():
        return
    other = gathered.ids.texts[int(sparse.argmin())]
    for name, times in stamps_of_series(gathered, sparse):
        if _strides(np.diff(frequency.ordinals(times))):
            alone = _alone(times, frequency.zone)
            refuse_mixed([(other, frequency), (name, alone)] if alone else [])


def tell_of_pace(gathered: Gathered, frequency: Frequency, used: np.ndarray) -> None:
    """Warn where no two rows of any of the first series, `used` `[N]` bool, are one step of `frequency` apart."""
    first = used & (np.cumsum(used) <= ALONE)
    steps = [np.diff(frequency.ordinals(times)) for _, times in stamps_of_series(gathered, first)]
    apart = np.concatenate([np.empty(0, np.int64), *steps])
    if len(apart) > 2 and apart.min() > 1:
        warnings.warn(
            f"no two rows are a step of frequency {frequency.alias!r} apart, the nearest are {int(apart.min())} steps: "
            "what lies between is read as missing; if these series have another frequency, give those of the right one",
            stacklevel=2,
        )


def tell_of_strides(gathered: Gathered, frequency: Frequency, sparse: np.ndarray) -> None:
    """Warn of series, of those that are `sparse` `[N]` bool and the first `ALONE`, whose rows all lie equally far
    apart, by more than a step of `frequency`: of that which others have, and a model was trained on."""
    if not sparse.any():
        return
    first = sparse & (np.cumsum(sparse) <= ALONE)
    steps = {name: np.diff(frequency.ordinals(times)) for name, times in stamps_of_series(gathered, first)}
    if found := [name for name, its in steps.items() if _strides(its)]:
        warnings.warn(
            f"all rows of {shown(found)} are {int(steps[found[0]].min())} or more steps of frequency "
            f"{frequency.alias!r} apart: what lies between is read as missing; if they have another frequency, they "
            "need a model of that",
            stacklevel=2,
        )


def _strides(steps: np.ndarray) -> bool:
    """Whether rows that are so many steps apart may be of a frequency of longer steps."""
    return len(steps) > 2 and bool(steps.min() > 1 and steps.max() <= 1.2 * steps.min())


def refuse_mixed(found: list[tuple[str, Frequency]]) -> None:
    """Refuse series of several frequencies, naming one of each of two.

    Raises:
        DataError: there are such.
    """
    if not found:
        return
    name, frequency = found[0]
    for other, its in found:
        if its.alias != frequency.alias:
            raise DataError(
                f"series {name!r} has frequency {frequency.alias!r}, but series {other!r} has {its.alias!r}; expected "
                "one frequency: give those of each in files of their own, or name one for all with --freq (steps "
                "without a row are missing values)"
            )


def stamps_of_series(gathered: Gathered, chosen: np.ndarray) -> Stamps:
    """The stamps of the series chosen, `[N]` bool; of the first `ROWS` of their rows or a few more."""
    parts, size = [np.empty((2, 0), dtype=np.int64)], 0
    for block in gathered.blocks():
        mine = chosen[block.series]
        parts.append(np.stack([block.series[mine], block.times[mine]]))
        size += int(mine.sum())
        if size >= 2 * ROWS:
            break
    found = np.concatenate(parts, axis=1)
    series, times = np.unique(found, axis=1)
    names = gathered.ids.texts
    times = times if gathered.clock.integer else times.astype("datetime64[ns]")
    starts = np.flatnonzero(np.diff(series, prepend=-1))
    return [(names[number], part) for number, part in zip(series[starts], np.split(times, starts[1:]), strict=True)]


def _same_kind(frequency: Frequency, gathered: Gathered) -> Frequency:
    clock = gathered.clock
    if frequency.integer != clock.integer or (frequency.zone is None) != (clock.zone is None):
        expected = "whole numbers" if frequency.integer else f"dates {'of a' if frequency.zone else 'without a'} zone"
        raise DataError(
            f"{gathered.place(0)}: {gathered.columns.ds!r} holds {clock}, but steps of frequency {frequency.alias!r} "
            f"are {expected}; expected the same kind: {_mended(frequency, clock)}"
        )
    return frequency


def _mended(frequency: Frequency, clock: Clock) -> str:
    """How stamps and frequency can be made to be of one kind."""
    if frequency.integer:
        return "number the rows, or name a frequency of dates in training, such as --freq D"
    if clock.integer:
        return "write dates as 2024-05-31, or give --freq 1 in training"
    return "write stamps with their zone" if frequency.zone else "write stamps without a zone"


def _alone(times: np.ndarray, zone: str | None) -> Frequency | None:
    """The frequency of one series; None where it has none."""
    try:
        return Frequency.infer(times, zone)
    except DataError:
        return None
