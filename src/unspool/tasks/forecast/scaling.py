"""The scale of a window: every series to a common size, so that one model learns from all."""

from __future__ import annotations

import numpy as np


def scale_of(y: np.ndarray, how: str, *, horizon: int = 0, season: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """`loc` and `scale` of windows, so that (y - loc) / scale is read and written; missing values are left out::

        mean-abs   loc = 0,            scale = mean |y|                        (Salinas et al. 2020)
        robust     loc = median y,     scale = mean |y - loc|
        instance   loc = mean y,       scale = standard deviation of y         (reversible: Kim et al. 2022)
        last       loc = last y,       scale = 1                               (Lin et al. 2023)
        seasonal   as instance for what is read; what is written is on
                   loc = y of the latest season at that place in it,     scale = mean |y_t - y_{t - season}|
        none       loc = 0,            scale = 1

    A scale that would be 0, of a window that is constant, all 0 or without any value, is 1.

    Args:
        y: float64 `[B, L]`, NaN where nothing was observed.
        how: one of `unspool.tasks.forecast.settings.SCALINGS`.
        horizon: h, steps to be written after the window.
        season: steps of a season.

    Returns:
        float64 `[B, L + h]` each.

    Example:
        >>> loc, scale = scale_of(np.array([[1.0, np.nan, 3.0]]), "mean-abs", horizon=1)
        >>> loc.tolist(), scale.tolist()
        ([[0.0, 0.0, 0.0, 0.0]], [[2.0, 2.0, 2.0, 2.0]])
    """
    loc, scale = (part.repeat(y.shape[1] + horizon, 1) for part in _one_scale(y, how))
    if how == "seasonal" and horizon:
        loc[:, y.shape[1] :], scale[:, y.shape[1] :] = _seasonal(y, loc[:, :1], scale[:, :1], horizon, season)
    return loc, scale


def _one_scale(y: np.ndarray, how: str) -> tuple[np.ndarray, np.ndarray]:
    """`loc` and `scale` of all that is read, `[B, 1]` each."""
    seen = ~np.isnan(y)
    counts = np.maximum(seen.sum(1, keepdims=True), 1)
    filled = np.where(seen, y, 0.0)
    zero, one = np.zeros((len(y), 1)), np.ones((len(y), 1))
    if how == "none":
        return zero, one
    if how == "mean-abs":
        return zero, _positive(np.abs(filled).sum(1, keepdims=True) / counts)
    if how == "last":
        return _last(filled, seen), one
    loc = _medians(y, seen) if how == "robust" else filled.sum(1, keepdims=True) / counts
    off = np.where(seen, filled - loc, 0.0)
    if how == "robust":
        return loc, _positive(np.abs(off).sum(1, keepdims=True) / counts, loc)
    unit = _unit(off)
    return loc, _positive(np.sqrt(((off / unit) ** 2).sum(1, keepdims=True) / counts) * unit, loc)


def _seasonal(
    y: np.ndarray, loc: np.ndarray, scale: np.ndarray, horizon: int, season: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each step to write, the latest value seen at its place in the season, else `loc`; and the mean step from
    season to season, else `scale`."""
    length = y.shape[1]
    naive = np.broadcast_to(loc, (len(y), horizon)).copy()
    for back in range(length // season, 0, -1):
        steps = length + np.arange(horizon) % season - back * season
        found = y[:, steps]
        naive = np.where(np.isnan(found), naive, found)
    changes = np.abs(y[:, season:] - y[:, :-season]) if length > season else np.full((len(y), 1), np.nan)
    seen = ~np.isnan(changes)
    mean = np.where(seen, changes, 0.0).sum(1, keepdims=True) / np.maximum(seen.sum(1, keepdims=True), 1)
    return naive, np.where(mean > 1e-12 * np.abs(loc), mean, scale)


def _positive(scale: np.ndarray, loc: np.ndarray | float = 0.0) -> np.ndarray:
    """1 for a scale that is 0 but for rounding."""
    return np.where(scale > 1e-12 * np.abs(loc), scale, 1.0)


def _unit(off: np.ndarray) -> np.ndarray:
    """In what to measure so that squares are numbers: 1, or the largest of a row whose squares are too large or 0."""
    most = np.abs(off).max(1, keepdims=True, initial=0.0)
    return np.where((most > 1e150) | ((most > 0) & (most < 1e-150)), most, 1.0)


def _last(filled: np.ndarray, seen: np.ndarray) -> np.ndarray:
    places = seen.shape[1] - 1 - seen[:, ::-1].argmax(1)
    return np.where(seen.any(1), filled[np.arange(len(filled)), places], 0.0)[:, None]


def _medians(y: np.ndarray, seen: np.ndarray) -> np.ndarray:
    some = seen.any(1)
    loc = np.zeros((len(y), 1))
    loc[some, 0] = np.nanmedian(y[some], 1)
    return loc
