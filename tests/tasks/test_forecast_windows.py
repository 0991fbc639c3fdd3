"""Windows of series, each value held against a plain reading of the panel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.series import Covariate, Frequency, Panel
from unspool.errors import DataError
from unspool.tasks.forecast.features import Features, warn_of_unknown
from unspool.tasks.forecast.windows import Draws, Ends, Windows

HOW: dict[str, Any] = {"context": 4, "horizon": 3, "lags": (1, 5), "scaling": "none", "season": 2, "calendar": True}
series = st.lists(st.floats(-100, 100) | st.just(float("nan")), min_size=1, max_size=12).filter(
    lambda values: not all(np.isnan(values))
)


def windows_of(panel: Panel, **how: Any) -> Windows:
    features = replace(Features.learn(panel, series=True), cycles=panel.frequency.cycles)
    return Windows(panel, features, **HOW | how)


def at(panel: Panel, i: int, step: int) -> float:
    """y of a step, NaN where there is none."""
    inside = 0 <= step < panel.lengths[i]
    return float(panel.y[panel.offsets[i] + step]) if inside else float("nan")


@given(st.lists(series, min_size=1, max_size=4), st.data())
def test_a_window_is_what_stands_around_its_step(given_series: list[list[float]], data: st.DataObject) -> None:
    panel = Panel.of(given_series, frequency="h", starts="2024-02-28 20:00")
    chosen = np.array(data.draw(st.lists(st.integers(0, len(panel) - 1), min_size=1, max_size=3)))
    ends = np.array([data.draw(st.integers(0, int(panel.observed[i]))) for i in chosen])
    batch = windows_of(panel).batch(chosen, ends)
    for row, (i, end) in enumerate(zip(chosen.tolist(), ends.tolist(), strict=True)):
        steps = range(end - 4, end + 3)
        expected = np.array([at(panel, i, step) for step in steps])
        np.testing.assert_array_equal(np.where(batch.seen[row], batch.y[row], np.nan), expected)
        assert (batch.y[row][~batch.seen[row]] == 0).all()
        for place, lag in enumerate((1, 5)):
            old = np.array([at(panel, i, step - lag) for step in steps])
            np.testing.assert_array_equal(batch.lags[row, :, place, 1].numpy() > 0, ~np.isnan(old))
            np.testing.assert_array_equal(batch.lags[row, :, place, 0].numpy(), np.nan_to_num(old).astype(np.float32))
        ordinals = int(panel.starts[i]) + np.array(steps)
        np.testing.assert_array_equal(batch.known[row].numpy(), panel.frequency.features(ordinals))
        assert batch.static_codes[row].tolist() == [i + 1]


def test_the_calendar_is_the_same_with_and_without_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = Panel.of([range(30), range(9)], frequency="D", starts=["2024-01-30", "2023-05-01"])
    which, ends = np.array([0, 1, 1]), np.array([30, 0, 7])
    with_table = windows_of(panel).batch(which, ends).known
    monkeypatch.setattr("unspool.tasks.forecast.windows.CALENDAR_ROWS", 0)
    np.testing.assert_array_equal(with_table, windows_of(panel).batch(which, ends).known)
    assert windows_of(panel, calendar=False).batch(which, ends).known.shape == (3, 7, 0)


@given(st.lists(series.filter(lambda values: len(values) > 2), min_size=1, max_size=3), st.data())
def test_what_is_hidden_is_as_if_it_were_cut_off(given_series: list[list[float]], data: st.DataObject) -> None:
    panel = Panel.of(given_series)
    until = np.array([data.draw(st.integers(1, int(n))) for n in panel.observed])
    features, which, ends = Features.learn(panel, series=False), np.arange(len(panel)), until
    hidden = Windows(panel, features, **HOW, until=until).batch(which, ends)
    cut = Windows(panel.cut(panel.observed - until), features, **HOW).batch(which, ends)
    for name in ("y", "seen", "loc", "scale", "lags", "known"):
        np.testing.assert_array_equal(getattr(hidden, name), getattr(cut, name), err_msg=name)


def test_what_is_held_back_is_not_learned() -> None:
    features = Features.learn(covered(), series=False, until=np.array([2, 1]))
    assert {real.name: real.mean for real in features.reals} == {"size": 15, "rain": 2, "price": 1}


def test_cycles_are_those_that_were_trained_on_twice() -> None:
    panel = Panel.of({"a": range(30), "b": range(40)}, frequency="D", starts=["2024-01-01", "2024-02-10"])
    assert Features.learn(panel, series=False).cycles == ("day of week", "day of month")  # 80 days from end to end
    early = Features.learn(panel, series=False, until=np.array([20, 5]))
    assert early.cycles == ("day of week",)
    assert Features.from_json(early.to_json()) == early
    before = {name: value for name, value in early.to_json().items() if name != "cycles"}
    assert Features.from_json(before).cycles == panel.frequency.cycles
    with pytest.raises(ValueError, match="cycles"):
        Features.from_json(before | {"cycles": ["hour of day"]})
    windows = Windows(panel, early, **HOW)
    assert windows.batch(np.array([0]), np.array([10])).known.shape == (1, 7, 2)


def test_the_calendar_is_worked_out_for_the_steps_of_the_series_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not from 1970 on."""
    panel = Panel.of([range(60), range(9)], frequency="h", starts=["2024-01-30", "2024-01-29"])
    asked: list[np.ndarray] = []
    features = Frequency.features
    monkeypatch.setattr(Frequency, "features", lambda f, steps, of=None: asked.append(steps) or features(f, steps, of))
    windows_of(panel)
    (steps,) = asked
    assert (steps[0], steps[-1]) == (int(panel.starts.min()) - 4, int(panel.starts.max()) + 60 + 2)


