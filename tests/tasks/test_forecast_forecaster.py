"""Using a forecaster, on series whose future is known."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_forecasting import KINDS, fit, waves

import unspool
from unspool.data.series import Forecasts, Panel
from unspool.errors import ConfigError, DataError, RunError
from unspool.tasks.forecast import Forecaster
from unspool.tasks.forecast.draws import SeriesDraws
from unspool.tasks.forecast.paths import sampled


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("runs")
    for name, choices in KINDS.items():
        fit(folder / name, **choices)
    return {name: folder / name for name in KINDS}


@pytest.fixture(params=KINDS)
def model(request: pytest.FixtureRequest, runs: dict[str, Path]) -> Forecaster:
    return unspool.load(runs[request.param])


def equal(one: Forecasts, other: Forecasts) -> None:
    np.testing.assert_array_equal(one.mean, other.mean)
    np.testing.assert_array_equal(one.quantiles, other.quantiles)


def test_quantiles_rise_and_the_frame_says_when(model: Forecaster) -> None:
    found = model.predict(waves(), levels=(0.1, 0.5, 0.9))
    assert found.mean.shape == (4, 6) and (np.diff(found.quantiles, axis=-1) >= 0).all()
    assert ((found.mean >= found.quantiles.min(-1) - 1e-6) & np.isfinite(found.mean)).all()
    frame = model.forecast(waves(), levels=(0.1, 0.5, 0.9))
    assert list(frame.columns) == ["unique_id", "ds", "mean", "0.1", "0.5", "0.9"] and len(frame) == 24
    assert str(frame["ds"][0]) == "2007-09-01 00:00:00" and frame["unique_id"][6] == "s1"


def test_a_forecast_is_that_of_its_seed(model: Forecaster) -> None:
    equal(model.predict(waves(), seed=3), model.predict(waves(), seed=3))
    first, second = (model.sample_paths(waves(), paths=5, seed=seed) for seed in (1, 2))
    assert first.shape == (4, 5, 6) and not np.array_equal(first, second)


def test_quantiles_are_those_of_the_paths(model: Forecaster) -> None:
    paths = model.sample_paths(waves(), paths=3000)
    found = model.predict(waves(), levels=(0.2, 0.5, 0.8), paths=3000)
    spread = found.quantiles[..., 2] - found.quantiles[..., 0]
    drawn = np.quantile(paths, (0.2, 0.5, 0.8), axis=1).transpose(1, 2, 0)
    assert (np.abs(drawn - found.quantiles).max(-1) <= 0.2 * spread + 1).all()


def test_the_horizon_may_be_longer_or_shorter(model: Forecaster) -> None:
    long = model.predict(waves(), horizon=15, paths=50)
    assert long.mean.shape == (4, 15) and np.isfinite(long.quantiles).all()
    short = model.predict(waves(), horizon=2, paths=50)
    assert short.mean.shape == (4, 2)
    if model.settings.model == "encoder-decoder":
        np.testing.assert_allclose(short.mean, model.predict(waves()).mean[:, :2], rtol=1e-6)


def test_a_longer_horizon_begins_as_the_shorter_one(model: Forecaster, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where series are run in several batches."""
    monkeypatch.setattr("unspool.tasks.forecast.member.BATCH", 3)
    short, long = (model.predict(waves(), horizon=horizon, paths=30) for horizon in (6, 9))
    np.testing.assert_array_equal(long.mean[:, :6], short.mean)
    np.testing.assert_array_equal(long.quantiles[:, :6], short.quantiles)


def test_quantiles_of_counts_are_whole(runs: dict[str, Path], tmp_path: Path) -> None:
    fit(tmp_path / "written", steps=5, output="negative-binomial")
    for run in (runs["counts"], tmp_path / "written"):
        found = unspool.load(run).predict(waves(), horizon=9, levels=(0.13, 0.5, 0.87), paths=50)
        np.testing.assert_array_equal(found.quantiles, np.round(found.quantiles))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "counts"])
