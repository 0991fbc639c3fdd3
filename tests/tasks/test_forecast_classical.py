"""The classical methods: statsforecast's own answers, and what happens to series that they fail on."""

from __future__ import annotations

import sys
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
from statsforecast import StatsForecast, models

from unspool.data.series import Panel
from unspool.errors import ConfigError, UnspoolError
from unspool.tasks.forecast.classical import MODELS, Classical, fitted
from unspool.tasks.forecast.gaps import filled
from unspool.tasks.forecast.methods import METHODS, method
from unspool.tasks.forecast.naive import seasonal_naive

LEVELS = (0.025, 0.1, 0.2, 0.5, 0.9, 0.975)
SEASON = 4


def series(length: int, seed: int) -> np.ndarray:
    draw = np.random.default_rng(seed)
    t = np.arange(length)
    return 50 + 0.3 * t + 8 * np.sin(2 * np.pi * t / SEASON + seed) + draw.normal(size=length)


@pytest.fixture(scope="module")
def panel() -> Panel:
    return Panel.of({f"s{i}": series(48 + 5 * i, i) for i in range(3)}, starts=7)


@pytest.mark.parametrize("name", MODELS)
def test_the_answers_are_those_of_the_library(name: str, panel: Panel) -> None:
    """Against its own data-frame door, which handles ids, steps and intervals by itself."""
    rows = [
        pd.DataFrame({"unique_id": panel.ids[i], "ds": 7 + np.arange(len(y)), "y": y})
        for i, y in enumerate(map(panel.history, range(3)))
    ]
    by_name = {"theta": models.Theta, "ets": models.AutoETS, "arima": models.AutoARIMA}
    judge = StatsForecast([by_name[name](season_length=SEASON, alias="m")], freq=1)
    expected = judge.forecast(df=pd.concat(rows), h=6, level=[60, 80, 95])
    assert isinstance(expected, pd.DataFrame)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = Classical(name, SEASON)(panel, horizon=6, levels=LEVELS)
    assert (found.ordinals.ravel() == expected["ds"].to_numpy()).all() and list(found.ids) == ["s0", "s1", "s2"]
    columns = {0: "m-lo-95", 1: "m-lo-80", 2: "m-lo-60", 3: "m", 4: "m-hi-80", 5: "m-hi-95"}
    np.testing.assert_allclose(found.mean.ravel(), expected["m"], rtol=1e-5)
    for place, column in columns.items():
        np.testing.assert_allclose(found.quantiles[..., place].ravel(), expected[column], rtol=1e-5, err_msg=column)


@pytest.mark.parametrize("name", MODELS)
def test_a_clear_season_goes_on(name: str) -> None:
    t = np.arange(44)
    values = 100 + 0.5 * t + 10 * np.sin(2 * np.pi * t / SEASON + 0.5) + np.random.default_rng(0).normal(0, 0.1, 44)
    expected, reason = fitted(values[:40], name=name, horizon=4, levels=LEVELS, season=SEASON)
    assert reason is None and np.abs(expected.mean - values[40:]).max() < 1.5
    assert (expected.quantiles[:, 0] < expected.mean).all() and (expected.mean < expected.quantiles[:, -1]).all()


def test_a_series_that_fails_falls_back_and_is_counted() -> None:
    panel = Panel.of({"good": series(40, 0), "tiny": [3.0, 5.0], "one": [4.0]})
    theta = Classical("theta", SEASON)
    with pytest.warns(UserWarning, match="theta failed on 2 of 3 series.*seasonal naive.*'tiny', 'one'.*tiny datasets"):
        found = theta(panel, horizon=3, levels=LEVELS)
    assert theta.failed == ("tiny", "one")
    for i in (1, 2):
        mean, quantiles = seasonal_naive(panel.history(i), 3, LEVELS, season=SEASON)
        np.testing.assert_array_equal(found.mean[i], mean)
        np.testing.assert_array_equal(found.quantiles[i], quantiles)
    theta(panel.take([0]), horizon=3, levels=LEVELS)
    assert theta.failed == ()


