"""`Elsewhere`: the mean of a series, but for what lies near a window."""

from __future__ import annotations

import numpy as np

from unspool.data.series import Panel

NEAR = 5
"""Windows before and after a window that are near it. docs/decisions/0033 has the measurements."""


class Elsewhere:
    """What a window that is learned from may know of its series' mean: that of the steps far from it.

    The mean of the whole series knows the window and the weeks around it: by it, a series seems to come back more than
    it does to a mean that is known beforehand. So what is learned from is held against the mean of all steps but the
    window's and `NEAR` windows on either side, of which only so much is left out that half of the series
    stays, if it has two windows.

    Args:
        panel: the series. until: `[N]`, steps of each that are learned from.
        window: steps of a window, L + h.
    """

    def __init__(self, panel: Panel, until: np.ndarray, *, window: int) -> None:
        self._panel, self._until, self._window = panel, until, window
        found = np.array([_sum_of_seen(panel.history(i)[: int(steps)]) for i, steps in enumerate(until)])
        self._sums, self._counts = found.reshape(-1, 2).T

    def __call__(self, series: np.ndarray, begins: np.ndarray) -> np.ndarray:
        """The means for the windows of `series` `[B]` that begin at the steps `begins` `[B]`; NaN if nothing is
        elsewhere: `[B]`."""
        until, window = self._until[series], self._window
        margin = np.minimum(NEAR * window, np.maximum(until // 2 - window, 0) // 2)
        first, last = np.maximum(begins - margin, 0), np.minimum(begins + window + margin, until)
        steps = first[:, None] + np.arange((last - first).max())
        near = steps < last[:, None]
        rows = np.where(near, self._panel.offsets[series][:, None] + steps, 0)
        values = np.where(near, self._panel.y[rows], np.nan)
        counts = self._counts[series] - (~np.isnan(values)).sum(1)
        with np.errstate(over="ignore", invalid="ignore"):  # beyond float64 nothing is known
            sums = self._sums[series] - np.nansum(values, 1)
        return np.where((counts > 0) & np.isfinite(sums), sums / np.maximum(counts, 1), np.nan)


def _sum_of_seen(values: np.ndarray) -> tuple[float, int]:
    seen = values[~np.isnan(values)]
    with np.errstate(over="ignore"):
        return float(seen.sum(dtype=np.float64)), seen.size
