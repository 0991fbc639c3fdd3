"""The statistical methods that every forecaster is measured against, fitted to each series anew: Theta, ETS and ARIMA.

Sources: V. Assimakopoulos, K. Nikolopoulos, The theta model, International Journal of Forecasting 16 (2000); R. J.
Hyndman et al., A state space framework for automatic forecasting using exponential smoothing methods, International
Journal of Forecasting 18 (2002); R. J. Hyndman, Y. Khandakar, Automatic time series forecasting: the forecast package
for R, Journal of Statistical Software 27 (2008); all as https://github.com/Nixtla/statsforecast has them.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from unspool.data.needed import needed
from unspool.data.sequences import shown
from unspool.data.series import Forecasts, Panel
from unspool.errors import ConfigError, DataError, one_of
from unspool.tasks.forecast.expected import Expected
from unspool.tasks.forecast.gaps import filled
from unspool.tasks.forecast.method import gathered, season_of
from unspool.tasks.forecast.naive import seasonal_naive
from unspool.tasks.forecast.watched import watched

MODELS = {"theta": "Theta", "ets": "AutoETS", "arima": "AutoARIMA"}
"""Names, and the classes of statsforecast behind them."""


class Classical:
    """A method of statsforecast for each series of a panel; a series that it fails on gets `seasonal_naive` instead.

    How many those were, and why the first one failed, is said in a warning, and `failed` names them. Gaps are filled
    by straight lines before. A walk that takes long says how far it is. ETS models no season of more than 24 steps,
    and ARIMA takes minutes for a series of some hundred steps with a season of 24.

    Args:
        name: `"theta"`, `"ets"` or `"arima"`.
        season: steps of a season; that of the panel's frequency if None.
        jobs: processes to divide the series among; each takes some seconds to begin with.

    Attributes:
        failed: of the last call, the names of the series that the method failed on.

    Raises:
        ConfigError: another name, or `jobs` below 1. UnspoolError: statsforecast is missing.

    Example:
        >>> panel = Panel.of({"a": 10.0 + np.arange(24) % 4})
        >>> Classical("ets", season=4)(panel, horizon=4, levels=(0.1, 0.9)).mean.round(2)
        array([[10., 11., 12., 13.]])
    """

    def __init__(self, name: str, season: int | None = None, *, jobs: int = 1) -> None:
        if name not in MODELS:
            raise ConfigError(f"method is {name!r}; expected {one_of(MODELS)}")
        if jobs < 1:
            raise ConfigError(f"jobs is {jobs}; expected a number of processes, at least 1")
        self.name, self.season, self.jobs = name, season, jobs
        self.failed: tuple[str, ...] = ()
        needed("statsforecast.models", f"the method {name}", "classical")

    def __call__(self, panel: Panel, *, horizon: int, levels: Sequence[float]) -> Forecasts:
        season = season_of(panel, self.season)
        fit = partial(fitted, name=self.name, horizon=horizon, levels=tuple(levels), season=season)
        answers = list(watched(self._each(fit, panel), len(panel), self.name))
        reasons = {panel.ids[i]: reason for i, (_, reason) in enumerate(answers) if reason is not None}
        self.failed = tuple(reasons)
        if reasons:
            warnings.warn(
                f"{self.name} failed on {len(reasons)} of {len(panel)} series, which get the seasonal naive forecast "
                f"instead: {shown(list(reasons))}; the first says: {next(iter(reasons.values()))}",
                stacklevel=2,
            )
        return gathered(panel, [expected for expected, _ in answers], horizon, levels)

    def _each(self, fit: partial[Fitted], panel: Panel) -> Iterator[Fitted]:
        histories = (np.asarray(panel.history(i)) for i in range(len(panel)))
        if self.jobs == 1 or len(panel) == 1:
            yield from map(fit, histories)
            return
        with ProcessPoolExecutor(min(self.jobs, len(panel)), get_context("spawn")) as pool:
            yield from pool.map(fit, histories, chunksize=max(min(len(panel) // (4 * self.jobs), 50), 1))


class Fitted(NamedTuple):
    """What is expected of a series, and why the method could not say it, where it could not."""

    expected: Expected
    reason: str | None


def fitted(history: np.ndarray, *, name: str, horizon: int, levels: tuple[float, ...], season: int) -> Fitted:
    """The forecast of one series by a method, or by `seasonal_naive` if that fails in any way."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return Fitted(_forecast(history, name, horizon, levels, season), None)
    except Exception as error:  # the library raises whatever its parts do, bare `Exception` among them
        instead = seasonal_naive(history, horizon, levels, season=season)
        return Fitted(instead, str(error) or type(error).__name__)


def _forecast(history: np.ndarray, name: str, horizon: int, levels: tuple[float, ...], season: int) -> Expected:
    last = int(np.flatnonzero(~np.isnan(history))[-1])
    ahead = len(history) - 1 - last  # steps without a value at the end are forecast, too
    model = getattr(needed("statsforecast.models", f"the method {name}", "classical"), MODELS[name])(
        season_length=season
    )
    widths = sorted({_width(level) for level in levels} - {0.0})
    found = model.forecast(y=filled(history[: last + 1]), h=ahead + horizon, level=widths or None)
    mean = np.asarray(found["mean"], dtype=np.float64)[ahead:]
    each = [mean if level == 0.5 else np.asarray(found[_key(level)], dtype=np.float64)[ahead:] for level in levels]
    quantiles = np.sort(np.array(each).reshape(len(levels), horizon).T, axis=-1)
    if not (np.isfinite(mean).all() and np.isfinite(quantiles).all()):
        raise DataError("its forecast is not finite")
    return Expected(mean, quantiles)


def _width(level: float) -> float:
    """The central interval, in percent, that ends at the quantile of a level."""
    return round(100 * abs(1 - 2 * level), 9)


def _key(level: float) -> str:
    return f"{'lo' if level < 0.5 else 'hi'}-{_width(level)}"
