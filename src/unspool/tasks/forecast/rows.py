"""Rows of panels put together anew: the latest ones, and new ones after them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from unspool.data.series import Covariate, Panel
from unspool.data.series.stamps import shown_stamp
from unspool.errors import DataError


class Rows(NamedTuple):
    """Rows of series, and static values, to take from by number."""

    y: np.ndarray
    covariates: tuple[Covariate, ...]


def latest(panel: Panel, rows: int) -> Panel:
    """The last `rows` observed rows of each series; rows after the last observed one go.

    Example:
        >>> kept = latest(Panel.of({"a": [1.0, 2.0, 3.0], "b": [4.0]}), 2)
        >>> kept.y.tolist(), kept.starts.tolist()
        ([2.0, 3.0, 4.0], [1, 0])
    """
    kept = np.minimum(panel.observed, rows)
    ends = panel.offsets[:-1] + panel.observed
    taken = [np.arange(end - count, end) for end, count in _numbers(ends, kept)]
    return _of_rows(
        panel, Rows(panel.y, panel.covariates), panel.ids, taken, panel.starts + panel.observed - kept, kept
    )


def joined(old: Panel, new: Panel) -> Panel:
    """`old` with the rows of `new` after the observed ones of each series; steps between the two are missing, and
    series that are new begin.

    Raises:
        DataError: a row of `new` is not after those of its series, or frequency or covariates are others.

    Example:
        >>> both = joined(Panel.of({"a": [1.0, 2.0]}), Panel.of({"a": [3.0], "b": [9.0]}, starts=3))
        >>> both.y.tolist(), both.starts.tolist(), both.ids
        ([1.0, 2.0, nan, 3.0, 9.0], [0, 3], ['a', 'b'])
    """
    ids, places = _places(old, new)
    nothing = len(old.y) + len(new.y)
    taken, starts, observed = [], [], []
    for name, (i, j) in zip(ids, places.tolist(), strict=True):
        mine, start = _history(old, i), int(old.starts[i] if i >= 0 else new.starts[j])
        gap = int(new.starts[j]) - start - len(mine) if j >= 0 else 0
        if gap < 0:
            raise _overlaps(new, name, j, start + len(mine) - 1)
        taken.append(np.concatenate([mine, np.full(gap, nothing), _rows(new, j) + len(old.y)]))
        starts.append(start)
        observed.append(len(mine) + (gap + int(new.observed[j]) if j >= 0 else 0))
    which = np.where(places[:, 0] >= 0, places[:, 0], len(old) + places[:, 1])
    return _of_rows(old, _chained(old, new), ids, taken, np.array(starts), np.array(observed), which)


def _history(panel: Panel, i: int) -> np.ndarray:
    """The rows of a series up to its last observed one, none for i = -1."""
    if i < 0:
        return np.zeros(0, np.int64)
    return int(panel.offsets[i]) + np.arange(int(panel.observed[i]))


def _rows(panel: Panel, i: int) -> np.ndarray:
    """All rows of a series, none for i = -1."""
    return np.zeros(0, np.int64) if i < 0 else np.arange(int(panel.offsets[i]), int(panel.offsets[i + 1]))


def repeated(panel: Panel, series: np.ndarray, *, copies: int, rows: int, ahead: int) -> Panel:
    """The last `rows` observed rows of each of `series` and `ahead` rows after them, every series `copies` times, to
    write values into; known covariates that the panel does not have for these rows are missing.

    Example:
        >>> twice = repeated(Panel.of({"a": [1.0, 2.0, 3.0]}), np.array([0]), copies=2, rows=2, ahead=1)
        >>> twice.y.tolist(), twice.observed.tolist()
        ([2.0, 3.0, nan, 2.0, 3.0, nan], [2, 2])
    """
    none = panel.take([])
    with_nothing, nothing = _chained(panel, none), len(panel.y)
    kept = np.minimum(panel.observed[series], rows)
    ends = panel.offsets[series] + panel.observed[series]
    taken: list[np.ndarray] = []
    for end, count, stop in _numbers(ends, kept, panel.offsets[series + 1]):
        after = np.arange(end, end + ahead)
        taken += [np.concatenate([np.arange(end - count, end), np.where(after < stop, after, nothing)])] * copies
    which = np.repeat(series, copies)
    starts = panel.starts[which] + panel.observed[which] - np.repeat(kept, copies)
    ids = [panel.ids[i] for (i,) in _numbers(which)]
    return _of_rows(panel, with_nothing, ids, taken, starts, np.repeat(kept, copies), which)


def continued(panel: Panel, ahead: Panel) -> Panel:
    """The history of each series, and after it the rows of the same series in `ahead` that come later: of those, only
    known covariates are kept. Rows after a history that the panel has itself go.

    Example:
        >>> panel = Panel.of({"a": [1.0, 2.0], "b": [5.0]})
        >>> continued(panel, panel).lengths.tolist(), continued(panel, panel).observed.tolist()
        ([2, 1], [2, 1])
    """
    first, nothing = len(panel.y), len(panel.y) + len(ahead.y)
    places = {name: number for number, name in enumerate(ahead.ids)}
    taken: list[np.ndarray] = []
    for i, name in enumerate(panel.ids):
        j = places.get(name, -1)
        rows = _rows(ahead, j)[int(ahead.observed[j]) :] if j >= 0 else _rows(ahead, j)
        taken.append(np.concatenate([_history(panel, i), rows + first]))
    given = {covariate.name: covariate for covariate in ahead.covariates}
    covariates = tuple(_ahead(c, given, nothing + 1) for c in panel.covariates)
    y = np.concatenate([panel.y, np.full(len(ahead.y) + 1, np.nan)])
    return _of_rows(panel, Rows(y, covariates), panel.ids, taken, panel.starts, panel.observed)


def _ahead(covariate: Covariate, given: Mapping[str, Covariate], rows: int) -> Covariate:
    """A covariate with values for `rows` rows, those `given` after its own where it is known, else none."""
    if covariate.role == "static":
        return covariate
    if covariate.role == "known":
        return _both(covariate, given[covariate.name])
    values = np.full(rows, covariate.missing, covariate.values.dtype)
    values[: len(covariate.values)] = covariate.values
    return replace(covariate, values=values)


def _numbers(*arrays: np.ndarray) -> list[list[int]]:
    """Arrays of one length, row by row."""
    return np.stack(arrays, 1).tolist()


def _places(old: Panel, new: Panel) -> tuple[list[str], np.ndarray]:
    """The names of all series, and for each its number in `old` and in `new`, or -1: `[N, 2]`."""
    if old.frequency.alias != new.frequency.alias:
        raise DataError(
            f"the new rows are of frequency {new.frequency.alias!r}, those before of {old.frequency.alias!r}; give "
            "rows of that frequency"
        )
    ids = list(dict.fromkeys([*old.ids, *new.ids]))
    numbers = [{name: number for number, name in enumerate(panel.ids)} for panel in (old, new)]
    return ids, np.array([[number.get(name, -1) for number in numbers] for name in ids]).reshape(-1, 2)


def _overlaps(new: Panel, name: str, series: int, last: int) -> DataError:
    stamps = new.frequency.times(np.array([new.starts[series], last]))
    first, latest = (shown_stamp(stamp, new.frequency.zone) for stamp in stamps)
    return DataError(
        f"series {name!r}: the new rows begin at {first}, but it has been read up to {latest}; give only rows after "
        "that"
    )


def _chained(old: Panel, new: Panel) -> Rows:
    """The rows of both and a row of nothing, and the static values of both."""
    given = {covariate.name: covariate for covariate in new.covariates}
    if {(c.name, c.role) for c in old.covariates} != {(c.name, c.role) for c in new.covariates}:
        names = [sorted(c.name for c in panel.covariates) for panel in (old, new)]
        raise DataError(f"the new rows have the covariates {names[1]}, those before {names[0]}; give the same ones")
    y = np.concatenate([old.y, new.y, [np.nan]])
    return Rows(y, tuple(_both(c, given[c.name]) for c in old.covariates))


def _both(old: Covariate, new: Covariate) -> Covariate:
    spare = [] if old.role == "static" else [-1 if old.words is not None else np.nan]
    if old.words is None or new.words is None:
        if old.words is not new.words:
            raise DataError(f"{old.name!r} is of words in some rows and of numbers in others; give one of them")
        return replace(old, values=np.concatenate([old.values, new.values, spare]).astype(np.float32))
    words = tuple(dict.fromkeys([*old.words, *new.words]))
    numbers = np.array([*map(words.index, new.words), -1])
    values = np.concatenate([old.values, numbers[new.values], spare]).astype(np.int32)
    return replace(old, values=values, words=words)


def _of_rows(
    like: Panel, given: Rows, ids: Sequence[str], taken: list[np.ndarray], starts: np.ndarray, observed: np.ndarray,
    which: np.ndarray | None = None,
) -> Panel:  # fmt: skip
    """A panel of the frequency of `like`: of each series the rows `taken`, and the static values of the series
    `which`, by default in order."""
    rows = np.concatenate([np.zeros(0, np.int64), *taken])
    offsets = np.cumsum([0, *map(len, taken)], dtype=np.int64)
    which = np.arange(len(ids)) if which is None else which
    covariates = tuple(replace(c, values=c.values[which if c.role == "static" else rows]) for c in given.covariates)
    return Panel(list(ids), offsets, starts, like.frequency, given.y[rows], observed, covariates)
