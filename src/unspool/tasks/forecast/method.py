"""Anything that forecasts a panel, and how a forecast of single series becomes that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from unspool.data.series import Forecasts, Panel
from unspool.errors import ConfigError
from unspool.tasks.forecast.expected import Expected, Single
from unspool.tasks.forecast.watched import watched


class Method(Protocol):
    """Forecasts the `horizon` steps after the history of each series; `Forecaster.predict` is one."""

    def __call__(self, panel: Panel, *, horizon: int, levels: Sequence[float]) -> Forecasts: ...


@dataclass(frozen=True)
class EachSeries:
    """A method that forecasts each series from its own history alone; a walk that takes long says how far it is.

    Attributes:
        single: forecasts one series.
        season: steps of a season; that of the panel's frequency if None.

    Example:
        >>> from unspool.tasks.forecast.naive import seasonal_naive
        >>> panel = Panel.of({"a": [1.0, 2.0, 3.0, 4.0], "b": [5.0, 6.0]})
        >>> EachSeries(seasonal_naive, season=2)(panel, horizon=3, levels=(0.1, 0.9)).mean
        array([[3., 4., 3.],
               [5., 6., 5.]])
    """

    single: Single
    season: int | None = None

    def __call__(self, panel: Panel, *, horizon: int, levels: Sequence[float]) -> Forecasts:
        season = season_of(panel, self.season)
        walk = watched(range(len(panel)), len(panel), getattr(self.single, "__name__", "forecasting"))
        each = [self.single(panel.history(i), horizon, levels, season=season) for i in walk]
        return gathered(panel, each, horizon, levels)


def season_of(panel: Panel, season: int | None) -> int:
    """The season that was asked for, or that of the frequency.

    Raises:
        ConfigError: it is below 1.
    """
    if season is not None and season < 1:
        raise ConfigError(f"season is {season}; expected the number of steps of a season, at least 1")
    return panel.frequency.season if season is None else season


def gathered(panel: Panel, each: Sequence[Expected], horizon: int, levels: Sequence[float]) -> Forecasts:
    """What is expected of each series of a panel, as one value."""
    mean = np.array([one.mean for one in each]).reshape(len(panel), horizon)
    quantiles = np.array([one.quantiles for one in each]).reshape(len(panel), horizon, len(levels))
    return Forecasts(panel.ids, panel.frequency, panel.origins, mean, tuple(levels), quantiles)
