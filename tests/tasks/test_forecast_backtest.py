"""Rolling origins: what a method may know, what it is measured on, and how several stand side by side."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsforecast import StatsForecast
from statsforecast.models import Naive

from unspool.data.series import Forecasts, Frequency, Panel
from unspool.errors import ConfigError, DataError
from unspool.tasks.forecast.backtest import Backtest, backtest, compare
from unspool.tasks.forecast.method import EachSeries
from unspool.tasks.forecast.methods import method
from unspool.tasks.forecast.naive import naive
from unspool.tasks.forecast.origins import origins
from unspool.tasks.forecast.scores import Scores
from unspool.tasks.forecast.table import table

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def walks(lengths: Sequence[int], seed: int = 0) -> Panel:
    draw = np.random.default_rng(seed)
    return Panel.of({f"s{i}": 100 + draw.normal(size=n).cumsum() for i, n in enumerate(lengths)})


@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=4), horizon=st.integers(1, 6), windows=st.integers(1, 4),
    step=st.integers(1, 7), least=st.integers(1, 3),
)  # fmt: skip
def test_every_origin_is_where_it_should_be(
    lengths: list[int], horizon: int, windows: int, step: int, least: int
) -> None:
    panel = walks(lengths)
    places = {
        (w, i, length - horizon - (windows - 1 - w) * step)
        for w in range(windows) for i, length in enumerate(lengths)
    }  # fmt: skip
    expected = {(w, i): first for w, i, first in places if first >= least}
    if not expected:
        with pytest.raises(DataError, match="too short: 's0' has"):
            list(origins(panel, horizon, windows, step, least=least))
        return
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = list(origins(panel, horizon, windows, step, least=least))
    short = {i for i in range(len(lengths)) if any((w, i) not in expected for w in range(windows))}
    assert len(said) == bool(short)
    if short:
        assert f"{len(short)} of {len(lengths)} series are too short" in str(said[0].message)
    seen = {}
    for origin in found:
        for row, i in enumerate(origin.series.tolist()):
            whole, first = panel.history(i), expected[origin.window, i]
            np.testing.assert_array_equal(origin.panel.history(row), whole[:first])
            np.testing.assert_array_equal(origin.truth[row], whole[first : first + horizon])
            seen[origin.window, i] = first
    assert seen == expected and [origin.window for origin in found] == sorted({w for w, _ in expected})


@pytest.mark.parametrize(
    ("lengths", "windows", "message"),
    [
        ([9, 4], 1, "1 of 2 series are too short for the window, which "
                   "takes 5 steps, and are left out: 's1'; 's1' has 4 steps"),
        ([99, 4], 3, "for any of the 3 windows, which takes 5 steps, and are left out: 's1'; 's1' has 4 steps"),
        ([9, 99], 3, "for all 3 windows, which take 13 steps, and are left out of the oldest: 's0'; 's0' has 9 steps"),
        ([9, 1, 99], 3, "of the oldest: 's0', 's1'; 's0' has 9 steps; left out of every window: 's1'"),
        ([9], 1000, "1 of 1 series are too short for all 1000 windows, which take 4001 steps, and are left out of the "
                    "oldest: 's0'; 's0' has 9 steps"),
    ],
)  # fmt: skip
def test_series_that_are_too_short_are_named(lengths: list[int], windows: int, message: str) -> None:
    with pytest.warns(UserWarning, match=re.escape(message) + "$"):
        list(origins(walks(lengths), 4, windows))


def test_one_series_alone_is_too_short() -> None:
    with pytest.raises(DataError, match="^the series is too short: 's0' has 1 step, and one window takes 5; expected"):
        list(origins(walks([1]), 4, 1))


def test_nothing_of_what_comes_is_in_the_panel() -> None:
    for origin in origins(walks([20, 9]), 4, 2):
        assert (origin.panel.observed == origin.panel.lengths).all()
        assert not np.isin(origin.truth, origin.panel.y).any()


def test_missing_targets_and_a_gap_before_the_origin() -> None:
    panel = Panel.of({"a": [1.0, 2.0, np.nan, np.nan, 5.0, 6.0]})
    (origin,) = origins(panel, 3)
    np.testing.assert_array_equal(origin.truth, [[np.nan, 5.0, 6.0]])
    found = backtest(panel, EachSeries(naive), horizon=3, levels=LEVELS)
    assert found.forecasts.mean.tolist() == [[2.0] * 3] and found.scores().mae == 3.5 and found.scores().targets == 2


def test_statsforecast_cross_validates_to_the_same() -> None:
    panel = walks([40, 50, 45])
    rows = [pd.DataFrame({"unique_id": f"s{i}", "ds": np.arange(n), "y": panel.history(i)})
            for i, n in enumerate((40, 50, 45))]  # fmt: skip
    judge = StatsForecast([Naive()], freq=1)
    expected = judge.cross_validation(df=pd.concat(rows), h=6, n_windows=3, step_size=4)
    assert isinstance(expected, pd.DataFrame)
    found = backtest(panel, EachSeries(naive), horizon=6, windows=3, step=4, levels=LEVELS).frame()
    keys = ["unique_id", "cutoff", "ds"]
    both = found.merge(expected, on=keys, suffixes=("", "_judge"))
    assert len(both) == len(found) == len(expected) == 3 * 3 * 6
    np.testing.assert_allclose(both["y"], both["y_judge"])
    np.testing.assert_allclose(both["mean"], both["Naive"])
    assert list(found.columns) == [*keys[:2], "ds", "y", "mean", *map(str, LEVELS)]


def test_dates_keep_their_zone() -> None:
    zone = "Asia/Tokyo"
    panel = Panel.of({"a": np.arange(6.0)}, frequency=Frequency.of("h", zone), starts="2024-01-01")  # in UTC
    frame = backtest(panel, EachSeries(naive), horizon=2, levels=()).frame()
    assert frame["cutoff"].tolist() == [pd.Timestamp("2024-01-01T12", tz=zone)] * 2
    assert frame["ds"].tolist() == [pd.Timestamp(f"2024-01-01T{hour}", tz=zone) for hour in (13, 14)]
    assert frame["y"].tolist() == [4.0, 5.0] and frame["mean"].tolist() == [3.0, 3.0]


def test_scores_are_over_all_windows_with_the_scale_of_each() -> None:
    panel = walks([30, 22])
    found = backtest(panel, EachSeries(naive), horizon=2, windows=3, levels=LEVELS, season=2)
    assert found.windows.tolist() == [0, 0, 1, 1, 2, 2] and list(found.forecasts.ids) == ["s0", "s1"] * 3
    each = []
    for origin in origins(panel, 2, 3):
        for row in range(2):
            history = origin.panel.history(row)
            errors = np.abs(origin.truth[row] - history[-1])
            each.append(errors.mean() / np.abs(history[2:] - history[:-2]).mean())
    assert found.scores().mase == pytest.approx(np.mean(each))
    assert found.below()[2] == np.mean(found.truth <= found.forecasts.mean)


def test_a_method_that_answers_something_else_is_refused() -> None:
    panel = walks([20, 20])

    def short(panel: Panel, *, horizon: int, levels: Sequence[float]) -> Forecasts:
        return EachSeries(naive)(panel, horizon=horizon - 1, levels=levels)

    def fewer(panel: Panel, *, horizon: int, levels: Sequence[float]) -> Forecasts:
        return EachSeries(naive)(panel.take([1]), horizon=horizon, levels=levels)

    def earlier(panel: Panel, *, horizon: int, levels: Sequence[float]) -> Forecasts:
        return EachSeries(naive)(panel.cut(1), horizon=horizon, levels=levels)

    for wrong in (short, fewer, earlier):
        with pytest.raises(DataError, match="expected all 2 of the panel, in their order, over 3 steps"):
            backtest(panel, wrong, horizon=3)


@pytest.mark.parametrize("name", ["horizon", "windows", "step", "least"])
@pytest.mark.parametrize(("value", "bound"), [(0, "at least 1"), (10**30, "at most 1000000000")])
def test_numbers_out_of_bounds_are_refused(name: str, value: int, bound: str) -> None:
    options: Any = {"horizon": 2} | {name: value}
    with pytest.raises(ConfigError, match=f"{name} is {value}; expected {bound}"):
        backtest(walks([20]), EachSeries(naive), **options)


def test_methods_side_by_side() -> None:
    draw = np.random.default_rng(0)
    values = {str(i): 20 + np.tile([0.0, 4.0, 9.0, 2.0], 9) + draw.normal(size=36) for i in range(3)}
    panel = Panel.of(values | {"flat": np.full(36, 7.0), "short": [1.0, 2.0]})
    methods = {name: method(name, season=4) for name in ("naive", "seasonal-naive", "naive2", "theta")}
    with pytest.warns(UserWarning, match="1 of 5 series are too short.*'short'") as said:
        found = compare(panel, methods, horizon=4, windows=2, season=4)
    assert len(said) == 1  # once, not once for each method
    assert found["naive2"].scores.owa == 1.0
    owa = {name: result.scores.owa or 0.0 for name, result in found.items()}
    assert owa["seasonal-naive"] < 1 and owa["theta"] < 1 < owa["naive"]
    for name, result in found.items():
        alone = backtest(panel.take([0, 1, 2, 3]), methods[name], horizon=4, windows=2, season=4)
        np.testing.assert_array_equal(result.backtest.forecasts.mean, alone.forecasts.mean)
        assert result.scores.unscaled == 2 and result.scores.targets == 2 * 4 * 4
    lines = table(found).splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["method", *methods]
    assert lines[5] == (
        "8 forecasts of 32 targets; MASE and MSIS without 2 whose history is constant or not longer than a season"
    )
    assert f"{found['theta'].scores.mase:.3f}" in lines[4].split()


def test_fallbacks_and_undefined_measures_show_in_the_table() -> None:
    panel = Panel.of([[5.0] * 6, [4.0] * 6])
    with pytest.warns(UserWarning, match="theta failed on 2 of 2"):
        found = compare(panel, {"theta": method("theta", 1)}, horizon=3, windows=1)
    assert found["theta"].backtest.failed == 2 and found["theta"].scores.mase is None
    text = table(found)
    assert " – " in text and "nan" not in text and "theta failed on 2, which have the seasonal naive" in text
    assert table({}).startswith("method")


def test_a_backtest_is_measured_against_the_scores_it_is_given() -> None:
    found = backtest(walks([30]), EachSeries(naive), horizon=2, levels=LEVELS)
    assert isinstance(found, Backtest) and isinstance(found.scores(), Scores)
    assert found.scores().owa is None and found.scores(found.scores()).owa == 1.0


def test_what_compare_returns_is_a_line_a_method() -> None:
    """However many series and steps there are."""
    found = compare(walks([300] * 40), {"last": method("naive")}, horizon=50, windows=3)
    scores = found["last"].scores
    assert repr(found) == (
        f"{{'last': Result(sMAPE {scores.smape:.4g}, MASE {scores.mase:.4g}, OWA 1, wQL {scores.wql:.4g}; "
        "Backtest(120 forecasts of 50 steps))}"
    )
