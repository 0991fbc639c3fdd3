"""What fit does besides resuming: ends, best weights, metrics, errors, several processes."""

from __future__ import annotations

import json
import math
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from unspool.errors import ConfigError, RunError, TrainingError
from unspool.train import Run, TrainSettings, fit, precision
from unspool.train.checkpoint import latest_checkpoint, read_checkpoint
from unspool.train.interrupt import Interrupts
from unspool.train.weights import read_tensors, weights_of


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(tmp_path / "run", {"task": "toy"})


@pytest.mark.parametrize(
    ("settings", "steps", "reason"),
    [
        ({"epochs": 2}, 12, "epochs=2"),
        ({"max_steps": 7}, 7, "max_steps=7"),
        ({"epochs": 99, "until": "exact_match>=0", "validate_every": 4}, 4, "reached exact_match>=0"),
        ({"epochs": 99, "patience": 2, "monitor": "exact_match", "lr": 1e-9}, 18, "no better exact_match in 2 valid"),
        ({"max_minutes": 1e-9}, 1, "max_minutes=1e-09"),
    ],
)
def test_ends(settings: dict[str, Any], steps: int, reason: str, toy: Any, run: Run) -> None:
    summary = fit(toy.ToyJob(), TrainSettings(**settings), run)
    assert summary.steps == steps and summary.reason.startswith(reason)
    assert run.metrics()[-1]["kind"] == "validation" and run.metrics()[-1]["step"] == steps


def test_stopped_before_its_end_it_is_the_beginning_of_the_whole(
    toy: Any, lines: Any, run: Run, tmp_path: Path
) -> None:
    settings = TrainSettings(max_steps=12, lr=0.1, schedule="cosine", warmup=3, log_every=1, validate_every=4)
    summary = fit(toy.ToyJob(), settings, run, stop=8)
    assert (summary.steps, summary.reason) == (8, "step 8")
    whole = Run.create(tmp_path / "whole", {"task": "toy"})
    fit(toy.ToyJob(), settings, whole)
    assert lines(run) == [line for line in lines(whole) if line["step"] <= 8]


def test_plain_adam_is_reproduced(toy: Any, run: Run) -> None:
    """Twelve steps of the loop equal twelve steps written out, with the loss divided by the batch's tokens."""
    job, plain = toy.ToyJob(dropout=0.0), toy.ToyJob(dropout=0.0)
    fit(job, TrainSettings(epochs=2, lr=0.1, clip_norm=0.05, log_every=1), run)
    optimizer, losses = torch.optim.Adam(plain.model.parameters(), lr=0.1), []
    for batch in [b for epoch in (0, 1) for b in plain.batches(epoch, 0)]:
        loss, tokens = plain.loss(plain.model, batch)
        (loss / tokens).backward()
        torch.nn.utils.clip_grad_norm_(plain.model.parameters(), 0.05)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item() / tokens)
    torch.testing.assert_close(job.model.state_dict(), plain.model.state_dict(), rtol=1e-5, atol=1e-6)
    shown = [line["loss"] for line in run.metrics() if line["kind"] == "train"]
    assert shown == pytest.approx(losses, rel=1e-5)


def test_learns_and_leaves_the_best(toy: Any, run: Run) -> None:
    job = toy.ToyJob()
    summary = fit(job, TrainSettings(epochs=80, lr=0.05, until="exact_match>=1"), run)
    fresh = toy.ToyJob(seed=5)
    run.load_model(fresh.model)
    for model in (fresh.model, job.model):
        with torch.no_grad():
            assert job.validate(model.eval())["exact_match"] == 1.0 == summary.best["exact_match"]


def test_best_is_by_monitor_and_mode(toy: Any, run: Run) -> None:
    values = iter([3.0, 9.0, math.nan, 9.0, 1.0])
    job = toy.ToyJob()
    job.validate = lambda model: {"score": next(values)}
    summary = fit(job, TrainSettings(epochs=5, monitor="score", mode="max", keep_best=2), run)
    assert (summary.best_step, summary.best) == (12, {"score": 9.0})
    kept = sorted(path.name for path in run.checkpoints_path.iterdir())
    assert kept == ["best-00000012.safetensors", "best-00000024.safetensors", "step-00000030"]
    best = (run.checkpoints_path / kept[0]).read_bytes()
    assert run.weights_path.read_bytes() == best
    assert run.metrics()[5]["score"] is None and "NaN" not in run.metrics_path.read_text()


def test_a_metric_may_not_have_the_name_of_a_column(toy: Any, run: Run) -> None:
    job = toy.ToyJob()
    job.validate = lambda model: {"loss": 1.0, "step": 3.0}
    with pytest.raises(ConfigError, match="metrics are called step, as columns"):
        fit(job, TrainSettings(epochs=1), run)


