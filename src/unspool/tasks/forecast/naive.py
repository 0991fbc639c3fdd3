"""The forecasts that every other must beat: the last value, the value a season ago, and the last value with a season.

Each is a function `(history, horizon, levels, *, season) -> Expected` of one series; `each_series` makes a method for a
whole panel of it. Source: R. J. Hyndman, G. Athanasopoulos, Forecasting: Principles and Practice, 3rd ed., section 5.2,
and the M4 competition's R code (see `seasonality`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from unspool.errors import DataError, ShapeError
from unspool.tasks.forecast.expected import Expected
from unspool.tasks.forecast.gaps import filled
from unspool.tasks.forecast.observed import beside
from unspool.tasks.forecast.seasonality import Season, is_seasonal
from unspool.tasks.forecast.spread import spread


def naive(history: ArrayLike, horizon: int, levels: Sequence[float] = (), *, season: int = 1) -> Expected:
    """ŷ_{T+h} = y_T, the last observed value; `season` is not used.

    The quantiles of step h are those of the errors of that forecast within the history, see `spread`.

    Args:
        history: `[T]`, NaN where a value is missing, be it at the end.
        horizon: H steps after the T-th.
        levels: L numbers above 0 and below 1, rising.

    Raises:
        DataError: nothing was observed, or an infinite value. ShapeError: not one series.

    Example:
        >>> mean, quantiles = naive([3.0, 4.0, 6.0], 2, (0.25, 0.75))
        >>> mean, quantiles[0]
        (array([6., 6.]), array([4.5, 7.5]))
    """
    values, last = _series(history)
    return _repeated(values, np.full(horizon, last), levels, unit=1)


def seasonal_naive(history: ArrayLike, horizon: int, levels: Sequence[float] = (), *, season: int) -> Expected:
    """ŷ_{T+h} = y_{T+h-km}, the last observed value at the same step of the season of m steps; otherwise as `naive`.

    A step of the season at which nothing was ever observed gets the last observed value.

    >>> seasonal_naive([1.0, 2.0, 3.0, np.nan, 5.0], 4, season=3).mean
    array([3., 1., 5., 3.])
    """
    values, last = _series(history)
    there = np.flatnonzero(~np.isnan(values))
    latest = np.full(season, last)
    latest[there % season] = there  # of several with one remainder, numpy keeps the last
    return _repeated(values, latest[(len(values) + np.arange(horizon)) % season], levels, unit=season)


def naive2(history: ArrayLike, horizon: int, levels: Sequence[float] = (), *, season: int) -> Expected:
    """`naive` of the series without its season, times the season: the M4 competition's yardstick.

    Where the series is not seasonal (`is_seasonal`), that is `naive`. Else it is divided by the indices of a classical
    decomposition (`Season`; less them, where a value is 0 or less), and the forecasts get them back. To find the
    season, gaps are filled by straight lines.

    >>> naive2(np.tile([2.0, 6.0], 8), 3, season=2).mean
    array([2., 6., 2.])
    """
    values, last = _series(history)
    whole = filled(values[: last + 1])
    if not is_seasonal(whole, season):
        return naive(values, horizon, levels)
    found = Season.of(whole, season)
    mean, quantiles = naive(found.removed(values), horizon, levels)
    indices = found.at(len(values) + np.arange(horizon))
    if found.multiplied:
        return Expected(mean * indices, quantiles * indices[:, None])
    return Expected(mean + indices, quantiles + indices[:, None])


def _series(history: ArrayLike) -> tuple[np.ndarray, int]:
    """The values, and the place of the last observed one."""
    (values,) = beside(history)
    if values.ndim != 1:
        raise ShapeError(f"history has shape {list(values.shape)}; expected one series, [T]")
    there = np.flatnonzero(~np.isnan(values))
    if not len(there):
        raise DataError("nothing was observed in this history; expected at least one value to start from")
    return values, int(there[-1])


def _repeated(values: np.ndarray, places: np.ndarray, levels: Sequence[float], *, unit: int) -> Expected:
    """The values at `places` `[H]`, for the H steps after the history; `unit` is what their distances should divide."""
    distances = len(values) + np.arange(len(places)) - places
    mean = values[places]
    return Expected(mean, mean[:, None] + spread(values, -(-distances // unit) * unit, levels, unit=unit))
