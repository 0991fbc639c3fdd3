"""A forecaster that is trained anew on all that there is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_cell import Leaky
from toy_forecasting import KINDS, SMALL, fit, waves

import unspool
from unspool.cells import GRUCell
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
    file = tmp_path / "run" / "metrics.jsonl"
    told = [json.loads(line) for line in file.read_text().splitlines()]
    for line in told:  # so that the least loss is neither the first nor the last
        if line["kind"] == "validation":
            line["loss"] = abs(line["step"] - 15) + 1.0
    file.write_text("".join(json.dumps(line) + "\n" for line in told))
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
    fit(tmp_path / "run", steps=2)
    model = unspool.load(tmp_path / "run")
    with pytest.raises(RunError, match="already holds a run"):
        refit(model, waves(), tmp_path / "run")
    with pytest.raises(ConfigError, match="name one run"):
        refit(unspool.load([tmp_path / "run", tmp_path / "run"]), waves(), tmp_path / "again")
    with pytest.raises(DataError, match="no series has the 12 values"):
        refit(model, waves((11, 9)), tmp_path / "again")
    (tmp_path / "run" / "metrics.jsonl").write_text("")
    with pytest.raises(RunError, match="has not validated once"):
        refit(model, waves(), tmp_path / "again")
    assert not (tmp_path / "again").exists()
