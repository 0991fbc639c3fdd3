"""Missing values within a history, for methods that need every step."""

from __future__ import annotations

import numpy as np


def filled(history: np.ndarray) -> np.ndarray:
    """A history `[T]` with each gap (NaN) on the straight line between its neighbours; at the ends, as the nearest.

    A history without any value stays as it is.

    >>> filled(np.array([np.nan, 1.0, np.nan, np.nan, 4.0]))
    array([1., 1., 2., 3., 4.])
    """
    there = ~np.isnan(history)
    if there.all() or not there.any():
        return history
    steps = np.arange(len(history))
    return np.interp(steps, steps[there], history[there])
