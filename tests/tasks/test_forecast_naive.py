"""Naive forecasts: their definition, R's decomposition through statsmodels, and the spread of their errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.tsa.seasonal import seasonal_decompose
from statsmodels.tsa.stattools import acf

from unspool.errors import DataError, ShapeError
from unspool.tasks.forecast.naive import naive, naive2, seasonal_naive
from unspool.tasks.forecast.seasonality import Season, is_seasonal

LEVELS = (0.1, 0.5, 0.9)
METHODS = [naive, seasonal_naive, naive2]


def walk(length: int, seed: int, season: int = 1, strength: float = 0.0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    shape = np.exp(strength * np.sin(2 * np.pi * np.arange(length) / season))
    return (100 + draw.normal(size=length).cumsum()) * shape


@given(length=st.integers(1, 40), season=st.integers(1, 9), horizon=st.integers(1, 20), seed=st.integers(0, 99))
def test_repeated_values_lie_where_they_should(length: int, season: int, horizon: int, seed: int) -> None:
    history = walk(length, seed)
    history[np.random.default_rng(seed).random(length) < 0.3] = np.nan
    history[np.random.default_rng(seed + 1).integers(length)] = 7.0
    last = history[~np.isnan(history)][-1]
    mean = seasonal_naive(history, horizon, season=season).mean
    for h in range(horizon):
        same = [history[t] for t in range((length + h) % season, length, season) if not np.isnan(history[t])]
        assert mean[h] == (same[-1] if same else last)
    assert (naive(history, horizon).mean == last).all()


@given(length=st.integers(1, 60), season=st.integers(1, 9), horizon=st.integers(1, 20), seed=st.integers(0, 99))
def test_quantiles_rise_and_their_median_is_the_forecast(length: int, season: int, horizon: int, seed: int) -> None:
    history = walk(length, seed, season, 0.3)
    history[np.random.default_rng(seed).random(length) < 0.2] = np.nan
    history[0] = 90.0
    for method in METHODS:
        mean, quantiles = method(history, horizon, LEVELS, season=season)
        assert mean.shape == (horizon,) and quantiles.shape == (horizon, 3)
        assert np.isfinite(quantiles).all() and (np.diff(quantiles) >= 0).all()
        assert np.array_equal(quantiles[:, 1], mean)


def test_quantiles_are_those_of_the_errors_in_the_history() -> None:
    history = walk(400, 0)
    _, quantiles = naive(history, 5, (0.025, 0.975))
    for h in range(1, 6):
        errors = np.abs(history[h:] - history[:-h])
        # Of a distribution that is symmetric about 0, 95% lie within the 95% quantile of the size.
        assert quantiles[h - 1, 1] - history[-1] == pytest.approx(np.quantile(errors, 0.95))
        assert history[-1] - quantiles[h - 1, 0] == pytest.approx(np.quantile(errors, 0.95))
    _, quantiles = seasonal_naive(history, 15, (0.9,), season=7)
    for h, lag in ((0, 7), (6, 7), (7, 14), (14, 21)):
        errors = np.abs(history[lag:] - history[:-lag])
        assert quantiles[h, 0] - history[399 + h + 1 - lag] == pytest.approx(np.quantile(errors, 0.8))


@pytest.mark.parametrize("method", METHODS)
def test_steps_without_a_value_at_the_end_are_steps_ahead(method: Any) -> None:
    history = walk(60, 4, 6, 0.4)
    mean, quantiles = method(history, 8, LEVELS, season=6)
    gap = np.concatenate([history, np.full(3, np.nan)])
    later = method(gap, 5, LEVELS, season=6)
    np.testing.assert_allclose(later.mean, mean[3:], rtol=1e-12)
    np.testing.assert_allclose(later.quantiles, quantiles[3:], rtol=1e-12)


def test_a_lag_beyond_half_the_history_grows_as_a_random_walk() -> None:
    history = walk(20, 1)
    _, quantiles = naive(history, 40, (0.9,))
    at_half = np.quantile(np.abs(history[10:] - history[:-10]), 0.8)
    assert quantiles[39, 0] - history[-1] == pytest.approx(2 * at_half)
    _, quantiles = seasonal_naive(history[:5], 1, (0.9,), season=7)  # not even one season: from neighbours
    steps = np.quantile(np.abs(np.diff(history[:5])), 0.8)
    assert quantiles[0, 0] - history[4] == pytest.approx(np.sqrt(7) * steps)


def test_every_second_value_missing_still_gives_a_spread() -> None:
    history = np.full(41, np.nan)
    history[::2] = walk(21, 2)
    _, quantiles = naive(history, 1, (0.9,))
    errors = np.abs(np.diff(history[::2])) / np.sqrt(2)
    assert quantiles[0, 0] - history[-1] == pytest.approx(np.quantile(errors, 0.8))


@pytest.mark.parametrize("season", [2, 4, 7, 12])
@pytest.mark.parametrize("level", [100.0, 0.0])
def test_the_season_is_that_of_a_classical_decomposition(season: int, level: float) -> None:
    values = walk(5 * season + 3, season, season, 0.4) - 100 + level
    model = "multiplicative" if values.min() > 0 else "additive"
    expected = seasonal_decompose(values, model=model, period=season)
    found = Season.of(values, season)
    assert found.multiplied == (level > 0)
    np.testing.assert_allclose(found.at(np.arange(len(values))), expected.seasonal, rtol=1e-10, atol=1e-10)


@given(length=st.integers(3, 80), season=st.integers(2, 12), strength=st.floats(0, 0.2), seed=st.integers(0, 99))
def test_the_test_of_seasonality_by_statsmodels(length: int, season: int, strength: float, seed: int) -> None:
    values = walk(length, seed, season, strength)
    if length < 3 * season:
        assert not is_seasonal(values, season)
        return
    r = np.asarray(acf(values, nlags=season, fft=False), dtype=np.float64)[1:]
    limit = 1.645 / np.sqrt(length) * np.sqrt(np.cumsum([1, *(2 * r**2)]))[season - 1]
    assert is_seasonal(values, season) == (abs(r[-1]) > limit)


def test_naive2_is_naive_without_a_season_and_follows_one() -> None:
    plain = walk(40, 3)
    for season in (1, 20):  # no season at all; fewer than three of them
        for found, expected in zip(naive2(plain, 5, LEVELS, season=season), naive(plain, 5, LEVELS), strict=True):
            assert np.array_equal(found, expected)
    assert (naive2(np.full(40, 3.0), 2, season=4).mean == 3).all()
    growing = 1.01 ** np.arange(60) * np.tile([1.0, 2.0, 4.0, 1.0], 15)
    mean = naive2(growing, 4, season=4).mean
    # The indices of a growing series are those of its moving average; the last value is that of the last index.
    assert np.allclose(mean / mean[3], [1, 2, 4, 1], rtol=0.06) and mean[3] == pytest.approx(growing[-1])


def test_naive2_adds_the_season_where_values_are_not_above_0() -> None:
    values = np.tile([0.0, 5.0, -5.0], 8)
    mean, quantiles = naive2(values, 3, (0.1, 0.9), season=3)
    assert np.allclose(mean, [0, 5, -5]) and np.allclose(quantiles, mean[:, None])


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_forecast_is_said(method: Any) -> None:
    with pytest.raises(DataError, match="nothing was observed"):
        method([np.nan, np.nan], 3, season=2)
    with pytest.raises(ShapeError, match=r"shape \[1, 2\]; expected one series"):
        method([[1.0, 2.0]], 3, season=2)