def test_an_answer_that_is_not_finite_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def __init__(self, season_length: int) -> None: ...

        def forecast(self, y: np.ndarray, h: int, level: list[float]) -> dict[str, np.ndarray]:
            return {"mean": np.full(h, np.inf)}

    monkeypatch.setattr(models, "Theta", Broken)
    expected, reason = fitted(series(30, 0), name="theta", horizon=2, levels=(0.5,), season=SEASON)
    assert reason == "its forecast is not finite" and np.isfinite(expected.mean).all()


def test_quantiles_rise_whatever_the_library_says(monkeypatch: pytest.MonkeyPatch) -> None:
    class Crossing:
        def __init__(self, season_length: int) -> None: ...

        def forecast(self, y: np.ndarray, h: int, level: list[float]) -> dict[str, np.ndarray]:
            return {"mean": np.zeros(h), "lo-80.0": np.ones(h), "hi-80.0": -np.ones(h)}

    monkeypatch.setattr(models, "Theta", Crossing)
    expected, _ = fitted(series(30, 0), name="theta", horizon=2, levels=(0.1, 0.5, 0.9), season=SEASON)
    assert expected.quantiles.tolist() == [[-1, 0, 1]] * 2


@pytest.mark.parametrize("name", ["theta", "ets"])
def test_gaps_lie_on_a_line_and_a_gap_at_the_end_is_forecast(name: str) -> None:
    whole = series(40, 3)
    holes = whole.copy()
    holes[[5, 6, 20]] = np.nan
    fit = partial(fitted, name=name, levels=LEVELS, season=SEASON)
    for found, expected in zip(fit(holes, horizon=4)[0], fit(filled(holes), horizon=4)[0], strict=True):
        np.testing.assert_array_equal(found, expected)
    late, ahead = fit(np.concatenate([whole, [np.nan, np.nan]]), horizon=4), fit(whole, horizon=6)
    assert late.reason is None
    for found, expected in zip(late.expected, ahead.expected, strict=True):
        np.testing.assert_allclose(found, expected[2:], rtol=1e-12)


def test_no_quantiles_or_the_median_only() -> None:
    expected, reason = fitted(series(30, 1), name="ets", horizon=3, levels=(), season=SEASON)
    assert reason is None and expected.quantiles.shape == (3, 0)
    expected, _ = fitted(series(30, 1), name="ets", horizon=3, levels=(0.5,), season=SEASON)
    np.testing.assert_array_equal(expected.quantiles[:, 0], expected.mean)


@pytest.mark.slow  # each process imports everything anew
def test_two_processes_say_what_one_says(panel: Panel) -> None:
    one, two = (Classical("theta", SEASON, jobs=jobs)(panel, horizon=3, levels=LEVELS) for jobs in (1, 2))
    np.testing.assert_array_equal(one.mean, two.mean)
    np.testing.assert_array_equal(one.quantiles, two.quantiles)


def test_a_missing_library_is_named_with_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsforecast.models", None)
    with pytest.raises(
        UnspoolError, match=r"the method ets needs the statsforecast .*pip install 'unspool\[classical\]'"
    ):
        method("ets", SEASON)
    method("naive2", SEASON)  # needs nothing


def test_wrong_names_and_numbers_are_refused(panel: Panel) -> None:
    with pytest.raises(ConfigError, match=r"method is 'Theta'; expected one of 'naive', 'seasonal-naive'"):
        method("Theta")
    with pytest.raises(ConfigError, match="expected one of 'theta', 'ets', 'arima'"):
        Classical("naive")
    with pytest.raises(ConfigError, match="jobs is 0"):
        method("theta", jobs=0)
    for name in METHODS:
        with pytest.raises(ConfigError, match="season is 0"):
            method(name, 0)(panel, horizon=1, levels=())


def test_the_season_of_the_frequency_is_the_default() -> None:
    monthly = Panel.of({"a": series(60, 0)}, frequency="MS", starts="2020-01-01")
    for name in ("seasonal-naive", "naive2", "theta"):
        found, expected = (method(name, season)(monthly, horizon=5, levels=LEVELS) for season in (None, 12))
        np.testing.assert_array_equal(found.quantiles, expected.quantiles)
