"""Training a forecaster, on series whose future is known."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_cell import Leaky
from toy_forecasting import KINDS, SMALL, fit, waves

import unspool
from unspool.cells import GRUCell, LSTMCell
from unspool.data.series import Panel
from unspool.errors import ConfigError, DataError, RunError
from unspool.tasks.forecast import ForecastData, Forecaster, ForecastSettings, train
from unspool.tasks.forecast.table import table
from unspool.train import TrainSettings
from unspool.view.forecast_page import forecast_page


def test_it_learns_what_comes_next(tmp_path: Path) -> None:
    panel = waves()
    held = panel.cut(6)
    fit(tmp_path / "run", steps=300, panel=held, scaling="seasonal")
    found = unspool.load(tmp_path / "run").predict(held)
    truth = np.stack([panel.history(i)[-6:] for i in range(len(panel))])
    assert np.abs(found.at(0.5) - truth).mean() < 1.0  # the waves are 20 high


def test_a_point_is_one_column(tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=5, output="point")
    model: Forecaster = unspool.load(tmp_path / "run")
    for horizon in (6, 9):
        frame = model.forecast(waves(), horizon=horizon, paths=5)
        assert list(frame.columns) == ["unique_id", "ds", "mean"] and np.isfinite(frame["mean"]).all()
    with pytest.raises(ConfigError, match="one number, which has no quantiles"):
        model.predict(waves(), levels=(0.1, 0.9))
    found = model.compare(waves(), windows=2)
    scores = found[model.name].scores
    assert (scores.wql, scores.msis, scores.coverage) == (None, None, None)
    assert scores.smape is not None and scores.mae is not None
    assert table(found).splitlines()[1].split()[4:7] == ["–"] * 3
    assert forecast_page(waves(), found).count("<svg") == 1
    fit(tmp_path / "other", steps=1)
    with pytest.raises(ConfigError, match="one writes points"):
        unspool.load([tmp_path / "run", tmp_path / "other"])


def test_an_autoregressive_model_has_an_output_of_its_own() -> None:
    outputs = {model: ForecastSettings(model=model).output for model in ("encoder-decoder", "autoregressive")}
    assert outputs == {"encoder-decoder": "quantiles", "autoregressive": "student-t"}


def test_a_context_longer_than_all_series_is_clipped(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="context is 120, but the longest series has 90 steps; 88 are read"):
        fit(tmp_path / "run", steps=1, context=120, segment=4)
    assert unspool.load(tmp_path / "run").settings.context == 88


@pytest.mark.parametrize("training", [{"monitor": "mae"}, {"until": "mae<1"}], ids=str)
def test_what_is_not_measured_is_named_before_training(training: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="metric 'mae', but validation of a forecaster measures loss alone"):
        train(GRUCell, ForecastData(waves()), ForecastSettings(**SMALL), TrainSettings(max_steps=1, **training),
              tmp_path / "run")  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_resumed_is_uninterrupted(tmp_path: Path) -> None:
    fit(tmp_path / "whole", steps=40, dropout=0.3)
    fit(tmp_path / "parts", steps=20, dropout=0.3)
    fit(tmp_path / "parts", steps=40, dropout=0.3, resume=True)
    one, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "parts"))
    assert one == other
    with pytest.raises(RunError, match="data"):
        fit(tmp_path / "parts", steps=60, dropout=0.3, resume=True, panel=waves((90, 70, 50, 60)))


def test_a_resumed_run_reads_the_cycles_it_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    days = Panel.of({"a": np.sin(np.arange(90.0))}, frequency="D", starts="2000-03-01")
    with monkeypatch.context() as former:  # every cycle, and none named, as before docs/decisions/0026
        former.setattr("unspool.data.series.cycles.held_twice", lambda names, span: names)
        fit(tmp_path / "run", steps=20, panel=days)
    path = tmp_path / "run" / "features.json"
    content = json.loads(path.read_text())
    assert content.pop("cycles")[-1] == "day of year"
    path.write_text(json.dumps(content))
    assert fit(tmp_path / "run", steps=40, panel=days, resume=True).steps == 40


@pytest.mark.parametrize("cell", [LSTMCell, Leaky], ids=lambda cell: cell.__name__)
def test_any_cell_does(cell: Any, tmp_path: Path) -> None:
    fit(tmp_path / "run", cell=cell, steps=2, layers=2, segment=3, residual=True)
    model = unspool.load(tmp_path / "run", cells=[] if cell is LSTMCell else [cell])
    assert model.predict(waves(), horizon=8, paths=10).mean.shape == (4, 8)


def test_lags_that_the_horizon_hides_are_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"of the lags \[3, 12\], \[3\] are not read"):
        fit(tmp_path / "run", steps=1, lags=(3, 12))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(tmp_path / "steps", steps=1, lags=(3, 12), model="autoregressive")


def test_the_plan_stands_in_the_config(tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=1, context=None, season=None, lags=None)
    settings = json.loads((tmp_path / "run" / "config.json").read_text())["settings"]
    assert (settings["season"], settings["context"]) == (12, 24) and 12 in settings["lags"]
    assert min(settings["lags"]) >= 6  # further back than the horizon, all of which is written at once


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"horizon": 0}, "horizon is 0"),
        ({"model": "arima"}, "model is 'arima'"),
        ({"levels": (0.5, 0.5)}, "levels are"),
        ({"levels": (0.0, 0.5)}, "levels are"),
        ({"model": "autoregressive", "output": "quantiles"}, "no distribution to draw from"),
        ({"output": "point", "levels": (0.1, 0.9)}, "output point has no quantiles"),
        ({"output": "mean", "levels": (0.1, 0.9)}, "output mean has no quantiles"),
        ({"output": "mean", "model": "autoregressive"}, "no distribution to draw from"),
        ({"levels": 0.5}, "levels are 0.5"),
        ({"levels": ["a"]}, "levels are"),
        ({"horizon": "3"}, "horizon is '3', of type str; expected a whole number"),
        ({"horizon": 2.5}, "horizon is 2.5, of type float"),
        ({"output": "negative-binomial", "scaling": "instance"}, "counts from 0"),
        ({"decoder": "both"}, "decoder is 'both'"),
        ({"decoder": "parallel", "model": "autoregressive"}, "decoder parallel belongs to encoder-decoder"),
        ({"tie_decoder": True, "model": "autoregressive"}, "tie_decoder belongs to encoder-decoder"),
        ({"tie_decoder": "yes"}, "tie_decoder is 'yes'"),
        ({"odd": True}, "cannot follow the calendar"),
        ({"odd": True, "calendar": False, "model": "autoregressive"}, "odd belongs to encoder-decoder"),
        ({"odd": True, "calendar": False, "output": "negative-binomial"}, "cannot be mirrored"),
        ({"odd": True, "calendar": False, "levels": (0.1, 0.5, 0.8)}, "for each level below it"),
        ({"odd": True, "calendar": False, "levels": (0.1, 0.9)}, "need the median"),
        ({"reversion": True, "model": "autoregressive"}, "reversion belongs to encoder-decoder"),
        ({"reversion": True, "output": "negative-binomial"}, "cannot be moved"),
        ({"segment": 5}, "context 24 is no multiple of segment 5"),
        ({"lags": (0,)}, "lags are"),
        ({"seed": -1}, "seed is -1"),
    ],
    ids=str,
)
def test_impossible_choices_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ForecastSettings(**SMALL | choices)


@pytest.mark.parametrize("value", [-1.0, 2.5])
def test_counts_are_whole(value: float, tmp_path: Path) -> None:
    panel = Panel.of({"a": [1.0] * 40, "b": [*[2.0] * 30, value, 3.0]}, frequency="D", starts="2024-01-01")
    with pytest.raises(DataError, match=f"series 'b' has the value {value:g}, but output negative-binomial counts"):
        fit(tmp_path / "run", panel=panel, **KINDS["counts"])