def covered() -> Panel:
    """Two series of 3 and 2 observed steps, the first with a step of known covariates after them."""
    nan = np.nan
    return Panel(
        ["a", "b"], np.array([0, 4, 6]), np.array([0, 0]), Panel.of([[1.0]]).frequency,
        np.array([1, 2, 3, nan, 5, 6.0]), np.array([3, 2]),
        (
            Covariate("size", "static", np.array([10.0, 20.0], np.float32)),
            Covariate("kind", "static", np.array([1, -1], np.int32), ("x", "y")),
            Covariate("rain", "past", np.array([0, 2, nan, nan, 4, 2], np.float32)),
            Covariate("price", "known", np.array([1, 1, 3, 3, 1, 3], np.float32)),
            Covariate("day", "known", np.array([0, 1, 0, 1, 0, 1], np.int32), ("mo", "tu")),
        ),
    )  # fmt: skip


def test_covariates_stand_at_their_steps() -> None:
    panel = covered()
    batch = windows_of(panel).batch(np.array([0]), np.array([3]))
    # Standardised, with whether there is a value; steps -1, 0 … 5, of which 4 exist.
    assert batch.known[0].tolist() == [[0, 0], [-1, 1], [-1, 1], [1, 1], [1, 1], [0, 0], [0, 0]]
    rain = np.array([0, 2, 4, 2])
    expected = (np.array([0.0, 2.0]) - rain.mean()) / rain.std()
    np.testing.assert_allclose(batch.past[0, :, 0], [0, *expected, 0], rtol=1e-6)
    assert batch.past[0, :, 1].tolist() == [0, 1, 1, 0]
    assert batch.static[0].tolist() == [-1, 1]
    assert batch.known_codes[0].tolist() == [[0], [1], [2], [1], [2], [0], [0]]
    assert batch.static_codes.tolist() == [[1, 2]]  # its name, and its kind
    assert windows_of(panel).batch(np.array([1]), np.array([2])).static_codes.tolist() == [[2, 0]]


def test_other_data_is_read_as_the_training_data_was() -> None:
    features = Features.learn(covered(), series=True)
    assert Features.from_json(features.to_json()) == features
    new = Panel.of({"b": [1.0], "c": [2.0]})
    with pytest.raises(DataError, match="no static covariate 'kind'"):
        Windows(new, features, **HOW)
    with pytest.raises(DataError, match="frequency 'D', but the model was trained on '1'"):
        Windows(Panel.of([[1.0]], frequency="D"), features, **HOW)
    names = Features.learn(Panel.of({"a": [1.0], "b": [2.0]}), series=True)
    codes = Windows(new, names, **HOW).batch(np.array([0, 1]), np.array([1, 1])).static_codes
    with pytest.warns(UserWarning, match=r"new to the model, which reads it as unknown: 1 value of 'unique_id' \(c\)"):
        warn_of_unknown(names, new)
    assert codes.tolist() == [[2], [0]]


