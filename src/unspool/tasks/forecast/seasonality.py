"""Is a series seasonal, and what is left of it without its season? As in the benchmarks of the M4 competition.

Source: the competition's R code, https://github.com/Mcompetitions/M4-methods, `Benchmarks and Evaluation.R`, and R's
`stats::decompose` (M. Kendall, A. Stuart, The Advanced Theory of Statistics, vol. 3, 1983).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

CRITICAL = 1.645
"""Of the normal distribution, two-sided at 90%."""

SEASONS = 3
"""A history with fewer whole seasons is taken for one without."""


def is_seasonal(values: np.ndarray, season: int) -> bool:
    """Whether the autocorrelation r_m at a lag of one season m is significant at 90%:

        |r_m| > 1.645 √((1 + 2 Σ_{k<m} r_k²) / T)

    Args:
        values: `[T]`, without gaps.
        season: m, in steps.

    Returns:
        False where there is no season (m = 1), for fewer than three seasons, and for a constant. The competition's code
        also says no where m is above 10 log₁₀ T, as far as R's `acf` looks by default; not so here.

    >>> is_seasonal(np.tile([1.0, 2.0, 5.0, 2.0], 5), 4), is_seasonal(np.arange(20.0) % 3, 4)
    (True, False)
    >>> is_seasonal(1e301 * np.tile([1.0, 2.0, 5.0, 2.0], 5), 4)
    True
    """
    if season == 1 or len(values) < SEASONS * season:
        return False
    centred = values - values.mean()
    if (most := np.abs(centred).max()) > 1e150:  # their squares would be no numbers
        centred = centred / most
    power = centred @ centred
    if np.ptp(values) == 0 or power == 0:
        return False
    r = np.array([centred[lag:] @ centred[:-lag] for lag in range(1, season + 1)]) / power
    limit = CRITICAL * np.sqrt((1 + 2 * (r[:-1] ** 2).sum()) / len(values))
    return bool(abs(r[-1]) > limit)


@dataclass(frozen=True)
class Season:
    """What the steps of a season add to a series, or multiply it by.

    Attributes:
        indices: `[m]`, of the first step of the history and those after it; mean 1 if multiplied, 0 if added.
        multiplied: which of the two.
    """

    indices: np.ndarray
    multiplied: bool

    @classmethod
    def of(cls, values: np.ndarray, season: int) -> Season:
        """Classical decomposition of `values` `[T]`, T ≥ 2m, without gaps: each index is the mean ratio of its steps to
        a moving average over one season, centred; the mean difference, where a value is 0 or less.

        >>> Season.of(np.tile([1.0, 3.0], 4), 2).indices
        array([0.5, 1.5])
        """
        weights = np.full(season + (season % 2 == 0), 1 / season)
        if season % 2 == 0:
            weights[[0, -1]] /= 2
        trend, first = np.convolve(values, weights, "valid"), len(weights) // 2
        inner, multiplied = values[first : first + len(trend)], bool(values.min() > 0)
        parts = inner / trend if multiplied else inner - trend
        places = (first + np.arange(len(trend))) % season
        means = np.bincount(places, parts, season) / np.bincount(places, minlength=season)
        return cls(means / means.mean() if multiplied else means - means.mean(), multiplied)

    def at(self, steps: np.ndarray) -> np.ndarray:
        """The indices of `steps`, counted from the first step of the history."""
        return self.indices[steps % len(self.indices)]

    def removed(self, values: np.ndarray) -> np.ndarray:
        """A history `[T]` without its season."""
        indices = self.at(np.arange(len(values)))
        return values / indices if self.multiplied else values - indices
