"""Stopped and resumed equals never stopped, to the last bit; whatever stops it, nothing is lost."""

from __future__ import annotations

import json
import signal
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from unspool.errors import ConfigError, RunError
from unspool.train import Interrupted, Run, TrainSettings, fit
from unspool.train.checkpoint import latest_checkpoint
from unspool.train.weights import to_bytes

CHECKPOINT_EVERY_STEP: dict[str, Any] = {"checkpoint_minutes": 0.0, "log_every": 4, "lr": 0.03}
RICH: dict[str, Any] = {
    **CHECKPOINT_EVERY_STEP,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "schedule": "cosine",
    "warmup": 5,
    "ema": 0.9,
    "validate_every": 7,
    "keep_best": 3,
    "average": True,
}


def straight(toy: Any, path: Path, settings: dict[str, Any]) -> Run:
    run = Run.create(path, {"task": "toy"})
    fit(toy.ToyJob(), TrainSettings(**settings), run)
    return run


def assert_same(lines: Any, one: Run, other: Run) -> None:
    assert lines(one) == lines(other)
    assert one.weights_path.read_bytes() == other.weights_path.read_bytes()
    ends = [latest_checkpoint(run.checkpoints_path) for run in (one, other)]
    assert ends[0] is not None and ends[1] is not None and ends[0].name == ends[1].name
    for name in ("model", "optimizer", "random"):
        assert (ends[0] / f"{name}.safetensors").read_bytes() == (ends[1] / f"{name}.safetensors").read_bytes()