def test_the_unit_of_series_does_not_matter(kind: str, runs: dict[str, Path], tmp_path: Path) -> None:
    """In another unit, all is trained and forecast as it was, and by a model that was trained in another one, too,
    unless it knows the means of the series."""
    panel, unit = waves(), 2.0**20
    other = replace(panel, y=panel.y * unit)
    here: Forecaster = unspool.load(runs[kind])
    fit(tmp_path / "run", panel=other, **KINDS[kind])
    expected = here.predict(panel).quantiles
    there = unspool.load(tmp_path / "run")
    for model in (there,) if here.settings.reversion else (here, there):
        np.testing.assert_allclose(model.predict(other).quantiles / unit, expected, rtol=1e-6)


@pytest.mark.parametrize("value", [-1.0, 2.5])
def test_what_a_model_of_counts_cannot_have_learned_is_said(value: float, runs: dict[str, Path]) -> None:
    model: Forecaster = unspool.load(runs["counts"])
    panel = waves()
    panel.y[panel.offsets[2] - 1] = value
    asks: tuple[Any, ...] = (model.predict, model.sample_paths)
    for ask in asks:
        with pytest.warns(UserWarning, match=f"series 's1' has the value {value:g}, but output .* do not trust"):
            ask(panel, paths=5)


def test_a_horizon_beyond_memory_or_time_is_refused(model: Forecaster, monkeypatch: pytest.MonkeyPatch) -> None:
    asks: tuple[Any, ...] = (model.predict, model.sample_paths)
    for ask in asks:
        for horizon in (10**12, 10**400):
            with pytest.raises(ConfigError, match="0000 steps takes about .* GB of memory, but this machine has"):
                ask(waves(), horizon=horizon)
        with pytest.raises(DataError, match="not all between 1678 and 2261"):
            ask(waves(), horizon=4000, paths=1)
    monkeypatch.setattr("unspool.tasks.forecast.asked.memory", lambda: 1e6)
    with pytest.raises(ConfigError, match="this machine has 0; choose a shorter horizon, fewer paths"):
        model.sample_paths(waves(), paths=10**5)


@pytest.mark.parametrize("pieces", [1, 2, 5])
def test_a_state_is_as_good_as_the_history(pieces: int, model: Forecaster, tmp_path: Path) -> None:
    """Updated row by row, saved and read again, a state forecasts what the whole history does, to the last bit."""
    whole = waves()
    state = model.state(whole.cut(pieces))
    for piece in range(pieces, 0, -1):
        rows = {name: [whole.history(i)[-piece]] for i, name in enumerate(whole.ids)}
        starts = whole.frequency.times(whole.origins - piece + 1)
        state = model.update(Panel.of(rows, frequency="MS", starts=starts), state)
    state.save(tmp_path / "state")
    again = model.read_state(tmp_path / "state")
    for horizon in (6, 9):
        equal(model.predict(again.panel, horizon=horizon, paths=20), model.predict(whole, horizon=horizon, paths=20))
    np.testing.assert_array_equal(model.encode(state=again), model.encode(whole))
    assert model.forecast(state=again, paths=9).equals(model.forecast(whole, paths=9))
    assert again.panel.lengths.max() == 24 + max(model.settings.lags or (0,))


def test_a_series_is_forecast_as_if_it_were_alone(model: Forecaster) -> None:
    """Up to rounding; draws depend on the order of series, so means of many are compared."""
    together = model.predict(waves(), paths=4000)
    for i in range(4):
        alone = model.predict(waves().take([i]), paths=4000)
        tolerance = 1e-4 if model.settings.model == "encoder-decoder" else 0.1 * np.ptp(together.quantiles[i])
        np.testing.assert_allclose(alone.mean[0], together.mean[i], rtol=1e-5, atol=tolerance)


