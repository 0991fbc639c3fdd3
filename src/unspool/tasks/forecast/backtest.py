"""Forecasts made at points within the histories, beside what came: how good a method would have been."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from unspool.data.series import Forecasts, Panel, to_frame
from unspool.errors import DataError
from unspool.tasks.forecast import metrics
from unspool.tasks.forecast.method import EachSeries, Method, season_of
from unspool.tasks.forecast.naive import naive2
from unspool.tasks.forecast.origins import Origin, origins
from unspool.tasks.forecast.scores import Scores, scales
from unspool.tasks.forecast.settings import LEVELS

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True, eq=False, repr=False)
class Backtest:
    """R forecasts of one method: of every series at every origin that it is long enough for, oldest origins first.

    Attributes:
        forecasts: R rows; a series is in it once for each of its origins.
        truth: `[R, H]`, NaN where nothing was observed.
        scale: `[R]`, of the history before each origin, see `scales`.
        windows: `[R]` int64, the window of each row, 0 for the oldest.
        seconds: that the method took.
        failed: rows on which the method gave another's forecast instead of its own.
    """

    forecasts: Forecasts
    truth: np.ndarray
    scale: np.ndarray
    windows: np.ndarray
    seconds: float
    failed: int

    def __repr__(self) -> str:
        return f"Backtest({len(self.truth)} forecasts of {self.truth.shape[1]} steps)"

    def scores(self, naive2: Scores | None = None) -> Scores:
        """How good they are, over all rows; `naive2` are the scores of Naive2 on the same rows, for OWA."""
        return Scores.of(self.forecasts, self.truth, scale=self.scale, naive2=naive2)

    def below(self) -> np.ndarray:
        """`[L]`: the share of targets at or below the quantile of each level, which should be the level itself."""
        return metrics.below(self.truth, self.forecasts.quantiles, self.forecasts.levels)

    def frame(self) -> pandas.DataFrame:
        """A row for each step of each forecast: unique_id, cutoff (the last step before it), ds, y, mean, levels."""
        forecasts, horizon = self.forecasts, self.forecasts.horizon
        frame = forecasts.frame()
        cutoffs = forecasts.frequency.times(np.repeat(forecasts.origins, horizon))
        stamps: Any = to_frame(frame["unique_id"].to_numpy(), cutoffs, {}, zone=forecasts.frequency.zone)["ds"]
        frame.insert(1, "cutoff", stamps)
        frame.insert(3, "y", self.truth.ravel())
        return frame


def backtest(
    panel: Panel, method: Method, *, horizon: int, windows: int = 1, step: int | None = None,
    levels: Sequence[float] = LEVELS, season: int | None = None, least: int = 1,
) -> Backtest:  # fmt: skip
    """Let a method forecast from each rolling origin (see `origins`), knowing nothing of what came after it.

    A method that was trained must not have seen what it is tested on.

    Args:
        panel: series with their whole histories.
        method: what forecasts, such as `unspool.tasks.forecast.methods.method("theta")` or `Forecaster.predict`.
        horizon, windows, step, least: see `origins`.
        levels: of the quantiles.
        season: steps of a season, for the scale; that of the panel's frequency if None. A method has its own.

    Raises:
        ConfigError, DataError: as `origins`.

    Example:
        >>> from unspool.tasks.forecast.naive import naive
        >>> panel = Panel.of({"a": [1, 2, 4, 7, 11], "b": [0, 1, 0, 1]})
        >>> found = backtest(panel, EachSeries(naive), horizon=1, windows=2, levels=(0.1, 0.9))
        >>> found.frame()[["unique_id", "cutoff", "ds", "y", "mean"]].to_string(index=False).splitlines()[1]
        '        a       2   3  7.0   4.0'
        >>> found.scores().mae
        2.25
    """
    made = _Made([], [])
    for origin in origins(panel, horizon, windows, step, least=least):
        made.add(origin, method, levels, season_of(panel, season))
    return made.backtest()


def compare(
    panel: Panel, methods: Mapping[str, Method], *, horizon: int, windows: int = 1, step: int | None = None,
    levels: Sequence[float] = LEVELS, season: int | None = None, least: int = 1,
) -> dict[str, Result]:  # fmt: skip
    """`backtest` of several named methods on the same windows, and their scores with OWA beside Naive2.

    >>> from unspool.tasks.forecast.methods import method
    >>> panel = Panel.of({"a": 10 + np.arange(40) % 4 + np.arange(40) / 10})
    >>> methods = {"last": method("naive"), "a season ago": method("seasonal-naive", season=4)}
    >>> found = compare(panel, methods, horizon=4, season=4)
    >>> [round(one.scores.mase, 2) for one in found.values()]
    [3.62, 1.0]
    """
    season = season_of(panel, season)
    yardstick, made = _Made([], []), {name: _Made([], []) for name in methods}
    for origin in origins(panel, horizon, windows, step, least=least):
        yardstick.add(origin, EachSeries(naive2, season), (), season)  # its median is its mean
        for name, method in methods.items():
            made[name].add(origin, method, levels, season)
    beside = yardstick.backtest().scores()
    found = {name: one.backtest() for name, one in made.items()}
    return {name: Result(one, one.scores(beside)) for name, one in found.items()}


class Result(NamedTuple):
    """A backtest, and how good it was."""

    backtest: Backtest
    scores: Scores

    def __repr__(self) -> str:
        return f"Result({self.scores.brief()}; {self.backtest!r})"


@dataclass
class _Made:
    """What a method made at each origin so far."""

    forecasts: list[Forecasts]
    rows: list[tuple[np.ndarray, np.ndarray, np.ndarray]]
    seconds: float = 0.0
    failed: int = 0

    def add(self, origin: Origin, method: Method, levels: Sequence[float], season: int) -> None:
        started = time.perf_counter()
        found = method(origin.panel, horizon=origin.truth.shape[1], levels=levels)
        self.seconds += time.perf_counter() - started
        self.failed += len(getattr(method, "failed", ()))
        self.forecasts.append(_checked(found, origin))
        scale = scales(map(origin.panel.history, range(len(origin.panel))), season)
        self.rows.append((origin.truth, scale, np.full(len(scale), origin.window, dtype=np.int64)))

    def backtest(self) -> Backtest:
        truth, scale, windows = map(np.concatenate, zip(*self.rows, strict=True))
        return Backtest(_joined(self.forecasts), truth, scale, windows, self.seconds, self.failed)


def _joined(parts: Sequence[Forecasts]) -> Forecasts:
    first = parts[0]
    origins, means, quantiles = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("origins", "mean", "quantiles")
    )
    return Forecasts([i for part in parts for i in part.ids], first.frequency, origins, means, first.levels, quantiles)


def _checked(found: Forecasts, origin: Origin) -> Forecasts:
    panel, horizon = origin.panel, origin.truth.shape[1]
    if list(found.ids) != list(panel.ids) or found.horizon != horizon or (found.origins != panel.origins).any():
        raise DataError(
            f"the method forecast {len(found.ids)} series over {found.horizon} steps; expected all {len(panel)} of the "
            f"panel, in their order, over {horizon} steps from the end of each history"
        )
    return found