@pytest.mark.parametrize("monitor", [None, "exact_match", "loss"])
def test_the_kept_weights_are_those_that_reached_until(monitor: str | None, toy: Any, run: Run) -> None:
    """The least loss and the goal come apart: it is the weights kept that must satisfy it, or the training goes on."""
    values = iter([(1.0, 0.5), (1.1, 0.995), (0.9, 0.6), (0.8, 0.99)])
    job = toy.ToyJob()
    job.validate = lambda model: dict(zip(("loss", "exact_match"), next(values), strict=True))
    summary = fit(job, TrainSettings(epochs=4, until="exact_match>=0.99", monitor=monitor), run)
    assert summary.reason == "reached exact_match>=0.99"
    assert summary.best_step == summary.steps == (24 if monitor == "loss" else 12)
    best = run.checkpoints_path / f"best-{summary.steps:08d}.safetensors"
    assert run.weights_path.read_bytes() == best.read_bytes()


def test_an_average_that_misses_until_is_not_kept(toy: Any, run: Run) -> None:
    values = iter([(1.0, 0.5), (0.9, 0.99), (0.8, 0.9)])
    job = toy.ToyJob()
    job.validate = lambda model: dict(zip(("loss", "exact_match"), next(values), strict=True))
    choices = {"until": "exact_match>=0.99", "monitor": "loss", "keep_best": 2, "average": True}
    summary = fit(job, TrainSettings(epochs=9, **choices), run)
    assert summary.best == {"loss": 0.9, "exact_match": 0.99} and run.metrics()[-1]["kept"] is False
    assert run.weights_path.read_bytes() == (run.checkpoints_path / "best-00000012.safetensors").read_bytes()


def test_weights_exist_even_if_no_validation_was_finite(toy: Any, run: Run) -> None:
    job = toy.ToyJob()
    job.validate = lambda model: {"loss": math.nan}
    fit(job, TrainSettings(epochs=1), run)
    run.load_model(toy.ToyJob(seed=5).model)


@pytest.mark.parametrize("averaged_is_better", [True, False])
def test_average_of_the_best(averaged_is_better: bool, toy: Any, run: Run) -> None:
    values = iter([5.0, 4.0, 3.0, 2.0 if averaged_is_better else 3.5])
    job = toy.ToyJob()
    job.validate = lambda model: {"loss": next(values)}
    summary = fit(job, TrainSettings(epochs=3, keep_best=3, average=True, lr=0.1), run)
    kept = [read_tensors(run.checkpoints_path / f"best-{step:08d}.safetensors") for step in (6, 12, 18)]
    final = read_tensors(run.weights_path)
    for name, tensor in final.items():
        mean = torch.stack([weights[name] for weights in kept]).mean(0)
        torch.testing.assert_close(tensor, mean if averaged_is_better else kept[2][name])
    assert run.metrics()[-1]["kind"] == "average" and run.metrics()[-1]["kept"] is averaged_is_better
    assert summary.best["loss"] == (2.0 if averaged_is_better else 3.0)


def test_moving_average_is_what_is_validated_and_saved(toy: Any, run: Run) -> None:
    job, seen = toy.ToyJob(), []
    measure = job.validate
    job.validate = lambda model: (seen.append({k: v.clone() for k, v in weights_of(model).items()}), measure(model))[1]
    fit(job, TrainSettings(epochs=1, ema=0.5, lr=0.1, log_every=1), run)
    checkpoint = latest_checkpoint(run.checkpoints_path)
    assert checkpoint is not None
    raw, average = (read_tensors(checkpoint / f"{name}.safetensors") for name in ("model", "ema"))
    for name, tensor in read_tensors(run.weights_path).items():
        assert torch.equal(tensor, seen[-1][name]) and torch.equal(tensor, average[name])
        assert not torch.allclose(tensor, raw[name])