def test_missing_values_are_no_values(model: Forecaster) -> None:
    """What stands where nothing was seen does not matter: nothing is filled in, and nothing leaks."""
    panel = waves()
    holes = panel.y.copy()
    holes[5:9] = np.nan
    some = Panel(panel.ids, panel.offsets, panel.starts, panel.frequency, holes, panel.observed)
    assert np.isfinite(model.predict(some, paths=20).quantiles).all()
    batch = model.windows(some).batch(np.array([0]), np.array([20]))
    assert (batch.y[0, 9:13] == 0).all() and not batch.seen[0, 9:13].any()


@pytest.mark.parametrize("kind", ["counts", "seasonal steps"])
def test_an_autoregressive_draw_reads_what_it_drew(kind: str, runs: dict[str, Path]) -> None:
    """Teacher forcing with the draws as history gives the same distributions as drawing did."""
    model: Forecaster = unspool.load(runs[kind])
    panel, network = waves().take([0]), model.networks[0]
    windows = model.windows(panel, horizon=5)
    drawn = sampled(network, windows, np.array([0]), horizon=5, paths=1, draw=SeriesDraws.of(["s0"], seed=[0]))[0, 0]
    told = Panel.of({"s0": np.concatenate([panel.history(0), drawn])}, frequency="MS", starts="2000-03-01")
    batch = model.windows(told, horizon=5).batch(np.array([0]), panel.observed[:1])
    with torch.no_grad():
        params = network(batch)[:, -5:]
    generator = SeriesDraws.of(["s0"], seed=[0])
    loc, scale = batch.loc[:, -5:], batch.scale[:, -5:]
    again = [float(network.output.sample(params[:, k], loc[:, k], scale[:, k], generator)) for k in range(5)]
    np.testing.assert_allclose(again, drawn, rtol=1e-5)


def test_a_further_block_reads_what_was_drawn_before(runs: dict[str, Path]) -> None:
    """The second horizon is forecast as if the draws of the first had been observed."""
    model: Forecaster = unspool.load(runs["seasonal"])
    panel, network, draw = waves().take([0]), model.networks[0], SeriesDraws.of(["s0"], seed=[0])
    drawn = sampled(network, model.windows(panel), np.array([0]), horizon=12, paths=1, draw=draw)[0, 0]
    told = Panel.of({"s0": np.concatenate([panel.history(0), drawn[:6]])}, frequency="MS", starts="2000-03-01")
    again = SeriesDraws.of(["s0"], seed=[0])
    first = sampled(network, model.windows(panel), np.array([0]), horizon=6, paths=1, draw=again)[0, 0]
    second = sampled(network, model.windows(told), np.array([0]), horizon=6, paths=1, draw=again)[0, 0]
    np.testing.assert_array_equal(drawn[:6], first)
    np.testing.assert_allclose(drawn[6:], second, rtol=1e-6)


def test_an_ensemble_is_the_mean_of_its_runs(runs: dict[str, Path], tmp_path: Path) -> None:
    fit(tmp_path / "other", seed=1, **KINDS["seasonal"])
    both, one, other = (unspool.load(r) for r in ([runs["seasonal"], tmp_path / "other"], runs["seasonal"],
                                                  tmp_path / "other"))  # fmt: skip
    mean = (one.predict(waves()).quantiles + other.predict(waves()).quantiles) / 2
    np.testing.assert_allclose(both.predict(waves()).quantiles, mean)
    assert both.sample_paths(waves(), paths=7).shape == (4, 7, 6)
    assert both.encode(waves()).shape == (4, 32)
    fit(tmp_path / "short", steps=1, horizon=3)
    with pytest.raises(ConfigError, match="differ in frequency or horizon"):
        unspool.load([runs["seasonal"], tmp_path / "short"])


