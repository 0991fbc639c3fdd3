"""How good forecasts are, on plain arrays: the measures of the M4 competition, of GluonTS, and plain errors.

Shapes: `…` series (any dimensions, or none) · H steps of the horizon · L levels. A target that is NaN was not observed
and is left out of every measure. In a result, NaN means *not defined* (each function says when): leave such a series
out of a mean and say how many were left out, as `unspool.tasks.forecast.scores` does.

Sources: S. Makridakis, E. Spiliotis, V. Assimakopoulos, The M4 Competition: 100,000 time series and 61 forecasting
methods, International Journal of Forecasting 36 (2020), with the competition's R code,
https://github.com/Mcompetitions/M4-methods; R. J. Hyndman, A. B. Koehler, Another look at measures of forecast
accuracy, International Journal of Forecasting 22 (2006); A. Alexandrov et al., GluonTS, https://arxiv.org/abs/1906.05264.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from unspool.errors import ConfigError, ShapeError
from unspool.tasks.forecast.observed import beside, mean_of_observed, quantiles_beside

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The levels over which GluonTS takes the mean of the weighted quantile loss."""


def mae(y: ArrayLike, forecast: ArrayLike) -> np.ndarray:
    """Mean absolute error, (1/H) Σ |y - ŷ|, in the units of y.

    Args:
        y: `[…, H]`. forecast: `[…, H]`.

    Returns:
        `[…]`; NaN for a series without any target.

    Raises:
        ShapeError: the shapes differ. DataError: a forecast is not finite where there is a target.

    Example:
        >>> mae([[1.0, 2.0], [3.0, np.nan]], [[1.0, 4.0], [2.5, 0.0]])
        array([1. , 0.5])
    """
    y, forecast = beside(y, forecast=forecast)
    return mean_of_observed(np.abs(y - forecast))


def mse(y: ArrayLike, forecast: ArrayLike) -> np.ndarray:
    """Mean squared error, (1/H) Σ (y - ŷ)², in squared units of y; otherwise as `mae`.

    >>> float(mse([1.0, 2.0, np.nan], [1.0, 4.0, 9.0]))
    2.0
    """
    y, forecast = beside(y, forecast=forecast)
    return mean_of_observed((y - forecast) ** 2)


def smape(y: ArrayLike, forecast: ArrayLike) -> np.ndarray:
    """Symmetric mean absolute percentage error, (200/H) Σ |y - ŷ| / (|y| + |ŷ|), in percent from 0 to 200.

    Where target and forecast are both 0, the forecast is right and the term is 0; otherwise as `mae`.

    >>> smape([[100.0, 0.0]], [[300.0, 0.0]])
    array([50.])
    """
    y, forecast = beside(y, forecast=forecast)
    size = np.abs(y) + np.abs(forecast)
    return mean_of_observed(200 * np.abs(y - forecast) / np.where(size == 0, 1.0, size))


def seasonal_scale(history: ArrayLike, season: int) -> float:
    """What `mase` and `msis` are measured in: the mean |y_t - y_{t-m}| of a history `[T]`, m steps being a season.

    It is the mean error of the seasonal naive forecast one season ahead within the history. Pairs with a missing value
    are left out. NaN, that is, not defined, for a history without any pair (not longer than a season) and for one where
    every pair is equal (a constant): no error is small or large beside it.

    >>> seasonal_scale([1.0, 5.0, 2.0, 5.0, np.nan, 7.0], 2), seasonal_scale([4.0, 4.0, 4.0], 1)
    (1.0, nan)

    Raises:
        ConfigError: `season` is below 1. ShapeError: not one series. DataError: an infinite value.
    """
    if season < 1:
        raise ConfigError(f"season is {season}; expected the number of steps of a season, at least 1")
    (values,) = beside(history)
    if values.ndim != 1:
        raise ShapeError(f"history has shape {list(values.shape)}; expected one series, [T]")
    scale = float(mean_of_observed(np.abs(values[season:] - values[:-season])))
    return scale if scale > 0 else float("nan")


def mase(y: ArrayLike, forecast: ArrayLike, *, scale: ArrayLike) -> np.ndarray:
    """Mean absolute scaled error, MAE / scale: below 1 where better than the seasonal naive forecast in the history.

    Args:
        y: `[…, H]`. forecast: `[…, H]`. scale: `[…]`, of `seasonal_scale`.

    Returns:
        `[…]`; NaN for a series without any target, and where the scale is NaN.

    Raises:
        ShapeError, DataError: as `mae`.

    Example:
        >>> mase([[1.0, 2.0], [3.0, 3.0]], [[1.0, 4.0], [3.0, 4.0]], scale=[2.0, np.nan])
        array([0.5, nan])
    """
    return mae(y, forecast) / np.asarray(scale, dtype=np.float64)


