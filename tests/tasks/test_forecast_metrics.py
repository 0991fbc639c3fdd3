"""Measures of forecasts, against their definition written out, utilsforecast, scikit-learn and values by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import utilsforecast.losses as judge
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes
from sklearn.metrics import mean_pinball_loss

from unspool.errors import ConfigError, DataError, ShapeError
from unspool.tasks.forecast import metrics

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def numbers(shape: tuple[int, ...], seed: int, missing: float = 0.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    found = draw.normal(10, 4, size=shape)
    found[draw.random(shape) < missing] = np.nan
    return found


def long(y: np.ndarray, **columns: np.ndarray) -> pd.DataFrame:
    """Series `[N, H]` as rows, without those that are missing."""
    ids, steps = np.indices(y.shape)
    frame = pd.DataFrame({"unique_id": ids.ravel(), "ds": steps.ravel() + 100, "y": y.ravel()})
    for name, values in columns.items():
        frame[name] = values.ravel()
    return frame.dropna()


@given(
    shape=array_shapes(min_dims=1, max_dims=3, max_side=5), seed=st.integers(0, 99), missing=st.sampled_from([0, 0.4])
)
def test_every_measure_is_its_definition(shape: tuple[int, ...], seed: int, missing: float) -> None:
    y, forecast = numbers(shape, seed, missing), numbers(shape, seed + 1)
    lower, upper, scale = forecast - 2, forecast + 3, numbers(shape[:-1], seed + 2)
    found = {
        "mae": metrics.mae(y, forecast), "mse": metrics.mse(y, forecast), "smape": metrics.smape(y, forecast),
        "mase": metrics.mase(y, forecast, scale=scale), "coverage": metrics.coverage(y, lower=lower, upper=upper),
        "msis": metrics.msis(y, lower=lower, upper=upper, scale=scale, alpha=0.1),
    }  # fmt: skip
    for place in np.ndindex(shape[:-1]):
        terms: dict[str, list[float]] = {name: [] for name in found}
        for t, f, low, up in zip(y[place], forecast[place], lower[place], upper[place], strict=True):
            if not np.isnan(t):
                terms["mae"].append(abs(t - f))
                terms["mse"].append((t - f) ** 2)
                terms["smape"].append(200 * abs(t - f) / (abs(t) + abs(f)))
                terms["mase"].append(abs(t - f) / scale[place])
                terms["coverage"].append(float(low <= t <= up))
                score = up - low + (20 * (low - t) if t < low else 0) + (20 * (t - up) if t > up else 0)
                terms["msis"].append(score / scale[place])
        for name, values in found.items():
            assert values.shape == shape[:-1]
            expected = np.mean(terms[name]) if terms[name] else np.nan
            np.testing.assert_allclose(values[place], expected, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_utilsforecast_says_the_same(missing: float) -> None:
    history, y, forecast = numbers((7, 50), 0), numbers((7, 12), 1, missing), numbers((7, 12), 2)
    lower, upper = forecast - 4, forecast + 6
    frame = long(y, model=forecast, low=lower, up=upper)
    before = long(history)
    before["ds"] -= 100
    scale = [metrics.seasonal_scale(row, 6) for row in history]

    def expected(name: str, **options: Any) -> np.ndarray:
        return getattr(judge, name)(frame, **({"models": ["model"]} | options))["model"].to_numpy()

    assert np.allclose(metrics.mae(y, forecast), expected("mae"))
    assert np.allclose(metrics.mse(y, forecast), expected("mse"))
    assert np.allclose(metrics.smape(y, forecast), 200 * expected("smape"))
    assert np.allclose(metrics.mase(y, forecast, scale=scale), expected("mase", seasonality=6, train_df=before))
    bounds = judge.coverage(frame.rename(columns={"low": "model-lo-95", "up": "model-hi-95"}), ["model"], level=95)
    assert np.allclose(metrics.coverage(y, lower=lower, upper=upper), bounds["model"])


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_scikit_learn_says_the_same_of_quantiles(missing: float) -> None:
    y, quantiles = numbers((4, 6), 3, missing), numbers((4, 6, len(LEVELS)), 4)
    found, there = metrics.weighted_quantile_loss(y, quantiles, LEVELS), ~np.isnan(y)
    for i, level in enumerate(LEVELS):
        loss = mean_pinball_loss(y[there], quantiles[there][:, i], alpha=level)
        assert found[i] == pytest.approx(2 * loss / np.abs(y[there]).mean(), rel=1e-12)
        assert metrics.below(y, quantiles, LEVELS)[i] == (y[there] <= quantiles[there][:, i]).mean()


def test_bounds_belong_to_what_they_bound() -> None:
    y = [0.0, 1.0, 2.0]
    assert metrics.coverage(y, lower=[0.0] * 3, upper=[1.0] * 3) == pytest.approx(2 / 3)
    assert metrics.below(y, [[0.0], [1.0], [1.0]], [0.5]) == pytest.approx(2 / 3)


def test_quantile_loss_at_a_half_is_the_error_of_the_median() -> None:
    y, median = numbers((3, 5), 5), numbers((3, 5), 6)
    assert metrics.weighted_quantile_loss(y, median[..., None], [0.5])[0] == pytest.approx(
        np.abs(y - median).sum() / np.abs(y).sum()
    )


def test_the_interval_score_by_hand() -> None:
    # Widths 4, 4, 4; the second target lies 1 below, the third 2 above: 2 / 0.05 times that.
    found = metrics.msis([5.0, 3.0, 10.0], lower=[4.0] * 3, upper=[8.0] * 3, scale=2.0)
    assert found == pytest.approx((4 + (4 + 40) + (4 + 80)) / 3 / 2)


def test_what_is_not_defined_is_nan_and_nothing_else() -> None:
    nothing = np.full((2, 3), np.nan)
    for found in (metrics.mae(nothing, nothing), metrics.smape(nothing, nothing), metrics.mse(nothing, nothing)):
        assert np.isnan(found).all()
    assert np.isnan(metrics.seasonal_scale([5.0] * 10, 2)) and np.isnan(metrics.seasonal_scale([1.0, 2.0], 2))
    assert np.isnan(metrics.seasonal_scale([np.nan, 1.0, np.nan, 2.0, np.nan], 1))  # no pair of neighbours
    assert np.isnan(metrics.mase([1.0], [1.0], scale=np.nan)) and metrics.mase([1.0], [1.0], scale=2.0) == 0
    assert np.isnan(metrics.weighted_quantile_loss([[0.0, np.nan]], np.ones((1, 2, 2)), (0.1, 0.5))).all()
    assert np.isnan(metrics.below(nothing, np.ones((2, 3, 1)), [0.5])).all()
    assert metrics.smape([0.0, 1.0], [0.0, 1.0]) == 0 and metrics.smape([0.0], [3.0]) == 200
    assert np.isnan(metrics.owa(1.0, 1.0, 0.0, 1.0)) and np.isnan(metrics.owa(1.0, np.nan, 1.0, 1.0))


def test_a_forecast_may_be_anything_where_there_is_no_target() -> None:
    y, forecast = np.array([[1.0, np.nan]]), np.array([[2.0, np.inf]])
    assert metrics.mae(y, forecast) == 1 and metrics.smape(y, forecast) == pytest.approx(200 / 3)
    assert metrics.msis(y, lower=forecast, upper=forecast, scale=[1.0]) == 40
    assert metrics.coverage(y, lower=forecast - 1, upper=forecast) == 1
    loss = metrics.weighted_quantile_loss(y, forecast[..., None], [0.25])
    assert loss == 2 * 0.75


def test_bad_numbers_and_shapes_are_named() -> None:
    y = np.ones((2, 3))
    with pytest.raises(ShapeError, match=r"forecast has shape \[3\], y has \[2, 3\]"):
        metrics.mae(y, np.ones(3))
    bad = y.copy()
    bad[1, 2] = np.nan
    with pytest.raises(DataError, match=r"forecast\[1, 2\] is nan, where there is a target \(1 such"):
        metrics.smape(y, bad)
    with pytest.raises(DataError, match="infinite"):
        metrics.mse([np.inf], [1.0])
    with pytest.raises(ShapeError, match=r"quantiles have shape \[2, 3, 1\]; expected \[2, 3, 2\]"):
        metrics.weighted_quantile_loss(y, np.ones((2, 3, 1)), (0.1, 0.9))
    with pytest.raises(ConfigError, match="a level is 95"):
        metrics.below(y, np.ones((2, 3, 1)), [95])
    with pytest.raises(ConfigError, match="alpha is 95"):
        metrics.msis(y, lower=y, upper=y, scale=np.ones(2), alpha=95)
    with pytest.raises(ConfigError, match="season is 0"):
        metrics.seasonal_scale([1.0], 0)
    with pytest.raises(ShapeError, match="one series"):
        metrics.seasonal_scale(y, 1)
    with pytest.raises(ShapeError, match="single number"):
        metrics.mae(1.0, 1.0)