@pytest.mark.parametrize("name", ["context", "season", "lags"])
def test_a_config_without_its_plan_is_damaged(name: str, runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["steps"], tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["settings"][name] = None
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        unspool.load(tmp_path / "run")


def test_wrong_use_is_named(model: Forecaster, runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nothing to forecast from"):
        model.forecast()
    with pytest.raises(ConfigError, match="horizon is 0"):
        model.predict(waves(), horizon=0)
    with pytest.raises(ConfigError, match="levels are"):
        model.predict(waves(), levels=(0.5, 0.1))
    for wrong, message in (({"paths": 0}, "paths is 0"), ({"seed": -1}, "seed is -1")):
        asks: tuple[Any, ...] = (model.predict, model.sample_paths, model.compare)
        for ask in asks:
            with pytest.raises(ConfigError, match=message):
                ask(waves(), **wrong)
    compare: Any = model.compare
    for wrong in ({"windows": 0}, {"horizon": 0}, {"step": 0}):
        with pytest.raises(ConfigError, match="is 0; expected at least 1"):
            compare(waves(), **wrong)
    with pytest.raises(DataError, match="frequency 'D'"):
        model.predict(Panel.of([[1.0]], frequency="D"))
    predict: Any = model.predict
    for wrong, message in (
        ({"horizon": "3"}, "horizon is '3', of type str; expected a whole number, at least 1"),
        ({"horizon": True}, "horizon is True, of type bool"),
        ({"levels": 0.5}, "levels are 0.5; expected rising numbers between 0 and 1"),
        ({"levels": []}, r"levels are \[\]"),
        ({"levels": np.array([0.9, 0.1])}, r"levels are \(0.9, 0.1\)"),
        ({"levels": "0.5"}, "levels are '0.5'"),
        ({"seed": "x"}, "seed is 'x', of type str"),
        ({"paths": 1.5}, "paths is 1.5, of type float"),
    ):
        with pytest.raises(ConfigError, match=message):
            predict(waves(), **wrong)
    with pytest.raises(ConfigError, match="state is of type int; expected a state"):
        model.forecast(state=3)  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="expected a panel, but got a value of type dict"):
        predict({"a": [1.0]})
    with pytest.raises(ConfigError, match="compare takes a list of methods, but got one text"):
        compare(waves(), methods="theta")
    for wrong in ({"windows": "3"}, {"horizon": 1.5}, {"step": "x"}):
        with pytest.raises(ConfigError, match="expected a whole number"):
            compare(waves(), **wrong)
    for cells in (3, [3]):
        with pytest.raises(ConfigError, match="expected a list of your own cell classes"):
            unspool.load(model.runs[0].path, cells=cells)  # pyright: ignore[reportArgumentType]
    other = unspool.load(runs["seasonal" if "seasonal" not in str(model.runs[0].path) else "steps"])
    with pytest.raises(ConfigError, match="made by another model"):
        model.forecast(state=other.state(waves()))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("missing", "there is no file"),
        ("folder", "is a folder; expected the file of a state"),
        ("truncated", "damaged"),
        ("foreign", "damaged"),
        ("last byte", "damaged .*the checksum is another"),
        ("name", "damaged .*the checksum is another"),
    ],
)
def test_a_damaged_state_is_named(damage: str, message: str, runs: dict[str, Path], tmp_path: Path) -> None:
    model: Forecaster = unspool.load(runs["seasonal"])
    path = tmp_path / "state"
    model.state(waves()).save(path)
    content = path.read_bytes()
    path.unlink()
    damaged = {
        "truncated": content[: len(content) // 2],
        "foreign": b"\x89PNG\r\n" + bytes(100),
        "last byte": content[:-1] + bytes([content[-1] ^ 1]),
        "name": content.replace(b"s0", b"s9"),
    }
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        path.write_bytes(damaged[damage])
    with pytest.raises(RunError, match=f"{path}.*{message}" if damage != "missing" else f"{message} {path}"):
        model.read_state(path)


def test_rows_that_were_read_before_are_named_in_words(runs: dict[str, Path]) -> None:
    model: Forecaster = unspool.load(runs["seasonal"])
    with pytest.raises(DataError, match="the new rows begin at 2000-03-01, but it has been read up to 2007-08-01;"):
        model.update(waves(), model.state(waves()))
