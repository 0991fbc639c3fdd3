"""How good the forecasts of many series are, in the numbers that papers report."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from unspool.data.series import Forecasts
from unspool.errors import ShapeError
from unspool.tasks.forecast import metrics

ALPHA = 0.05
"""Coverage and interval score are of the central intervals of 95%."""


def scales(histories: Iterable[np.ndarray], season: int) -> np.ndarray:
    """`seasonal_scale` of each history: `[N]`, NaN where there is none.

    >>> scales([np.array([1.0, 2.0, 4.0]), np.array([3.0, 3.0])], 1)
    array([1.5, nan])
    """
    with np.errstate(over="ignore"):
        found = np.array([metrics.seasonal_scale(history, season) for history in histories], dtype=np.float64)
    return np.where(np.isfinite(found), found, np.nan)


@dataclass(frozen=True)
class Scores:
    """The measures of `unspool.tasks.forecast.metrics` over N series; None for one that is not defined,
    or larger than any number.

    Absolute errors are those of the median, which makes them least, and squared errors those of the mean; without a
    level of 0.5 both are those of the mean.

    Attributes:
        smape, mase, msis: means over series. A series without any target counts in none of them; one without a scale
            (constant, or not longer than a season) counts in `smape` alone, and in `unscaled`.
        owa: beside Naive2, None where that was not given.
        wql: mean weighted quantile loss over the levels 0.1 to 0.9, of all targets together. A level that was not
            forecast lies on the line between its neighbours; None where the levels do not reach from 0.1 to 0.9.
        coverage: share of all targets within the 95% interval; None, as is `msis`, where the levels do not reach from
            0.025 to 0.975.
        mae, mse: of all targets together.
        series, targets: how many were measured.
        unscaled: series that were, but count in neither `mase` nor `msis`.
    """

    smape: float | None
    mase: float | None
    owa: float | None
    wql: float | None
    msis: float | None
    coverage: float | None
    mae: float | None
    mse: float | None
    series: int
    targets: int
    unscaled: int

    @classmethod
    @np.errstate(over="ignore", invalid="ignore")
    def of(cls, forecasts: Forecasts, y: np.ndarray, *, scale: np.ndarray, naive2: Scores | None = None) -> Scores:
        """Measure forecasts of N series over H steps.

        Args:
            forecasts: of those series.
            y: `[N, H]`, what came; NaN where that was not observed.
            scale: `[N]`, see `scales`.
            naive2: the scores of Naive2 on the same, for `owa`.

        Raises:
            ShapeError: the shapes differ. DataError: a forecast of a target is not finite.

        Example:
            >>> from unspool.data.series import Panel
            >>> from unspool.tasks.forecast.method import EachSeries
            >>> from unspool.tasks.forecast.naive import naive
            >>> panel = Panel.of([[1.0, 2.0, 4.0], [5.0, 5.0]])
            >>> found = EachSeries(naive)(panel, horizon=2, levels=())
            >>> scores = Scores.of(found, np.array([[4.0, 7.0], [5.0, np.nan]]), scale=np.array([1.5, np.nan]))
            >>> scores.mase, scores.mse, scores.wql, scores.series, scores.targets, scores.unscaled
            (1.0, 3.0, None, 2, 3, 1)
        """
        if scale.shape != (len(forecasts.ids),):
            raise ShapeError(
                f"scale has shape {list(scale.shape)}; expected [{len(forecasts.ids)}], one for each series"
            )
        median = forecasts.at(0.5) if 0.5 in forecasts.levels else forecasts.mean
        smape = _mean(metrics.smape(y, median))
        mase = _mean(metrics.mase(y, median, scale=scale))
        measured = (~np.isnan(y)).any(-1)
        return cls(
            smape=smape, mase=mase, owa=_owa(smape, mase, naive2), wql=_wql(forecasts, y),
            **_interval(forecasts, y, scale),
            mae=_or_none(metrics.mae(y.ravel(), median.ravel())),
            mse=_or_none(metrics.mse(y.ravel(), forecasts.mean.ravel())),
            series=int(measured.sum()), targets=int((~np.isnan(y)).sum()),
            unscaled=int((measured & np.isnan(scale)).sum()),
        )  # fmt: skip

    def brief(self) -> str:
        """The measures of the median in a line, without those that are not defined."""
        values = {"sMAPE": self.smape, "MASE": self.mase, "OWA": self.owa, "wQL": self.wql}
        return ", ".join(f"{name} {value:.4g}" for name, value in values.items() if value is not None)

    def to_json(self) -> dict[str, Any]:
        """All of it by name, None for what is not defined."""
        return asdict(self)


def _interval(forecasts: Forecasts, y: np.ndarray, scale: np.ndarray) -> dict[str, float | None]:
    lower, upper = _level(forecasts, ALPHA / 2), _level(forecasts, 1 - ALPHA / 2)
    if lower is None or upper is None:
        return {"msis": None, "coverage": None}
    return {
        "msis": _mean(metrics.msis(y, lower=lower, upper=upper, scale=scale, alpha=ALPHA)),
        "coverage": _or_none(metrics.coverage(y.ravel(), lower=lower.ravel(), upper=upper.ravel())),
    }


def _wql(forecasts: Forecasts, y: np.ndarray) -> float | None:
    found = [_level(forecasts, level) for level in metrics.LEVELS]
    quantiles = [one for one in found if one is not None]
    if len(quantiles) < len(found):
        return None
    return _or_none(metrics.weighted_quantile_loss(y, np.stack(quantiles, -1), metrics.LEVELS).mean())


def _owa(smape: float | None, mase: float | None, naive2: Scores | None) -> float | None:
    if naive2 is None or smape is None or mase is None or naive2.smape is None or naive2.mase is None:
        return None
    return _or_none(metrics.owa(smape, mase, naive2.smape, naive2.mase))


def _level(forecasts: Forecasts, level: float) -> np.ndarray | None:
    """The quantile `[N, H]`, or None outside of the levels that were forecast."""
    levels = forecasts.levels
    return forecasts.at(level) if levels and levels[0] <= level <= levels[-1] else None


def _mean(values: np.ndarray) -> float | None:
    """The mean of what is defined."""
    defined = values[~np.isnan(values)]
    return _or_none(defined.mean()) if len(defined) else None


def _or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
