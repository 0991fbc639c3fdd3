"""Scores of many series: which mean is taken of what, and what is left out of it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_pinball_loss

from unspool.data.series import Forecasts, Frequency
from unspool.errors import DataError, ShapeError
from unspool.tasks.forecast import metrics
from unspool.tasks.forecast.scores import Scores, scales

LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)


def made(series: int, horizon: int, seed: int = 0, levels: tuple[float, ...] = LEVELS) -> Forecasts:
    draw = np.random.default_rng(seed)
    quantiles = np.sort(draw.normal(20, 3, size=(series, horizon, len(levels))))
    mean = draw.normal(20, 3, size=(series, horizon))
    return Forecasts([str(i) for i in range(series)], Frequency.of(1), np.zeros(series, int), mean, levels, quantiles)


def targets(series: int, horizon: int, seed: int = 1, missing: float = 0.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    y = draw.normal(20, 5, size=(series, horizon))
    y[draw.random(y.shape) < missing] = np.nan
    return y


def test_each_number_is_what_it_says() -> None:
    forecasts, y, scale = made(4, 6), targets(4, 6), np.array([1.0, 2.0, 3.0, 4.0])
    found = Scores.of(forecasts, y, scale=scale)
    median, low, up = (forecasts.quantiles[..., LEVELS.index(level)] for level in (0.5, 0.025, 0.975))
    assert found.smape == pytest.approx(np.mean([metrics.smape(y[i], median[i]) for i in range(4)]))
    assert found.mase == pytest.approx(np.mean([np.abs(y[i] - median[i]).mean() / scale[i] for i in range(4)]))
    assert found.msis == pytest.approx(metrics.msis(y, lower=low, upper=up, scale=scale).mean())
    assert found.coverage == pytest.approx(((y >= low) & (y <= up)).mean())
    assert found.mae == pytest.approx(np.abs(y - median).mean())
    assert found.mse == pytest.approx(((y - forecasts.mean) ** 2).mean())
    losses = [mean_pinball_loss(y.ravel(), forecasts.quantiles[..., i].ravel(), alpha=LEVELS[i]) for i in range(1, 10)]
    assert found.wql == pytest.approx(2 * np.mean(losses) / np.abs(y).mean())
    assert (found.series, found.targets, found.unscaled, found.owa) == (4, 24, 0, None)


@given(
    series=st.integers(1, 6),
    horizon=st.integers(1, 5),
    missing=st.sampled_from([0, 0.3, 0.9, 1]),
    seed=st.integers(0, 50),
)
def test_numbers_are_finite_or_none(series: int, horizon: int, missing: float, seed: int) -> None:
    forecasts, y = made(series, horizon, seed), targets(series, horizon, seed, missing)
    scale = np.where(np.random.default_rng(seed).random(series) < 0.5, np.nan, 2.0)
    found = Scores.of(forecasts, y, scale=scale, naive2=Scores.of(forecasts, y, scale=scale))
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found.to_json()
    there = ~np.isnan(y)
    measured, scaled = there.any(1), there.any(1) & ~np.isnan(scale)
    assert (found.series, found.targets) == (measured.sum(), there.sum())
    assert found.unscaled == measured.sum() - scaled.sum()
    assert (found.smape is None) == (not measured.any()) == (found.coverage is None) == (found.wql is None)
    assert (found.mase is None) == (not scaled.any()) == (found.msis is None) == (found.owa is None)
    if found.owa is not None:
        assert found.owa == pytest.approx(1)


def test_series_that_say_nothing_change_nothing() -> None:
    """A constant history has no scale, a series without targets no measure at all: neither is 0 or infinite."""
    forecasts, y, scale = made(4, 3), targets(4, 3), np.array([1.0, np.nan, 3.0, 4.0])
    y[3] = np.nan
    found = Scores.of(forecasts, y, scale=scale)
    median = forecasts.at(0.5)
    each = np.abs(y - median).mean(1)
    assert found.mase == pytest.approx((each[0] / 1 + each[2] / 3) / 2)
    assert found.smape == pytest.approx(metrics.smape(y[:3], median[:3]).mean())
    assert (found.series, found.targets, found.unscaled) == (3, 9, 1)


@pytest.mark.filterwarnings("error")
def test_numbers_whose_squares_are_none_have_the_other_measures() -> None:
    y, scale = np.full((1, 3), 1e301), scales([np.array([1e301, -1e301, 1e300])], 1)
    found = Forecasts(["a"], Frequency.of("1"), np.zeros(1, np.int64), np.full((1, 3), -1e301), (), np.empty((1, 3, 0)))
    scores = Scores.of(found, y, scale=scale)
    assert scores.mse is None and scores.mae == 2e301 and scores.smape == 200 and scores.mase is not None
    assert np.isnan(scales([np.array([1.5e308, -1.5e308])], 1)).all()


def test_owa_is_the_mean_of_two_ratios() -> None:
    forecasts, y, scale = made(3, 4), targets(3, 4), np.ones(3)
    naive2 = Scores.of(made(3, 4, seed=9), y, scale=scale)
    found = Scores.of(forecasts, y, scale=scale, naive2=naive2)
    assert found.smape and naive2.smape and found.mase and naive2.mase
    assert found.owa == pytest.approx((found.smape / naive2.smape + found.mase / naive2.mase) / 2)
    perfect = Forecasts(forecasts.ids, forecasts.frequency, forecasts.origins, y, (), np.zeros((3, 4, 0)))
    assert Scores.of(forecasts, y, scale=scale, naive2=Scores.of(perfect, y, scale=scale)).owa is None


def test_levels_that_were_not_forecast() -> None:
    y, scale = targets(2, 3), np.ones(2)
    found = Scores.of(made(2, 3, levels=(0.1, 0.5, 0.9)), y, scale=scale)
    assert found.wql is not None and found.coverage is None and found.msis is None
    found = Scores.of(made(2, 3, levels=(0.2, 0.8)), y, scale=scale)
    assert found.wql is None
    forecasts = made(2, 3, levels=())
    found = Scores.of(forecasts, y, scale=scale)
    assert found.wql is None and found.mae == pytest.approx(np.abs(y - forecasts.mean).mean())
    lines = made(2, 3, levels=(0.025, 0.975))
    nine = np.stack([lines.at(level) for level in metrics.LEVELS], -1)
    assert Scores.of(lines, y, scale=scale).wql == pytest.approx(
        metrics.weighted_quantile_loss(y, nine, metrics.LEVELS).mean()
    )


def test_scales_are_those_of_the_histories() -> None:
    histories = [np.array([1.0, 2.0, 4.0, 8.0]), np.array([3.0, 3.0, 3.0]), np.array([5.0])]
    np.testing.assert_array_equal(scales(histories, 2), [(3 + 6) / 2, np.nan, np.nan])
    assert scales([], 2).shape == (0,)


def test_what_does_not_fit_is_named() -> None:
    forecasts, y = made(2, 3), targets(2, 3)
    with pytest.raises(ShapeError, match=r"scale has shape \[3\]; expected \[2\]"):
        Scores.of(forecasts, y, scale=np.ones(3))
    with pytest.raises(ShapeError, match=r"forecast has shape \[2, 3\], y has \[2, 4\]"):
        Scores.of(forecasts, targets(2, 4), scale=np.ones(2))
    forecasts.quantiles[1, 2, 5] = np.nan
    with pytest.raises(DataError, match=r"forecast\[1, 2\] is nan"):
        Scores.of(forecasts, y, scale=np.ones(2))
