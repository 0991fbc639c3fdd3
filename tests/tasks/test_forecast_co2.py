"""The default job: carbon dioxide over Mauna Loa."""

from __future__ import annotations

from pathlib import Path

import pytest

import unspool
from unspool.cells import GRUCell
from unspool.errors import ConfigError, RunError
from unspool.tasks.forecast import ForecastData, Forecaster, ForecastSettings, co2_job, train
from unspool.train import TrainSettings


def trained(out: Path, origin: dict[str, str] | None, **training: object) -> Forecaster:
    settings = ForecastSettings(**co2_job.PRESET)
    chosen = TrainSettings(**{**co2_job.TRAINING_PRESET, **training})
    train(GRUCell, ForecastData.co2(), settings, chosen, out, origin=origin)
    return unspool.load(out)


def test_a_run_of_other_data_has_no_test_part(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="was trained on files; name the test files"):
        trained(tmp_path / "files", {"job": "files"}, max_steps=1).evaluate()
    config = tmp_path / "files" / "config.json"
    config.write_text(config.read_text().replace('"job": "files"', '"job": "co2"'))
    assert unspool.load(tmp_path / "files").evaluate(methods=["naive"])["targets"] == 60
    config.write_text(config.read_text().replace('"origin"', '"origin_"'))
    with pytest.raises(RunError, match="does not say what the run was trained on"):
        unspool.load(tmp_path / "files").evaluate()


@pytest.mark.slow
def test_the_default_job_beats_the_naive_methods(tmp_path: Path) -> None:
    found = trained(tmp_path / "run", co2_job.ORIGIN).evaluate()
    for name, scores in found["methods"].items():
        assert found["mase"] < scores["mase"] and found["wql"] < scores["wql"], name
    assert 0.8 <= found["coverage"] <= 1
