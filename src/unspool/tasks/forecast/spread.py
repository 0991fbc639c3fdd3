"""How far a forecast that repeats a past value goes wrong, from how far it went wrong within the history."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def spread(values: np.ndarray, lags: np.ndarray, levels: Sequence[float], *, unit: int) -> np.ndarray:
    """Quantiles of the errors of forecasts that repeat the value of some steps before.

    Of the forecast that repeats the value of ℓ steps before, the errors within the history are e_t = y_t - y_{t-ℓ}.
    They are taken for symmetric about 0, so that the median is the forecast itself: with F the distribution of |e|,

        q_p = sign(p - ½) F⁻¹(|2p - 1|)

    A lag of more than half the history leaves too few errors: those of the longest multiple of `unit` that is not
    longer are taken times √(ℓ/ℓ′), as of a random walk. Where there are none of these either, those of neighbouring
    observed values are, and without any second value all quantiles are the forecast.

    Args:
        values: `[T]`, NaN where missing.
        lags: `[H]`, how many steps before the repeated value lies: multiples of `unit`.
        levels: L numbers above 0 and below 1.
        unit: steps of a season, or 1.

    Returns:
        `[H, L]`, to be added to the forecasts.

    Example:
        >>> spread(np.array([0.0, 1.0, -1.0, 2.0]), np.array([1, 1]), (0.5, 0.9), unit=1).round(2)
        array([[0. , 2.6],
               [0. , 2.6]])
    """
    if not levels:  # long backtests of points spend most of their time here otherwise
        return np.zeros((len(lags), 0))
    share = 2 * np.asarray(levels, dtype=np.float64) - 1
    found: dict[int, np.ndarray] = {}
    for lag in np.unique(lags).tolist():
        errors = _errors(values, lag, unit)
        found[lag] = np.sign(share) * np.quantile(errors, np.abs(share)) if len(errors) else 0 * share
    return np.array([found[lag] for lag in lags.tolist()]).reshape(len(lags), len(levels))


def _errors(values: np.ndarray, lag: int, unit: int) -> np.ndarray:
    """|e| at a lag, or what stands for it."""
    usable = max(min(lag, len(values) // 2) // unit * unit, unit)
    errors = np.abs(values[usable:] - values[:-usable])
    errors = errors[~np.isnan(errors)]
    if len(errors):
        return errors * np.sqrt(lag / usable)
    there = np.flatnonzero(~np.isnan(values))
    return np.abs(np.diff(values[there])) * np.sqrt(lag / np.diff(there))