@pytest.mark.parametrize("where", ["loss", "gradient"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_not_finite(where: str, bad: float, toy: Any, lines: Any, run: Run) -> None:
    job = toy.ToyJob()

    def spoil(loss: Tensor) -> Tensor:
        if where == "loss":
            return loss * bad
        loss.register_hook(lambda gradient: gradient * bad)
        return loss * 1.0

    job.hooks[15] = spoil
    settings = TrainSettings(epochs=9, lr=0.05, log_every=1)
    with pytest.raises(TrainingError, match=r"step 15: .*Lower lr.*step 12 .* untouched"):
        fit(job, settings, run)
    assert run.metrics()[-1]["step"] == 14
    whole = Run.create(run.path.parent / "whole", {})
    fit(toy.ToyJob(), settings, whole)
    fit(toy.ToyJob(seed=5), settings, run, resume=True)
    assert run.weights_path.read_bytes() == whole.weights_path.read_bytes()
    assert lines(run) == lines(whole)


def test_two_trainings_of_one_run(toy: Any, run: Run) -> None:
    with run.locked(), pytest.raises(RunError, match="another training"):
        fit(toy.ToyJob(), TrainSettings(epochs=1), Run.open(run.path))


def test_a_job_that_miscounts(toy: Any, run: Run) -> None:
    job = toy.ToyJob()
    job.count = lambda epoch: 7
    with pytest.raises(TrainingError, match="at batch 6 of 7"):
        fit(job, TrainSettings(epochs=1), run)
    job.count = lambda epoch: 0
    with pytest.raises(TrainingError, match="no batch"):
        fit(job, TrainSettings(epochs=1), run, resume=True)


def test_unoffered_precision_touches_nothing(toy: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "offered_on", lambda device: ("fp32", "bf16"))
    with pytest.raises(ConfigError, match="fp32 or bf16"):
        fit(toy.ToyJob(), TrainSettings(epochs=1, precision="fp16"), run)
    assert not run.metrics_path.exists()


def test_bf16_follows_fp32(toy: Any, run: Run) -> None:
    """bf16 has 8 bits of mantissa: the loss curve follows fp32's to a few percent, and is not the same."""
    other = Run.create(run.path.parent / "bf16", {})
    for into, how in ((run, "fp32"), (other, "bf16")):
        fit(toy.ToyJob(dropout=0.0), TrainSettings(epochs=10, lr=0.05, log_every=6, precision=how), into)
    curves = [[line["loss"] for line in r.metrics() if line["kind"] == "train"] for r in (run, other)]
    assert curves[0] == pytest.approx(curves[1], rel=0.05, abs=0.01) and curves[0] != curves[1]


def test_fp16_lowers_its_scale_and_then_follows_fp32(toy: Any, run: Run) -> None:
    """The first steps overflow at a scale of 65,536 and are skipped; from then on the two learn alike."""
    other = Run.create(run.path.parent / "fp16", {})
    for into, how in ((run, "fp32"), (other, "fp16")):
        fit(toy.ToyJob(dropout=0.0), TrainSettings(epochs=20, lr=0.05, log_every=6, precision=how), into)
    ends = [[line for line in r.metrics() if line["kind"] == "validation"][-1]["loss"] for r in (run, other)]
    assert ends[0] == pytest.approx(ends[1], rel=0.2) and ends[0] != ends[1]
    checkpoint = latest_checkpoint(other.checkpoints_path)
    assert checkpoint is not None
    assert 1 <= read_checkpoint(checkpoint)[0]["precision"]["scale"] < 65536


def test_fp16_gives_up_when_no_scale_can_help(toy: Any, run: Run) -> None:
    """A gradient that is NaN at any scale: skipped while the scale falls from 65,536 to 1, then an error."""
    job = toy.ToyJob()

    def spoil(loss: Tensor) -> Tensor:
        loss.register_hook(lambda gradient: gradient * math.nan)
        return loss * 1.0

    job.hooks = dict.fromkeys(range(1, 19), spoil)
    with pytest.raises(TrainingError, match="step 17: .*gradient norm nan"):
        fit(job, TrainSettings(epochs=3, precision="fp16"), run)


def test_tensorboard(toy: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    fit(toy.ToyJob(), TrainSettings(epochs=1, tensorboard=True), run)
    assert list((run.path / "tensorboard").glob("events*"))
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ConfigError, match="pip install"):
        fit(toy.ToyJob(), TrainSettings(epochs=2, tensorboard=True), run, resume=True)


def test_says_each_validation_on_stderr(toy: Any, run: Run, capfd: pytest.CaptureFixture[str]) -> None:
    fit(toy.ToyJob(), TrainSettings(epochs=3), run)
    out, err = capfd.readouterr()
    assert out == "" and err.count("exact_match=") == 3 and "step 6, epochs 1: loss=" in err


def test_works_outside_the_main_thread(toy: Any, run: Run) -> None:
    summaries: list[Any] = []
    thread = threading.Thread(target=lambda: summaries.append(fit(toy.ToyJob(), TrainSettings(epochs=1), run)))
    thread.start()
    thread.join()
    assert summaries[0].steps == 6


def test_second_signal_stops_at_once() -> None:
    if threading.current_thread() is not threading.main_thread():
        pytest.skip("signals reach the main thread only")
    former = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts:
        signal.raise_signal(signal.SIGINT)
        assert interrupts.requested
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is former


def test_two_processes_equal_one(toy: Any, start_toy: Any, lines: Any, run: Run, tmp_path: Path) -> None:
    """Two processes, told of each other as torchrun does it, and five batches an epoch (so that a step has one batch
    only) = one process with joined batches."""
    settings = {"epochs": 4, "lr": 0.05, "log_every": 1}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        group = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "WORLD_SIZE": "2"}
    ranks = [group | {"RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": "2"} for rank in "01"]
    processes = [start_toy(tmp_path / "two", settings, "--dropout", "0", "--batches", "5", env=env) for env in ranks]
    job = toy.ToyJob(dropout=0.0, batches=5)
    job.count = lambda epoch: 3
    single = job.batches
    job.batches = lambda epoch, start: (torch.cat(list(single(epoch, 0))[i : i + 2]) for i in range(2 * start, 5, 2))
    fit(job, TrainSettings(**settings), run)
    told = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], told
    two = Run.open(tmp_path / "two")
    assert len(lines(two)) == len(lines(run)) == 16
    for one, other in zip(lines(run), lines(two), strict=True):
        assert (one.pop("kind"), one.pop("epoch") // 1) == (other.pop("kind"), other.pop("epoch") // 1)
        assert one == pytest.approx(other, rel=1e-4, abs=1e-6)
    bests = [json.loads(out) for out, _ in told]
    assert len(bests) == 2 and bests[0] == bests[1]
