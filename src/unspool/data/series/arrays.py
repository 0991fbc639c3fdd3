"""A panel of arrays in memory."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from unspool.data.sequences import shown, starts_and_end
from unspool.data.series.frequency import Frequency
from unspool.data.series.panel import Panel
from unspool.errors import DataError, ShapeError


def panel_of(series: Mapping[Any, ArrayLike] | Sequence[ArrayLike], frequency: str | Frequency, starts: Any) -> Panel:
    """`Panel.of`."""
    named = dict(series.items()) if isinstance(series, Mapping) else dict(enumerate(series))
    values = {str(name): _values(str(name), array) for name, array in named.items()}
    if len(values) < len(named):
        raise DataError(
            f"two of the names {shown(list(map(str, named)))} are the same as text; expected different ones"
        )
    grid = frequency if isinstance(frequency, Frequency) else Frequency.of(frequency)
    grid, steps = _steps(grid, starts, len(values))
    spans = [_observed(array) for array in values.values()]
    kept = [i for i, (first, last) in enumerate(spans) if last > first]
    warn_of_empty([name for i, name in enumerate(values) if i not in set(kept)], len(values))
    lengths = np.array([spans[i][1] - spans[i][0] for i in kept], dtype=np.int64)
    arrays = list(values.values())
    y = np.concatenate([arrays[i][slice(*spans[i])] for i in kept])
    first = np.array([spans[i][0] for i in kept], dtype=np.int64)
    ids = [list(values)[i] for i in kept]
    return Panel(ids, starts_and_end(lengths), steps[kept] + first, grid, y, lengths)


def warn_of_empty(names: Sequence[str], series: int, *, refused: bool = True) -> None:
    """Say which series are left out because they have no value.

    Raises:
        DataError: all of them, unless that is not `refused`.
    """
    if refused and len(names) == series:
        raise DataError("no series has an observed value; expected at least one value of y")
    if names:
        warnings.warn(f"{len(names)} series without an observed value are left out: {shown(names)}", stacklevel=3)


def _values(name: str, array: ArrayLike) -> np.ndarray:
    try:
        values = np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"series {name!r} has values that are no numbers ({error}); expected numbers") from None
    if values.ndim != 1:
        raise ShapeError(f"series {name!r} has shape {values.shape}; expected one value a step, (steps,)")
    if np.isinf(values).any():
        step = int(np.isinf(values).argmax())
        raise DataError(
            f"series {name!r} is infinite at its step {step + 1}; expected a finite number, or NaN for none"
        )
    return values


def _observed(values: np.ndarray) -> tuple[int, int]:
    """From the first to after the last value that is not missing."""
    there = np.flatnonzero(~np.isnan(values))
    return (int(there[0]), int(there[-1]) + 1) if len(there) else (0, 0)


def _dates(starts: np.ndarray) -> np.ndarray:
    try:
        return starts.astype("datetime64[ns]")
    except ValueError as error:
        raise DataError(f"starts are no dates ({error}); expected dates such as 2024-05-31, or numbers") from None


def _steps(frequency: Frequency, starts: Any, series: int) -> tuple[Frequency, np.ndarray]:
    """The frequency through the starts, and `[N]` the number of each series's first step."""
    given = np.asarray(starts)
    if given.dtype.kind in "OU":
        given = _dates(given)
    if given.dtype.kind == "M":
        frequency = frequency.fitted(np.atleast_1d(given))
        given = frequency.ordinals(np.atleast_1d(given)).reshape(given.shape)
    if given.shape not in ((), (series,)):
        raise ShapeError(f"starts has shape {given.shape}; expected one start, or one for each of {series} series")
    return frequency, np.broadcast_to(given.astype(np.int64), (series,)).copy()