def test_killed_at_any_moment(toy: Any, start_toy: Any, lines: Any, tmp_path: Path) -> None:
    """SIGKILL, wherever the process is after its 30th checkpoint: in a step, a validation or a write."""
    settings: dict[str, Any] = RICH | {"max_steps": 120}
    process = start_toy(tmp_path / "killed", settings)
    while process.poll() is None:
        latest = latest_checkpoint(tmp_path / "killed" / "checkpoints")
        if latest is not None and int(latest.name[5:]) >= 30:
            break
        time.sleep(0.0005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    killed = Run.open(tmp_path / "killed")
    killed.load_model(toy.ToyJob(seed=3).model)
    job = toy.ToyJob(seed=99)
    fit(job, TrainSettings(**settings), killed, resume=True)
    assert 0 < len(job.seen) <= 120 - 30
    assert_same(lines, straight(toy, tmp_path / "whole", settings), killed)


SGD: dict[str, Any] = {"epochs": 4, "optimizer": "sgd", "momentum": 0.9, "lr": 0.1, "log_every": 4, "clip_value": 0.1}


def test_ctrl_c(toy: Any, start_toy: Any, lines: Any, tmp_path: Path) -> None:
    process = start_toy(tmp_path / "stopped", SGD, "--interrupt-at", "9")
    out, err = process.communicate()
    assert process.returncode == 130, err
    assert b"after step 9" in out and b"--resume" in out
    stopped = Run.open(tmp_path / "stopped")
    fit(toy.ToyJob(seed=99), TrainSettings(**SGD), stopped, resume=True)
    assert_same(lines, straight(toy, tmp_path / "whole", SGD), stopped)


def test_sigterm_again_and_again(toy: Any, lines: Any, tmp_path: Path) -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    stopped = Run.create(tmp_path / "stopped", {"task": "toy"})
    for seed, (steps, position) in enumerate([(1, 1), (5, 6), (3, 9)]):
        job = toy.ToyJob(seed=seed)
        job.hooks[steps] = toy.send(signal.SIGTERM)
        with pytest.raises(Interrupted) as caught:
            fit(job, TrainSettings(**SGD), stopped, resume=True)
        assert caught.value.step == position
    fit(toy.ToyJob(seed=99), TrainSettings(**SGD), stopped, resume=True)
    assert_same(lines, straight(toy, tmp_path / "whole", SGD), stopped)


def test_plateau_and_patience_resume(toy: Any, lines: Any, tmp_path: Path) -> None:
    """The schedule's and the stopping rule's counts survive: half-way by max_steps, then on."""
    settings: dict[str, Any] = {"log_every": 4, "schedule": "plateau", "lr": 3.0, "epochs": 9, "patience": 5}
    whole = straight(toy, tmp_path / "whole", settings)
    # Validation at step 18 falls on an epoch's end, so that the shorter training validates nothing more.
    half = straight(toy, tmp_path / "half", settings | {"max_steps": 18})
    fit(toy.ToyJob(seed=9), TrainSettings(**settings), half, resume=True)
    assert_same(lines, whole, half)
    assert min(line["lr"] for line in lines(whole) if line["kind"] == "train") < 3.0


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_resumes(precision: str, toy: Any, lines: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"log_every": 3, "lr": 0.05, "epochs": 6, "precision": precision}
    whole = straight(toy, tmp_path / "whole", settings)
    half = straight(toy, tmp_path / "half", settings | {"max_steps": 18})
    fit(toy.ToyJob(seed=9), TrainSettings(**settings), half, resume=True)
    assert_same(lines, whole, half)


def test_finished_run_resumes_to_nothing(toy: Any, lines: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = RICH | {"epochs": 3}
    run = straight(toy, tmp_path / "run", settings)
    before, weights = lines(run), run.weights_path.read_bytes()
    job = toy.ToyJob(seed=9)
    summary = fit(job, TrainSettings(**settings), run, resume=True)
    assert job.seen == [] and summary.steps == 18 and summary.reason == "epochs=3"
    assert lines(run) == before and run.weights_path.read_bytes() == weights


def lost(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def altered(path: Path) -> None:
    """Its last number is another one: the file has its length, and can be read."""
    data = path.read_bytes()
    path.write_bytes(data[:-4] + b"\xff" * 4)


def anothers(path: Path) -> None:
    path.write_bytes(to_bytes({"weight": torch.ones(2)}))


@pytest.mark.parametrize("harm", [lost, cut, altered, anothers])
def test_lost_weights_are_written_anew(harm: Callable[[Path], None], toy: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = RICH | {"epochs": 3}
    run = straight(toy, tmp_path / "run", settings)
    weights = run.weights_path.read_bytes()
    harm(run.weights_path)
    with pytest.warns(UserWarning, match="model.safetensors was missing or damaged, and is written anew"):
        fit(toy.ToyJob(seed=9), TrainSettings(**settings), run, resume=True)
    assert run.weights_path.read_bytes() == weights


def test_a_folder_in_the_place_of_the_weights_is_named(toy: Any, tmp_path: Path) -> None:
    run = straight(toy, tmp_path / "run", {"epochs": 3})
    run.weights_path.unlink()
    run.weights_path.mkdir()
    with pytest.raises(RunError, match="model.safetensors is a folder, where the weights should be; remove it"):
        fit(toy.ToyJob(seed=9), TrainSettings(epochs=3), run, resume=True)


@pytest.mark.parametrize("last_is_best", [True, False])
def test_lost_weights_that_are_kept_nowhere(last_is_best: bool, toy: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"epochs": 3, "ema": 0.9, "mode": "min" if last_is_best else "max"}
    run = straight(toy, tmp_path / "run", settings)
    weights = run.weights_path.read_bytes()
    for path in (run.weights_path, *run.checkpoints_path.glob("best-*")):
        path.unlink()
    again = partial(fit, toy.ToyJob(seed=9), TrainSettings(**settings), run, resume=True)
    if last_is_best:
        with pytest.warns(UserWarning, match="is written anew"):
            again()
        assert run.weights_path.read_bytes() == weights
    else:
        with pytest.raises(RunError, match="neither .*model.safetensors nor .*best-.* holds the best weights"):
            again()


def test_resume_without_a_checkpoint_starts_anew(toy: Any, lines: Any, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"task": "toy"})
    run.metrics_path.write_text('{"kind": "train", "step": 3}\n{"kind": "tra')
    fit(toy.ToyJob(), TrainSettings(epochs=2), run, resume=True)
    assert_same(lines, straight(toy, tmp_path / "whole", {"epochs": 2}), run)


def test_a_second_fit_needs_resume(toy: Any, tmp_path: Path) -> None:
    run = straight(toy, tmp_path / "run", {"epochs": 1})
    with pytest.raises(RunError, match="--resume"):
        fit(toy.ToyJob(), TrainSettings(epochs=2), run)


def test_another_optimizer_is_refused(toy: Any, tmp_path: Path) -> None:
    run = straight(toy, tmp_path / "run", {"epochs": 1})
    with pytest.raises(RunError, match="optimizer=adam, not sgd"):
        fit(toy.ToyJob(), TrainSettings(epochs=2, optimizer="sgd"), run, resume=True)


def test_another_metric_to_choose_by_is_refused(toy: Any, lines: Any, tmp_path: Path) -> None:
    """The kept weights are the best by the former one; `until` may still ask for any."""
    run = straight(toy, tmp_path / "run", {"epochs": 1})
    others: list[dict[str, Any]] = [{"monitor": "exact_match"}, {"until": "exact_match>=0"}, {"mode": "max"}]
    for other in others:
        with pytest.raises(RunError, match=r"best loss \(min\).*set monitor to 'loss' and mode to 'min'"):
            fit(toy.ToyJob(), TrainSettings(epochs=2, **other), run, resume=True)
    settings = TrainSettings(epochs=2, monitor="loss", until="exact_match>=0")
    assert fit(toy.ToyJob(), settings, run, resume=True).reason == "reached exact_match>=0"


def test_changed_settings_are_said_and_noted(toy: Any, tmp_path: Path) -> None:
    first, second = ({"epochs": 1, "lr": 0.1}, {"epochs": 2, "lr": 0.1, "patience": 3})
    run = Run.create(tmp_path / "run", {"training": asdict(TrainSettings(**first))})
    fit(toy.ToyJob(), TrainSettings(**first), run)
    with pytest.raises(RunError, match="optimizer"):
        fit(toy.ToyJob(), TrainSettings(**second, optimizer="sgd"), Run.open(run.path), resume=True)
    assert "changes" not in Run.open(run.path).config
    with pytest.warns(UserWarning, match=r"after step 6 with other settings: epochs 1 → 2, patience null → 3$"):
        fit(toy.ToyJob(), TrainSettings(**second), Run.open(run.path), resume=True)
    again = Run.open(run.path)
    assert again.config["changes"] == [{"after_step": 6, "epochs": [1, 2], "patience": [None, 3]}]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(toy.ToyJob(), TrainSettings(**second), again, resume=True)
    assert TrainSettings(**again.config["training"] | {"betas": (0.9, 0.999)}) == TrainSettings(**second)


@pytest.mark.parametrize("missing", ["training", "optimizer", "schedule"])
def test_a_state_that_lacks_something_is_named(missing: str, toy: Any, tmp_path: Path) -> None:
    run = straight(toy, tmp_path / "run", {"epochs": 1})
    path = run.checkpoints_path / "step-00000006" / "state.json"
    state = json.loads(path.read_text())
    del state[missing]
    path.write_text(json.dumps(state))
    with pytest.raises(RunError, match=rf"state\.json is damaged.*{missing}"):
        fit(toy.ToyJob(), TrainSettings(epochs=2), run, resume=True)


def test_another_model_is_refused(toy: Any, tmp_path: Path) -> None:
    run = straight(toy, tmp_path / "run", {"epochs": 1})
    with pytest.raises(Exception, match=r"\[17, 8\].*\[17, 5\]"):
        fit(toy.ToyJob(width=5), TrainSettings(epochs=2), run, resume=True)


def test_full_disk(toy: Any, start_toy: Any, lines: Any, tmp_path: Path) -> None:
    """The operating system refuses the write (a real limit on file sizes): the earlier checkpoint still resumes."""
    settings: dict[str, Any] = RICH | {"max_steps": 30}
    process = start_toy(tmp_path / "full", settings, "--file-limit", "2000")
    out, err = process.communicate()
    assert process.returncode == 1, err
    assert b"could not be written: the file is larger than allowed" in out and b"--resume" in out
    full = Run.open(tmp_path / "full")
    assert [path.name for path in full.checkpoints_path.iterdir()] == ["step-00000004"]
    fit(toy.ToyJob(seed=9), TrainSettings(**settings), full, resume=True)
    assert_same(lines, straight(toy, tmp_path / "whole", settings), full)


@pytest.mark.parametrize("option", ["monitor", "until"])
def test_misspelt_metric_loses_nothing(option: str, toy: Any, lines: Any, tmp_path: Path) -> None:
    wrong: dict[str, Any] = {"monitor": "exact", "mode": "max"} if option == "monitor" else {"until": "exact>=1"}
    run = Run.create(tmp_path / "run", {"task": "toy"})
    with pytest.raises(ConfigError, match="exact_match, loss"):
        fit(toy.ToyJob(), TrainSettings(epochs=2, **wrong), run)
    assert latest_checkpoint(run.checkpoints_path) is not None
    fit(toy.ToyJob(seed=4), TrainSettings(epochs=2), run, resume=True)
    whole = straight(toy, tmp_path / "whole", {"epochs": 2})
    assert run.weights_path.read_bytes() == whole.weights_path.read_bytes()