def test_windows_know_how_far_off_the_mean_they_lie() -> None:
    nan = np.nan
    panel = Panel.of({"a": [1.0, nan, 3.0, 8.0], "b": [2.0, 2.0, 2.0, 5.0]})
    features = Features.learn(panel, series=False, means=True, until=np.array([3, 3]))
    assert features.means == {"a": 2.0, "b": 2.0} and Features.from_json(features.to_json()) == features
    how: dict[str, Any] = HOW | {"context": 2}
    windows = Windows(panel, features, **how)
    assert windows.batch(np.array([0, 0, 1]), np.array([3, 4, 4])).off_mean.tolist() == [[1.0], [3.5], [1.5]]
    assert windows.batch(np.array([0]), np.array([0])).off_mean.tolist() == [[0.0]]  # nothing was seen
    other = Panel.of({"c": [7.0, 7.0]})
    with pytest.warns(UserWarning, match=r"new to the model, .* \(c\)"):
        warn_of_unknown(features, other)
    assert Windows(other, features, **HOW).batch(np.array([0]), np.array([2])).off_mean.tolist() == [[0.0]]
    with pytest.raises(ValueError, match="not finite"):
        Features.from_json(features.to_json() | {"means": {"a": nan}})


@given(st.lists(series, min_size=1, max_size=4), st.integers(0, 3))
def test_draws_are_windows_that_can_be_learned_from(given_series: list[list[float]], epoch: int) -> None:
    panel = Panel.of([*given_series, [1.0, 2.0]])
    draws = Draws(windows_of(panel), batch=5, steps=3, seed=7)
    batches = list(draws.epoch(epoch))
    assert len(batches) == draws.count(epoch) == 3
    for batch in batches:
        assert batch.y.shape == (5, 7)
    (resumed,) = draws.epoch(epoch, 2)
    np.testing.assert_array_equal(resumed.y, batches[2].y)
    assert (draws._first >= 1).all() and (draws._last < panel.observed[draws._series]).all()


def test_draws_reach_all_of_a_series() -> None:
    panel = Panel.of([np.arange(20.0)])
    ends = {int(batch.y[row, 3]) + 1 for batch in Draws(windows_of(panel), batch=50, steps=4, seed=0).epoch(0)
            for row in range(50)}  # fmt: skip
    assert ends == set(range(4, 18))
    with pytest.raises(DataError, match="no series has two observed values"):
        Draws(windows_of(Panel.of([[1.0], [2.0]])), batch=1, steps=1, seed=0)


def test_ends_are_whole_horizons_up_to_the_last_step() -> None:
    panel = Panel.of([np.arange(20.0), np.arange(100.0, 104.0), np.arange(200.0, 211.0)])
    ends = Ends(windows_of(panel), np.array([6, 0, 3]), every=3, batch=2)
    found = [batch.y[row, 4:].tolist() for batch in ends for row in range(len(batch.y))]
    assert found == [[14, 15, 16], [17, 18, 19], [208, 209, 210]] and len(ends) == 3
    overlapping = Ends(windows_of(panel), np.array([6, 0, 3]), every=2, batch=9)
    assert [batch.y[:, 4].tolist() for batch in overlapping] == [[15, 17, 208]]  # the last steps are always forecast
    few = Ends(windows_of(panel), np.array([6, 0, 3]), every=3, batch=9, most=2)
    assert [batch.y[:, 4].tolist() for batch in few] == [[14, 208]]
    assert len(Ends(windows_of(panel), np.full(3, 10**12), every=1, batch=9)) == 4096  # none but these are held
    with pytest.raises(DataError, match="no series has 3 steps"):
        Ends(windows_of(panel), np.zeros(3, int), every=3, batch=2)
