"""What is expected of series: means and quantiles of the steps after their histories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from unspool.data.series.frequency import Frequency
from unspool.errors import ConfigError, ShapeError

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False)
class Forecasts:
    """What is expected of N series over `horizon` steps after `origins`.

    Attributes:
        ids: names of the N series.
        frequency: what the numbers of steps mean.
        origins: `[N]` int64, number of the last observed step.
        mean: `[N, horizon]` float64.
        levels: of the L quantiles, ascending, each between 0 and 1; may be empty.
        quantiles: `[N, horizon, L]` float64.

    Raises:
        ShapeError: the arrays do not fit each other.
        ConfigError: the levels do not ascend between 0 and 1.

    Example:
        >>> mean = np.array([[4.0, 5.0]])
        >>> bounds = np.stack([mean - 1, mean + 1], axis=-1)
        >>> forecasts = Forecasts(["a"], Frequency.of("1"), np.array([9]), mean, (0.1, 0.9), bounds)
        >>> print(forecasts.frame().to_string(index=False))
        unique_id  ds  mean  0.1  0.9
                a  10   4.0  3.0  5.0
                a  11   5.0  4.0  6.0
        >>> forecasts.at(0.5).tolist()
        [[4.0, 5.0]]
    """

    ids: Sequence[str]
    frequency: Frequency
    origins: np.ndarray
    mean: np.ndarray
    levels: tuple[float, ...]
    quantiles: np.ndarray

    def __post_init__(self) -> None:
        if self.mean.ndim != 2 or len(self.mean) != len(self.ids) or self.origins.shape != (len(self.ids),):
            raise ShapeError(
                f"mean has shape {self.mean.shape} and origins {self.origins.shape}; expected (N, horizon) and (N,) "
                f"of N = {len(self.ids)} series"
            )
        if self.quantiles.shape != (*self.mean.shape, len(self.levels)):
            raise ShapeError(
                f"quantiles has shape {self.quantiles.shape}; expected {(*self.mean.shape, len(self.levels))}: series, "
                "steps, levels"
            )
        bounds = (0.0, *self.levels, 1.0)
        if any(low >= high for low, high in pairwise(bounds)):
            raise ConfigError(f"levels are {self.levels}; expected ascending numbers between 0 and 1")

    @property
    def horizon(self) -> int:
        """Steps ahead."""
        return self.mean.shape[1]

    @property
    def ordinals(self) -> np.ndarray:
        """`[N, horizon]` int64: numbers of the steps."""
        return self.origins[:, None] + 1 + np.arange(self.horizon)

    def frame(self) -> pandas.DataFrame:
        """A row for each step: `unique_id`, `ds`, `mean`, and the quantile of each level, named by it."""
        from unspool.data.series.frame import to_frame

        values = {"mean": self.mean.ravel()}
        values |= {repr(level): self.quantiles[:, :, i].ravel() for i, level in enumerate(self.levels)}
        ids = np.repeat(np.asarray(self.ids, dtype=object), self.horizon)
        times = self.frequency.times(self.ordinals.ravel())
        return to_frame(ids, times, values, zone=self.frequency.zone)

    def at(self, level: float) -> np.ndarray:
        """`[N, horizon]`: the quantile of a level, on the line between the two levels beside it.

        Raises:
            ConfigError: the level is not between the first and the last.
        """
        if not self.levels or not self.levels[0] <= level <= self.levels[-1]:
            raise ConfigError(f"level is {level}; expected one within the levels forecast, {self.levels}")
        right = int(np.searchsorted(self.levels, level))
        left = right if self.levels[right] == level else right - 1
        share = 0.0 if left == right else (level - self.levels[left]) / (self.levels[right] - self.levels[left])
        return (1 - share) * self.quantiles[:, :, left] + share * self.quantiles[:, :, right]
