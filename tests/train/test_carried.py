"""What a job carries from batch to batch stands in its checkpoints; jobs that carry nothing are as they were."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from unspool.errors import ConfigError
from unspool.train import Run, TrainSettings, fit
from unspool.train.checkpoint import latest_checkpoint
from unspool.train.loop import carrier

EVERY_STEP: dict[str, Any] = {"checkpoint_minutes": 0.0, "log_every": 4, "lr": 0.03}


def carrying(toy: Any) -> type[Any]:
    """The toy job, its loss weighted by a trace of all batches before."""

    class Carrying(toy.ToyJob):
        trace = torch.zeros(())

        def loss(self, model: torch.nn.Module, batch: Tensor) -> tuple[Tensor, int]:
            loss, tokens = super().loss(model, batch)
            self.trace = 0.9 * self.trace + batch.float().mean()
            return loss * (1 + self.trace), tokens

        def carried(self) -> dict[str, Tensor]:
            return {"trace": self.trace}

        def restore(self, tensors: Mapping[str, Tensor]) -> None:
            self.trace = tensors["trace"]

    return Carrying


def end(run: Run) -> Path:
    found = latest_checkpoint(run.checkpoints_path)
    assert found is not None
    return found


def trained(job: Any, path: Path, steps: int, *, resume: bool = False) -> Run:
    run = Run.open(path) if resume else Run.create(path, {"task": "toy"})
    fit(job, TrainSettings(max_steps=steps, **EVERY_STEP), run, resume=resume)
    return run


@pytest.mark.parametrize("stop", [4, 6, 9])
def test_resumed_equals_uninterrupted(stop: int, toy: Any, lines: Any, tmp_path: Path) -> None:
    job = carrying(toy)
    whole = trained(job(), tmp_path / "whole", 15)
    trained(job(), tmp_path / "half", stop)
    half = trained(job(seed=9), tmp_path / "half", 15, resume=True)
    assert whole.weights_path.read_bytes() == half.weights_path.read_bytes()
    for name in ("model", "optimizer", "random", "carried"):
        assert (end(whole) / f"{name}.safetensors").read_bytes() == (end(half) / f"{name}.safetensors").read_bytes()
    kept = [{k: v for k, v in line.items() if k != "grad_norm"} for line in lines(whole) if line["step"] > stop + 4]
    assert kept == [
        {k: v for k, v in line.items() if k != "grad_norm"} for line in lines(half) if line["step"] > stop + 4
    ]


def test_without_what_was_carried_the_bits_are_others(toy: Any, tmp_path: Path) -> None:
    job = carrying(toy)
    whole = trained(job(), tmp_path / "whole", 15)
    trained(job(), tmp_path / "half", 9)
    forgetful = job(seed=9)
    forgetful.restore = lambda tensors: None
    half = trained(forgetful, tmp_path / "half", 15, resume=True)
    assert whole.weights_path.read_bytes() != half.weights_path.read_bytes()


def test_a_checkpoint_from_before_is_read(toy: Any, tmp_path: Path) -> None:
    """One that holds nothing carried: the job goes on from its own beginning."""
    trained(toy.ToyJob(), tmp_path / "run", 5)
    state = json.loads((end(Run.open(tmp_path / "run")) / "state.json").read_text())
    assert "carried.safetensors" not in state["files"]
    job = carrying(toy)()
    trained(job, tmp_path / "run", 9, resume=True)
    assert (end(Run.open(tmp_path / "run")) / "carried.safetensors").exists() and job.trace > 0


def test_several_processes_are_refused(toy: Any) -> None:
    job = carrying(toy)()
    assert carrier(job, 1) is job and carrier(toy.ToyJob(), 2) is None
    with pytest.raises(ConfigError, match=r"carries a state.*2 processes.*one process"):
        carrier(job, 2)
