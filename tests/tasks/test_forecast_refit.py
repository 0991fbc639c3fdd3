"""A forecaster that is trained anew on all that there is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_cell import Leaky
from toy_forecasting import KINDS, SMALL, fit, waves

import unspool
from unspool.cells import GRUCell
from unspool.data.series import Panel
from unspool.errors import ConfigError, DataError, RunError
from unspool.tasks.forecast import ForecastData, ForecastSettings, refit, train
from unspool.train import Interrupted, TrainSettings
from unspool.train.loop import Training


def weights(run: Path) -> bytes:
    return (run / "model.safetensors").read_bytes()


def lines(run: Path, kind: str) -> list[dict[str, Any]]:
    return [line for line in unspool.train.Run.open(run).metrics() if line["kind"] == kind]


@pytest.mark.parametrize("kind", ["seasonal", "parallel", "deepar"])
def test_it_is_a_training_that_keeps_nothing_back(kind: str, tmp_path: Path) -> None:
    """As many steps as the run had, from the same seed: the same weights as by `train`, with the ends given apart."""
    panel, choices = waves(), SMALL | KINDS[kind]
    fit(tmp_path / "run", steps=20, panel=panel, **KINDS[kind])
    refit(unspool.load(tmp_path / "run"), panel, tmp_path / "again")
    apart = ForecastData(panel, valid=panel)
    train(GRUCell, apart, ForecastSettings(**choices), TrainSettings(max_steps=20, lr=0.01), tmp_path / "whole")
    assert weights(tmp_path / "again") == weights(tmp_path / "whole") != weights(tmp_path / "run")


def test_it_ends_where_the_run_was_best_at_the_rates_that_it_had(tmp_path: Path) -> None:
    panel = waves()
    training = TrainSettings(max_steps=30, lr=0.05, schedule="cosine", warmup=4, log_every=1, validate_every=5, ema=0.9)
    train(GRUCell, ForecastData(panel), ForecastSettings(**SMALL), training, tmp_path / "run")
    file = tmp_path / "run" / "checkpoints" / "step-00000030" / "state.json"
    state = json.loads(file.read_text())
    state["training"]["best"][0]["step"] = 15  # neither the first validation nor the last
    file.write_text(json.dumps(state))
    summary = refit(unspool.load(tmp_path / "run"), panel, tmp_path / "again")
    assert (summary.steps, summary.best_step, summary.reason) == (15, 15, "step 15")
    rates = [[line["lr"] for line in lines(tmp_path / name, "train")] for name in ("run", "again")]
    assert rates[1] == rates[0][:15] and len(rates[0]) == 30
    assert [line["step"] for line in lines(tmp_path / "again", "validation")] == [15]
    twice = refit(unspool.load(tmp_path / "again"), panel, tmp_path / "twice")
    assert twice.steps == 15 and weights(tmp_path / "twice") == weights(tmp_path / "again")


def test_it_knows_what_came_last(tmp_path: Path) -> None:
    """The level that a series is drawn to is that of all its values."""
    rising = waves()
    fit(tmp_path / "run", steps=4, panel=rising, reversion=True, scaling="last")
    refit(unspool.load(tmp_path / "run"), rising, tmp_path / "again")
    told = [(tmp_path / name / "features.json").read_text(encoding="utf-8") for name in ("run", "again")]
    means = [[json.loads(text)["means"][name] for name in rising.ids] for text in told]
    found = [np.nanmean(rising.history(i)) for i in range(len(rising))]
    assert np.allclose(means[1], found) and not np.allclose(means[0], found)


def test_the_spread_is_that_of_the_run(tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=4)

    def spread(run: Path, factor: float) -> None:
        config = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps(config | {"calibration": {"spread": factor}}))

    def upper_half(run: Path) -> np.ndarray:
        frame = unspool.load(run).forecast(waves())
        return frame["0.975"].to_numpy() - frame["0.5"].to_numpy()

    spread(tmp_path / "run", 1.5)
    refit(unspool.load(tmp_path / "run"), waves(), tmp_path / "again")
    wide = upper_half(tmp_path / "again")
    spread(tmp_path / "again", 1.0)
    assert np.allclose(wide, 1.5 * upper_half(tmp_path / "again"))


def test_stopped_and_resumed_is_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit(tmp_path / "run", steps=20, dropout=0.3)
    model = unspool.load(tmp_path / "run")
    refit(model, waves(), tmp_path / "whole")
    step = Training._step

    def interrupted(self: Training, batch: Any) -> tuple[bool, bool]:
        due, _ = step(self, batch)
        return due, self.state.step == 7

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(Training, "_step", interrupted)
        refit(model, waves(), tmp_path / "parts")
    with pytest.raises(RunError, match="data"):
        refit(model, waves((90, 70, 50, 60)), tmp_path / "parts", resume=True)
    refit(model, waves(), tmp_path / "parts", resume=True)
    assert weights(tmp_path / "parts") == weights(tmp_path / "whole")


def test_a_cell_of_ones_own(tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=3, cell=Leaky)
    refit(unspool.load(tmp_path / "run", cells=[Leaky]), waves(), tmp_path / "again")
    assert unspool.load(tmp_path / "again", cells=[Leaky]).name == unspool.load(tmp_path / "run", cells=[Leaky]).name


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"schedule": "plateau"}, "schedule plateau.*a refit has none"),
        ({"keep_best": 2, "average": True}, "mean of those of several steps"),
    ],
    ids=["plateau", "average"],
)
def test_what_cannot_be_done_again_is_named(training: dict[str, Any], message: str, tmp_path: Path) -> None:
    train(GRUCell, ForecastData(waves()), ForecastSettings(**SMALL), TrainSettings(max_steps=2, **training),
          tmp_path / "run")  # fmt: skip
    with pytest.raises(ConfigError, match=message):
        refit(unspool.load(tmp_path / "run"), waves(), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_runs_that_say_too_little_and_folders_that_are_taken(tmp_path: Path) -> None:
    for name in ("run", "other"):
        fit(tmp_path / name, steps=2)
    model = unspool.load(tmp_path / "run")
    with pytest.raises(ConfigError, match="is the run to refit.*choose another --out"):
        refit(model, waves(), tmp_path / "other" / ".." / "run", force=True)
    with pytest.raises(RunError, match="already holds a run"):
        refit(model, waves(), tmp_path / "other")
    with pytest.raises(ConfigError, match="name one run"):
        refit(unspool.load([tmp_path / "run", tmp_path / "run"]), waves(), tmp_path / "again")
    with pytest.raises(ConfigError, match="but got a value of type str"):
        refit("run", waves(), tmp_path / "again")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="not trained on the default job"):
        refit(model, None, tmp_path / "again")
    state = next((tmp_path / "run" / "checkpoints").glob("step-*")) / "state.json"
    content = json.loads(state.read_text())
    for step in (0, -3, 3000, "2", None):
        content["training"]["best"][0]["step"] = step
        state.write_text(json.dumps(content))
        with pytest.raises(RunError, match="names no best step"):
            refit(model, waves(), tmp_path / "again")
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    with pytest.raises(RunError, match="holds no checkpoint"):
        refit(model, waves(), tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_short_series_are_learned_from_whole(tmp_path: Path) -> None:
    """Nothing is kept back, so one horizon and a value before it are enough."""
    long, short = waves(), waves((7, 6))
    train(
        GRUCell, ForecastData(long, valid=long), ForecastSettings(**SMALL), TrainSettings(max_steps=2), tmp_path / "run"
    )
    model = unspool.load(tmp_path / "run")
    assert refit(model, short, tmp_path / "again").steps == 2
    with pytest.raises(DataError, match="no series has the 7 values"):
        refit(model, waves((6, 5)), tmp_path / "none")


def test_series_of_another_kind_are_refused(tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=2)
    days = Panel.of({"a": np.arange(60.0)}, frequency="D", starts="2020-01-01")
    with pytest.raises(ConfigError, match="have the frequency D, but the run was trained on steps of MS"):
        refit(unspool.load(tmp_path / "run"), days, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_run_that_went_on_otherwise_is_refused_where_it_matters(tmp_path: Path) -> None:
    data, settings = ForecastData(waves()), ForecastSettings(**SMALL)
    cases: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
        ("longer", {"max_steps": 2}, {"max_steps": 4}, ""),
        ("faster", {"max_steps": 2}, {"max_steps": 4, "lr": 0.1}, "lr"),
        ("stretched", {"max_steps": 2, "schedule": "cosine"}, {"max_steps": 4, "schedule": "cosine"}, "max_steps"),
    ]
    for name, first, then, refused in cases:
        train(GRUCell, data, settings, TrainSettings(**first), tmp_path / name)
        with pytest.warns(UserWarning, match="with other settings"):
            train(GRUCell, data, settings, TrainSettings(**then), tmp_path / name, resume=True)
        model = unspool.load(tmp_path / name)
        if refused:
            with pytest.raises(ConfigError, match=f"other settings than it began with \\({refused}\\)"):
                refit(model, waves(), tmp_path / "again")
        else:
            assert refit(model, waves(), tmp_path / "fine").steps == 4


def test_a_run_that_has_not_ended_has_no_spread_to_take_over(tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=2)
    file = tmp_path / "run" / "config.json"
    config = json.loads(file.read_text())
    del config["calibration"]
    file.write_text(json.dumps(config))
    with pytest.raises(RunError, match="has not ended, so its spread is not fitted"):
        refit(unspool.load(tmp_path / "run"), waves(), tmp_path / "again")


def test_it_is_gone_on_with_as_what_it_was(tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=2)
    refit(unspool.load(tmp_path / "run"), waves(), tmp_path / "again")
    with pytest.warns(UserWarning, match="with other settings"):
        best = fit(tmp_path / "run", steps=40, resume=True).best_step
    with pytest.raises(RunError, match=f"cannot be resumed with other choices or data: steps 2 → {best}"):
        refit(unspool.load(tmp_path / "run"), waves(), tmp_path / "again", resume=True)
    with pytest.raises(RunError, match="cannot be resumed.*refit"):
        whole = ForecastData(waves(), valid=waves())
        train(GRUCell, whole, ForecastSettings(**SMALL), TrainSettings(max_steps=9), tmp_path / "again", resume=True)
