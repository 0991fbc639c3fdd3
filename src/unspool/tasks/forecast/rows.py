"""Rows of panels put together anew: the latest ones, and new ones after them."""

from __future__ import annotations

from collections.abc import Sequence
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
    """The last `rows` observed rows of each series, and all rows after them.

    Example:
        >>> kept = latest(Panel.of({"a": [1.0, 2.0, 3.0], "b": [4.0]}), 2)
        >>> kept.y.tolist(), kept.starts.tolist()
        ([2.0, 3.0, 4.0], [1, 0])
    """
    kept = np.minimum(panel.observed, rows)
    first = panel.offsets[:-1] + panel.observed - kept
    taken = [np.arange(begin, end) for begin, end in _numbers(first, panel.offsets[1:])]
    return _of_rows(
        panel, Rows(panel.y, panel.covariates), panel.ids, taken, panel.starts + panel.observed - kept, kept
    )


def joined(old: Panel, new: Panel) -> Panel:
    """`old` with the rows of `new` after the observed ones of each series; steps between the two are missing, and
    series that are new begin. Of a step that both have, and of static covariates, what only one knows is taken from
    it; `new` may have series without an observed value (`observed` 0), whose rows wait for one.

    Raises:
        DataError: a value of `new` is not after those of its series, or frequency, covariates or what is static of a
            series are others.

    Example:
        >>> both = joined(Panel.of({"a": [1.0, 2.0]}), Panel.of({"a": [3.0], "b": [9.0]}, starts=3))
        >>> both.y.tolist(), both.starts.tolist(), both.ids
        ([1.0, 2.0, nan, 3.0, 9.0], [0, 3], ['a', 'b'])
    """
    ids, places = _places(old, new)
    nothing = len(old.y) + len(new.y)
    taken, waiting, starts, observed = [], [], [], []
    for name, (i, j) in zip(ids, places.tolist(), strict=True):
        before, after = _rows(old, i), _rows(new, j) + len(old.y)
        start = int(old.starts[i] if i >= 0 else new.starts[j])
        gap = int(new.starts[j]) - start if j >= 0 else 0
        if i >= 0 and (read := int(old.observed[i]) - gap) > 0 and len(after):
            _check_later(new, name, j, read)
            gap, after = gap + read, after[read:]
        steps = max(len(before), gap + len(after))
        waiting.append(_padded(before, 0, steps, nothing))
        taken.append(_padded(after, gap, steps, nothing))
        starts.append(start)
        last = int(new.observed[j]) if j >= 0 else 0
        observed.append(int(new.starts[j]) - start + last if last else int(old.observed[i]))
    first, second = places[:, 0], len(old) + places[:, 1]
    which = Over(np.where(first >= 0, first, second), np.where(places[:, 1] >= 0, second, first))
    rows = Over(np.concatenate([which.top[:0], *taken]), np.concatenate([which.top[:0], *waiting]))
    offsets = np.cumsum([0, *map(len, taken)], dtype=np.int64)
    given = _chained(old, new)
    for covariate in given.covariates:
        if covariate.role == "static":
            _check_same(covariate, which, ids)
    covariates = tuple((which if c.role == "static" else rows).of(c) for c in given.covariates)
    y = given.y[np.where(np.isnan(given.y[rows.top]), rows.below, rows.top)]
    return Panel(ids, offsets, np.array(starts), old.frequency, y, np.array(observed), covariates)


class Over(NamedTuple):
    """Numbers of values, and those of others that stand in where there is no value."""

    top: np.ndarray
    below: np.ndarray

    def of(self, covariate: Covariate) -> Covariate:
        """The values of a covariate."""
        values = covariate.values[self.top]
        return replace(covariate, values=np.where(covariate.lacking(values), covariate.values[self.below], values))


def _check_same(static: Covariate, which: Over, ids: Sequence[str]) -> None:
    """Refuse a series of which both panels know a static value, and not the same one."""
    before, after = static.values[which.top], static.values[which.below]
    other = ~static.lacking(before) & ~static.lacking(after) & (before != after)
    if other.any():
        i = int(other.argmax())
        words = [value if static.words is None else static.words[value] for value in (before[i], after[i])]
        raise DataError(
            f"series {ids[i]!r}: {static.name!r} is {words[1]!s} in the new rows, but was {words[0]!s} before; it is "
            "static, so give the same value, or none"
        )


def _padded(rows: np.ndarray, before: int, steps: int, nothing: int) -> np.ndarray:
    """`rows` after so many steps without one, and in all so many `steps`."""
    padded = np.full(steps, nothing)
    padded[before : before + len(rows)] = rows
    return padded


def _check_later(new: Panel, name: str, j: int, read: int) -> None:
    """Refuse a series that has values in its first rows, `read` of which have been read, or has no later value."""
    values = new.y[_rows(new, j)]
    if new.observed[j] and np.isnan(values[:read]).all():
        return
    first = int(new.starts[j] + (np.isnan(values).argmin() if new.observed[j] else 0))
    stamps = new.frequency.times(np.array([first, new.starts[j] + read - 1]))
    begin, latest = (shown_stamp(stamp, new.frequency.zone) for stamp in stamps)
    raise DataError(
        f"series {name!r}: the new rows begin at {begin}, but it has been read up to {latest}; give only rows after "
        "that"
    )


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
    return _unknown_ahead(_of_rows(panel, with_nothing, ids, taken, starts, np.repeat(kept, copies), which))


def _unknown_ahead(panel: Panel) -> Panel:
    """Without the past covariates of rows after the observed ones."""
    places = np.arange(len(panel.y)) - np.repeat(panel.offsets[:-1], panel.lengths)
    ahead = places >= np.repeat(panel.observed, panel.lengths)
    covariates = (
        replace(c, values=np.where(ahead, c.missing, c.values).astype(c.values.dtype)) if c.role == "past" else c
        for c in panel.covariates
    )
    return replace(panel, covariates=tuple(covariates))


def completed(known: Panel, like: Panel) -> Panel:
    """Rows of series of which only known covariates were read, with those of the other roles that `like` has, all
    missing."""
    given = {covariate.name: covariate for covariate in known.covariates}
    rows = {"static": len(known), "past": len(known.y)}
    covariates = tuple(
        given[c.name] if c.role == "known" else
        replace(c, values=np.full(rows[c.role], c.missing, c.values.dtype))
        for c in like.covariates
    )  # fmt: skip
    return replace(known, covariates=covariates)


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
    old, new = _alike(old, new), _alike(new, old)
    if old.words is None or new.words is None:
        if old.words is not new.words:
            raise DataError(f"{old.name!r} is of words in some rows and of numbers in others; give one of them")
        return replace(old, values=np.concatenate([old.values, new.values, spare]).astype(np.float32))
    words = tuple(dict.fromkeys([*old.words, *new.words]))
    numbers = np.array([*map(words.index, new.words), -1])
    values = np.concatenate([old.values, numbers[new.values], spare]).astype(np.int32)
    return replace(old, values=values, words=words)


def _alike(covariate: Covariate, other: Covariate) -> Covariate:
    """A covariate without any value, which does not tell whether it is of words or of numbers, as the other one is."""
    if (covariate.words is None) == (other.words is None) or not covariate.lacking(covariate.values).all():
        return covariate
    missing, kind = (np.nan, np.float32) if other.words is None else (-1, np.int32)
    values = np.full(len(covariate.values), missing, kind)
    return replace(covariate, values=values, words=None if other.words is None else ())


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
