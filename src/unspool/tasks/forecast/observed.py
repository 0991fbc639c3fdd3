"""Forecasts beside the targets that were observed: the ground that all measures stand on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from unspool.errors import ConfigError, DataError, ShapeError


def mean_of_observed(terms: np.ndarray) -> np.ndarray:
    """The mean over the last dimension of what is not NaN; NaN where there is nothing.

    >>> mean_of_observed(np.array([[1.0, np.nan, 2.0], [np.nan, np.nan, np.nan]]))
    array([1.5, nan])
    """
    there = ~np.isnan(terms)
    count = there.sum(-1)
    return np.where(count > 0, np.where(there, terms, 0.0).sum(-1) / np.maximum(count, 1), np.nan)


def beside(y: ArrayLike, **forecasts: ArrayLike) -> list[np.ndarray]:
    """Targets `[…, H]` and named forecasts of the same shape, as float64; a forecast is NaN where the target is.

    Raises:
        ShapeError: a shape differs. DataError: a target is infinite, or a forecast of a target is not finite.
    """
    values = np.asarray(y, dtype=np.float64)
    if values.ndim == 0:
        raise ShapeError("y is a single number; expected [..., H], the steps of the horizon in the last dimension")
    if np.isinf(values).any():
        raise DataError("a value of y is infinite; expected finite numbers, and NaN where nothing was observed")
    arrays = [np.asarray(forecast, dtype=np.float64) for forecast in forecasts.values()]
    for name, array in zip(forecasts, arrays, strict=True):
        if array.shape != values.shape:
            raise ShapeError(f"{name} has shape {list(array.shape)}, y has {list(values.shape)}; expected one shape")
        _check_finite(name, array, ~np.isnan(values))
    return [values, *(np.where(np.isnan(values), np.nan, array) for array in arrays)]


def quantiles_beside(y: ArrayLike, quantiles: ArrayLike, levels: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Targets `[…, H]` and their quantiles `[…, H, L]` at `levels`, as float64; NaN where the target is.

    Raises:
        ShapeError, DataError: as `beside`. ConfigError: a level is not above 0 and below 1.
    """
    (values,), array = beside(y), np.asarray(quantiles, dtype=np.float64)
    expected = (*values.shape, len(levels))
    if array.shape != expected:
        raise ShapeError(
            f"quantiles have shape {list(array.shape)}; expected {list(expected)}: that of y, and {len(levels)} levels"
        )
    for level in levels:
        if not 0 < level < 1:
            raise ConfigError(f"a level is {level}; expected numbers above 0 and below 1")
    there = ~np.isnan(values)[..., None]
    _check_finite("quantiles", array, there)
    return values, np.where(there, array, np.nan)


def _check_finite(name: str, array: np.ndarray, there: np.ndarray) -> None:
    bad = np.argwhere(~np.isfinite(array) & there)
    if len(bad):
        place = tuple(int(n) for n in bad[0])
        raise DataError(
            f"{name}{list(place)} is {array[place]}, where there is a target ({len(bad)} such values in all); "
            "expected a finite forecast of every target"
        )