def msis(y: ArrayLike, *, lower: ArrayLike, upper: ArrayLike, scale: ArrayLike, alpha: float = 0.05) -> np.ndarray:
    """Mean scaled interval score of central intervals that should hold a share 1 - `alpha` of the targets:

        (1/H) Σ [(u - l) + (2/α) (l - y)⁺ + (2/α) (y - u)⁺] / scale

    Args:
        y: `[…, H]`. lower, upper: `[…, H]`, the quantiles at α/2 and 1 - α/2. scale: `[…]`, of `seasonal_scale`.

    Returns:
        `[…]`; NaN for a series without any target, and where the scale is NaN.

    Raises:
        ShapeError, DataError: as `mae`. ConfigError: `alpha` is not between 0 and 1.

    Example:
        >>> msis([[5.0, 9.0]], lower=[[4.0, 4.0]], upper=[[8.0, 8.0]], scale=[2.0])      # (4 + 4 + 40 * 1) / 2 / 2
        array([12.])
    """
    if not 0 < alpha < 1:
        raise ConfigError(f"alpha is {alpha}; expected a share above 0 and below 1, such as 0.05 for intervals of 95%")
    y, lower, upper = beside(y, lower=lower, upper=upper)
    outside = np.maximum(lower - y, 0) + np.maximum(y - upper, 0)
    return mean_of_observed(upper - lower + 2 / alpha * outside) / np.asarray(scale, dtype=np.float64)


def coverage(y: ArrayLike, *, lower: ArrayLike, upper: ArrayLike) -> np.ndarray:
    """The share of targets that lie between two quantiles, both included, 0 to 1; shapes and rules as `msis`.

    >>> coverage([[1.0, 5.0, np.nan, 2.0]], lower=np.full((1, 4), 0.0), upper=np.full((1, 4), 2.0)).round(3)
    array([0.667])
    """
    y, lower, upper = beside(y, lower=lower, upper=upper)
    return mean_of_observed(np.where(np.isnan(y), np.nan, (lower <= y) & (y <= upper)))


def weighted_quantile_loss(y: ArrayLike, quantiles: ArrayLike, levels: Sequence[float]) -> np.ndarray:
    """Twice the pinball loss of all targets of all series over the sum of their sizes, at each level q:

        2 Σ (y - ŷ_q) (q - [y < ŷ_q]) / Σ |y|

    Large series weigh more than small ones; without units. The mean over `LEVELS` is GluonTS's `mean_wQuantileLoss`,
    and approximates the continuous ranked probability score divided by the mean |y|.

    Args:
        y: `[…, H]`. quantiles: `[…, H, L]`, at `levels`, L numbers above 0 and below 1.

    Returns:
        `[L]`; NaN where there are no targets or all of them are 0.

    Raises:
        ShapeError, DataError: as `mae`. ConfigError: a level that is none.

    Example:
        >>> weighted_quantile_loss([[10.0, 10.0]], [[[8.0, 10.0], [12.0, 11.0]]], (0.1, 0.5)).round(3)
        array([0.2 , 0.05])
    """
    y, quantiles = quantiles_beside(y, quantiles, levels)
    error, size = y[..., None] - quantiles, np.nansum(np.abs(y))
    losses = 2 * np.nansum(error * (np.asarray(levels) - (error < 0)), axis=tuple(range(y.ndim)))
    return losses / size if size > 0 else np.full(len(levels), np.nan)


def below(y: ArrayLike, quantiles: ArrayLike, levels: Sequence[float]) -> np.ndarray:
    """The share of targets at or below the quantile of each level; calibrated forecasts give the levels themselves.

    Shapes and errors as `weighted_quantile_loss`; NaN where there are no targets.

    >>> below([[1.0, 2.0, 3.0, 4.0]], np.broadcast_to([1.5, 3.5], (1, 4, 2)), (0.25, 0.75))
    array([0.25, 0.75])
    """
    y, quantiles = quantiles_beside(y, quantiles, levels)
    under = (y[..., None] <= quantiles)[~np.isnan(y)]
    return under.mean(0) if len(under) else np.full(len(levels), np.nan)


def owa(smape: float, mase: float, naive2_smape: float, naive2_mase: float) -> float:
    """Overall weighted average of M4: the mean of the two means' ratios to those of Naive2; below 1 is better than it.

    NaN where one of them is, and where a measure of Naive2 is 0.

    >>> round(owa(13.912, 1.193, 18.383, 2.395), 3)
    0.627
    """
    if naive2_smape == 0 or naive2_mase == 0:
        return float("nan")
    return (smape / naive2_smape + mase / naive2_mase) / 2
