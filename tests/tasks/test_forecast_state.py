"""A state that was updated piece by piece forecasts what the whole history does, to the last bit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import unspool
from unspool import cli
from unspool.cells import GRUCell
from unspool.data.series import SeriesColumns, from_frame
from unspool.errors import DataError
from unspool.tasks.forecast import ForecastData, Forecaster, ForecastSettings, ForecastState, train
from unspool.train import TrainSettings

DAYS = 60
COLUMNS = SeriesColumns(static=("kind",), past=("temp", "wind"), known=("promo",))


def shops() -> pandas.DataFrame:
    """Two shops, day by day, with covariates of every role; a past one is of words."""
    draw = np.random.default_rng(5)
    frames = [
        pandas.DataFrame(
            {
                "unique_id": name, "ds": pandas.date_range("2024-01-01", periods=DAYS), "kind": kind,
                "y": 10 + np.arange(DAYS) % 7 + draw.normal(size=DAYS), "promo": draw.integers(0, 2, DAYS),
                "temp": draw.normal(size=DAYS), "wind": draw.choice(["north", "south"], DAYS),
            }
        )
        for name, kind in (("a", "corner"), ("b", "mall"))
    ]  # fmt: skip
    return pandas.concat(frames, ignore_index=True)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    found = {}
    for kind in ("encoder-decoder", "autoregressive"):
        found[kind] = tmp_path_factory.mktemp("runs") / kind
        chosen = ForecastSettings(model=kind, horizon=4, context=10, season=7, lags=(7,), hidden=8, batch=8,
                                  steps_per_epoch=4, output="gaussian")  # fmt: skip
        data = ForecastData(from_frame(shops(), COLUMNS), columns=COLUMNS)
        train(GRUCell, data, chosen, TrainSettings(max_steps=8, lr=0.05), found[kind])
    return found


@pytest.fixture(scope="module", params=["encoder-decoder", "autoregressive"])
def model(request: pytest.FixtureRequest, runs: dict[str, Path]) -> Forecaster:
    return unspool.load(runs[request.param])


def ago(frame: pandas.DataFrame) -> np.ndarray:
    """How many days before the end each row is; the last one is 1."""
    return DAYS - (frame["ds"] - frame["ds"].min()).dt.days.to_numpy()


def updated(model: Forecaster, frame: pandas.DataFrame, cuts: Sequence[int]) -> ForecastState:
    """The state after pieces that end so many days before the end."""
    days, state = ago(frame), None
    for first, last in zip([DAYS + 1, *cuts], [*cuts, 0], strict=True):
        piece = frame[(days <= first) & (days > last)]
        if len(piece):
            state = model.update(piece, state)
    assert state is not None
    return state


def check_same(model: Forecaster, frame: pandas.DataFrame, cuts: Sequence[int]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        state = updated(model, frame, cuts)
        for horizon in (4, 9):
            whole = model.forecast(frame, horizon=horizon, paths=3)
            pandas.testing.assert_frame_equal(
                model.forecast(state=state, horizon=horizon, paths=3), whole, check_exact=True
            )
        np.testing.assert_array_equal(model.encode(state=state), model.encode(frame))


@pytest.mark.parametrize("cuts", [(3,), (6,), (8,), (9,), (12,), (8, 6), (12, 3), (9, 8)])
def test_rows_without_a_value_at_a_cut_keep_their_covariates(cuts: tuple[int, ...], model: Forecaster) -> None:
    frame = shops()
    frame.loc[(ago(frame) >= 3) & (ago(frame) <= 8), "y"] = np.nan
    check_same(model, frame, cuts)


@given(cuts=st.lists(st.integers(1, 30), max_size=3), seed=st.integers(0, 99))
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_pieces_are_the_whole(model: Forecaster, cuts: list[int], seed: int) -> None:
    """Also where values, covariates and whole rows are missing, at the end too."""
    draw, frame = np.random.default_rng(seed), shops()
    late = ago(frame) <= 30
    for name in ("y", "temp", "wind", "promo", "kind"):
        frame[name] = frame[name].mask(late & (draw.random(len(frame)) < 0.5))
    rows = np.flatnonzero(~late | (draw.random(len(frame)) < 0.7))
    check_same(model, frame.iloc[rows], sorted(cuts, reverse=True))


def test_what_is_static_of_a_series_stays(model: Forecaster) -> None:
    """As in one history, where two values are refused; none says nothing."""
    frame = shops()
    state, last = model.update(frame[ago(frame) > 1]), frame[ago(frame) == 1]
    with pytest.raises(DataError, match=r"series 'a': 'kind' is mall in the new rows, but was corner before"):
        model.update(last.assign(kind="mall"), state)
    same = model.update(last.assign(kind=[None, "mall"]), state)
    pandas.testing.assert_frame_equal(model.forecast(state=same), model.forecast(frame), check_exact=True)


def test_days_without_any_value_are_taken_in(model: Forecaster) -> None:
    frame = shops()
    frame.loc[ago(frame) <= 3, "y"] = np.nan
    check_same(model, frame, (3, 2, 1))
    frame.loc[(frame["unique_id"] == "b") & (ago(frame) <= 20), "y"] = np.nan
    check_same(model, frame, (15, 10, 5, 2))


def test_a_row_of_a_day_that_waits_for_its_value_adds_to_it(model: Forecaster) -> None:
    """The plan of the next days, then their values, which no longer have to say what was planned."""
    frame = shops()
    plan = frame[ago(frame) <= 3].assign(y=np.nan, temp=np.nan, wind=None)
    state = model.update(pandas.concat([frame[ago(frame) > 3], plan]))
    state = model.update(frame[ago(frame) <= 3].assign(promo=np.nan), state)
    pandas.testing.assert_frame_equal(model.forecast(state=state, paths=3), model.forecast(frame, paths=3))
    with pytest.raises(DataError, match="'a': the new rows begin at 2024-02-29, but it has been read up to 2024-02-29"):
        model.update(frame[ago(frame) == 1].assign(y=np.nan), state)


def test_what_is_known_comes_after_rows_that_wait(model: Forecaster) -> None:
    frame = shops()
    frame.loc[ago(frame) <= 6, "y"] = np.nan
    past, ahead = frame[ago(frame) > 4], frame[ago(frame) <= 4][["unique_id", "ds", "promo"]]
    whole = model.forecast(past, known=ahead, horizon=6, paths=3)
    found = model.forecast(state=model.update(past), known=ahead, horizon=6, paths=3)
    pandas.testing.assert_frame_equal(found, whole, check_exact=True)


def test_new_series_without_a_value_are_left_out_of_a_state(model: Forecaster) -> None:
    frame = shops()
    state = model.update(frame)
    silent = frame.tail(2).assign(unique_id="c", y=np.nan)
    with pytest.warns(UserWarning, match=r"1 series without an observed value are left out: 'c'"):
        state = model.update(silent, state)
    pandas.testing.assert_frame_equal(model.forecast(state=state, paths=3), model.forecast(frame, paths=3))
    with pytest.raises(DataError, match="no series has an observed value"):
        model.update(silent)


def test_draws_of_a_series_do_not_depend_on_the_others(model: Forecaster) -> None:
    """Neither on their order nor on their number, within the horizon and beyond."""
    panel = from_frame(shops(), COLUMNS)
    for horizon in (4, 9):
        both = model.sample_paths(panel, horizon=horizon, paths=5)
        assert not np.array_equal(both[0], both[1])
        np.testing.assert_array_equal(model.sample_paths(panel.take([1, 0]), horizon=horizon, paths=5), both[::-1])
        np.testing.assert_array_equal(model.sample_paths(panel.take([1]), horizon=horizon, paths=5), both[1:])


@pytest.mark.parametrize("kind", ["encoder-decoder", "autoregressive"])
def test_files_of_rows_without_a_value(kind: str, runs: dict[str, Path], tmp_path: Path) -> None:
    frame = shops()
    frame.loc[ago(frame) <= 1, "y"] = np.nan
    parts = {"whole": frame, "old": frame[ago(frame) > 1], "new": frame[ago(frame) <= 1]}
    for name, part in parts.items():
        part.to_csv(tmp_path / f"{name}.csv", index=False)

    def forecast(name: str, *more: object) -> str:
        done = CliRunner().invoke(
            cli.app, ["forecast", str(runs[kind]), "--data", str(tmp_path / f"{name}.csv"), *map(str, more)]
        )
        assert done.exit_code == 0, (done.stderr, done.exception)
        return done.stdout

    forecast("old", "--state-out", tmp_path / "st")
    assert forecast("new", "--state-in", tmp_path / "st", "--state-out", tmp_path / "st2") == forecast("whole")
    again = unspool.load(runs[kind])
    found = again.forecast(state=again.read_state(tmp_path / "st2"))
    np.testing.assert_array_equal(found["mean"], again.forecast(frame)["mean"])
