"""The training loop: step, look, validate, save; the same bits whether or not it was ever stopped."""

from __future__ import annotations

import contextlib
import math
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from unspool.errors import ConfigError, RunError, TrainingError
from unspool.train import random_state
from unspool.train.average import mean_weights
from unspool.train.checkpoint import best_path, latest_checkpoint, prune, read_checkpoint, write_checkpoint
from unspool.train.files import understood, write_bytes
from unspool.train.interrupt import Interrupted, Interrupts
from unspool.train.job import CarriesState, Job
from unspool.train.kept import kept_said
from unspool.train.learner import Learner
from unspool.train.meter import Meter
from unspool.train.metrics import MetricsLog
from unspool.train.placement import Placement, check_alone, is_main
from unspool.train.progress import Progress
from unspool.train.resume import note_changes
from unspool.train.run import Run
from unspool.train.settings import TrainSettings
from unspool.train.state import TrainState, Window
from unspool.train.until import pick
from unspool.train.weights import are_whole, load_weights, read_tensors, to_bytes, weights_of

RESERVED = {"kind", "step", "epoch", "seconds"}
"""What a line of metrics.jsonl says besides the job's own metrics."""


@dataclass(frozen=True)
class Summary:
    """How a training ended: `best` are the metrics of the weights in model.safetensors, measured at `best_step`."""

    steps: int
    epochs: int
    seconds: float
    best: dict[str, float]
    best_step: int
    reason: str


def fit(job: Job, settings: TrainSettings, run: Run, *, resume: bool = False, stop: int | None = None) -> Summary:
    """Train `job.model` and keep everything in `run`; on return the model has the weights of `run.weights_path`.

    With `resume` it goes on from the latest checkpoint (from the start if there is none yet). `stop` is a step to end
    after, though the rate falls as if the settings' end were the end. Raises `Interrupted`
    after Ctrl-C or SIGTERM, `TrainingError` for a loss that is not finite, `RunError` for a run that is in use,
    damaged or cannot be written, and `ConfigError` for settings that the device or the job cannot satisfy. Whatever
    it raises, the latest checkpoint and model.safetensors stay whole.
    """
    with kept_said(run), run.locked() if is_main() else contextlib.nullcontext(), Interrupts() as interrupts:
        place = Placement()
        training = Training(job, settings, run, place, interrupts, stop)
        training.begin(resume)
        try:
            return training.go()
        finally:
            training.close()


class Training:
    """One call of `fit`, in phases: `begin`; `go`, which alternates `_step` and `_after_step`; `_finish`."""

    def __init__(
        self,
        job: Job,
        settings: TrainSettings,
        run: Run,
        place: Placement,
        interrupts: Interrupts,
        stop: int | None = None,
    ) -> None:
        self.job, self.settings, self.run, self.place, self.interrupts = job, settings, run, place, interrupts
        self.stop = stop
        self.carrier = carrier(job, place.world)
        self.total = total_steps(job, settings, place.world)
        self.learner = Learner(job.model, settings, place, self.total)
        self.meter = Meter(self.learner.precision)
        self.state = TrainState()
        self.saved_step = -1
        self.folder = run.checkpoints_path
        self.log: MetricsLog | None = None

    # Phase 1: stand where the run stands.

    def begin(self, resume: bool) -> None:
        """Restore the latest checkpoint, or start from the job's model and the seed."""
        checkpoint = latest_checkpoint(self.folder)
        if checkpoint is not None and not resume:
            raise RunError(f"{self.run.path} already holds a training; go on with --resume or replace it with --force")
        random_state.seed_everything(self.settings.seed + self.place.rank)
        if checkpoint is not None:
            self._restore(checkpoint)
        if self.place.main:
            if resume and checkpoint is None:
                warnings.warn(f"{self.folder} holds no checkpoint: the training starts anew", stacklevel=3)
            self._mend_weights()
            note_changes(self.run, self.settings, self.state.step)
            self.log = MetricsLog(self.run, after=self.state.step, tensorboard=self.settings.tensorboard)
        self.learner.model.train()
        self.saved_at = self.logged_at = time.monotonic()
        self.started = self.saved_at - self.state.seconds
        self.logged_tokens = 0
        self.progress = Progress(self.settings, self.state, self.stop or self.total, enabled=self.place.main)

    def _restore(self, checkpoint: Path) -> None:
        saved, tensors = read_checkpoint(checkpoint)
        with understood(checkpoint / "state.json"):
            self.state = TrainState.from_json(saved["training"])
            self._check_monitored(saved.get("monitored"))
            self.learner.restore(saved, tensors, checkpoint)
            if self.carrier is not None and "carried" in tensors:
                self.carrier.restore(tensors["carried"])
            self.saved_step = self.state.step
            own = f"{self.place.rank}."
            # A process that the earlier training did not have keeps the seed that it was given.
            mine = {name.removeprefix(own): t for name, t in tensors["random"].items() if name.startswith(own)}
            if mine:
                random_state.restore(mine, self.place.device)

    def _mend_weights(self) -> None:
        """Where model.safetensors was lost or damaged, write it anew: from the best weights that are kept, or those of
        the checkpoint if they are the best."""
        path, model = self.run.weights_path, self.learner.model
        if not self.state.best or are_whole(path, model):
            return
        if path.is_dir():
            raise RunError(f"{path} is a folder, where the weights should be; remove it and call with --resume again")
        best = self.state.best[0].step
        kept = best_path(self.folder, best)
        if are_whole(kept, model):
            write_bytes(path, kept.read_bytes())
        elif best == self.state.step:
            with self.learner.published():
                self.run.save_model(model)
        else:
            raise RunError(
                f"neither {path} nor {kept} holds the best weights of the training whole; restore one of them from a "
                "copy, or start again with --force"
            )
        warnings.warn(f"{path} was missing or damaged, and is written anew: the weights of step {best}", stacklevel=2)

    def _check_monitored(self, former: list[str] | None) -> None:
        """The kept weights were chosen by one metric; by another one, others might have been kept."""
        now = [self.settings.monitored, self.settings.direction]
        if self.state.best and former is not None and former != now:
            raise RunError(
                f"{self.run.path} keeps the weights with the best {former[0]} ({former[1]}), so it cannot be resumed "
                f"to choose by {now[0]} ({now[1]}); set monitor to {former[0]!r} and mode to {former[1]!r}, or start "
                "a new run"
            )

    # Phase 2: steps.

    def go(self) -> Summary:
        """Steps until there is a reason to end."""
        reason = self._end_reason()
        if reason is None:
            for batch, epoch_ended in self._batches():
                checkpoint_due, interrupted = self._step(batch)
                reason = self._after_step(epoch_ended, checkpoint_due, interrupted)
                if reason is not None:
                    break
        return self._finish(reason or "")

    def _end_reason(self) -> str | None:
        """Why the training ends here, or None."""
        if self.stop is not None and self.state.step >= self.stop:
            return f"step {self.stop}"
        return self.state.end_reason(self.settings)

    def _batches(self) -> Iterator[tuple[Any | None, bool]]:
        """This process's batch of each step (None if an epoch's last step has none left for it), and whether the
        epoch ends with it. The state's position is already past the batch when it is yielded."""
        state, place = self.state, self.place
        while True:
            count = self._count(state.epoch)
            mine = islice(self.job.batches(state.epoch, state.batch), place.rank, None, place.world)
            ended = False
            while not ended:
                batch = next(mine, None)
                if batch is None and state.batch + place.rank < count:
                    raise TrainingError(
                        f"epoch {state.epoch} ended at batch {state.batch} of {count}; a job's count(epoch) must be "
                        "the number of batches that batches(epoch, 0) yields"
                    )
                state.batch += place.world
                ended = state.batch >= count
                if ended:
                    state.epoch, state.batch = state.epoch + 1, 0
                yield batch, ended

    def _count(self, epoch: int) -> int:
        count = self.job.count(epoch)
        if count < 1:
            raise TrainingError(f"epoch {epoch} has no batch; training needs at least one example")
        return count

    def _step(self, batch: Any | None) -> tuple[bool, bool]:
        """Forward, backward, update. Returns whether a checkpoint is due and whether a signal asks to stop."""
        state = self.state
        state.step += 1
        loss, own_tokens = self.learner.forward(self.job, batch)
        shown, tokens, checkpoint_due, interrupted = self._agree(loss, own_tokens)
        norm = self.learner.update(state.step, loss, tokens)
        self.meter.add(state.step, shown, tokens, norm)
        self.logged_tokens += tokens
        self.progress.step(state, tokens, self.meter.loss)
        return checkpoint_due, interrupted

    def _agree(self, loss: Tensor | None, tokens: int) -> tuple[Tensor | float, int, bool, bool]:
        """Loss and tokens of all processes, and what they do next: the main process's clock counts, any signal."""
        now = time.monotonic()
        seconds, due = now - self.started, now - self.saved_at >= 60 * self.settings.checkpoint_minutes
        if self.place.world == 1 and loss is not None:
            self.state.seconds = seconds
            return loss.detach(), tokens, due, self.interrupts.requested
        clock = [seconds, float(due)] if self.place.main else [0.0, 0.0]
        own = 0.0 if loss is None else float(loss.detach())
        total, count, seconds, any_due, stop = self.place.sum([own, tokens, *clock, float(self.interrupts.requested)])
        self.state.seconds = seconds
        return total, round(count), any_due > 0, stop > 0

    # Phase 3: after a step: write, validate, save, and perhaps end.

    def _after_step(self, epoch_ended: bool, checkpoint_due: bool, interrupted: bool) -> str | None:
        state, every = self.state, self.settings.validate_every
        reason = self._end_reason()
        validate = reason is not None or (epoch_ended if every == 0 else state.step % every == 0)
        line = validate or state.step % self.settings.log_every == 0
        if line or checkpoint_due or interrupted or self.place.device.type == "cpu":
            self.meter.read(state.window, self._kept())
        if line:
            self._write_line()
        if validate:
            self._validate()
            reason = self._end_reason()
        if validate or checkpoint_due or interrupted:
            self._save()
        if interrupted and reason is None:
            raise Interrupted(self.run.path, state.step)
        return reason

    def _write_line(self) -> None:
        window, now = self.state.window, time.monotonic()
        if self.log is not None:
            line = {
                "epoch": self._epochs(),
                "loss": window.loss / max(window.tokens, 1),
                "lr": self.learner.optimizer.param_groups[0]["lr"],
                "grad_norm": window.norm / window.norms if window.norms else None,
                "tokens_per_second": round(self.logged_tokens / max(now - self.logged_at, 1e-9), 1),
                "seconds": self._seconds(),
            }
            self.log.write("train", self.state.step, line)
        self.logged_at, self.logged_tokens = now, 0
        self.state.window = Window()

    def _validate(self) -> None:
        """Measure, and keep the weights if they are among the best; the best ones become model.safetensors."""
        state, started = self.state, time.monotonic()
        metrics = None
        if self.place.main:
            with self.learner.published():
                metrics = self.learner.measure(self.job)
        state.metrics = self.place.from_main(metrics)
        if taken := RESERVED & state.metrics.keys():
            names = ", ".join(sorted(taken))
            raise ConfigError(f"the job's metrics are called {names}, as columns of metrics.jsonl are; rename them")
        if self.log is not None:
            line = {**state.metrics, "epoch": self._epochs(), "seconds": self._seconds()}
            self.log.write("validation", state.step, line)
        self._check_names()
        new_best = state.rank(self.settings, state.metrics[self.settings.monitored])
        self.learner.schedule.validated(new_best)
        if self.place.main and any(best.step == state.step for best in state.best):
            self._keep_weights(new_best)
        took = time.monotonic() - started
        self.progress.validated(state, state.metrics, took, new_best)
        # Time spent validating is not time in which tokens were trained on.
        self.logged_at += took

    def _check_names(self) -> None:
        """A misspelt metric name is known only now: save the steps so far, then say so."""
        metrics = self.state.metrics
        try:
            if self.settings.goal is not None:
                pick(metrics, self.settings.goal.metric, "until")
            pick(metrics, self.settings.monitored, "monitor")
        except ConfigError as error:
            self._save()
            raise ConfigError(f"{error} and go on with --resume: the steps so far are kept") from None

    def _keep_weights(self, new_best: bool) -> None:
        with self.learner.published():
            data = to_bytes(weights_of(self.learner.model))
        self.folder.mkdir(exist_ok=True)
        write_bytes(best_path(self.folder, self.state.step), data)
        if new_best:
            write_bytes(self.run.weights_path, data)

    def _save(self) -> None:
        """Write a checkpoint of this step, then delete what it makes superfluous."""
        state = self.state
        random = self.place.gather(random_state.capture(self.place.device))
        if self.log is not None:
            self.log.sync()
            state.seconds = self._seconds()
            numbers = self.learner.numbers() | {
                "monitored": [self.settings.monitored, self.settings.direction],
                "training": state.to_json(),
            }
            tensors = self.learner.tensors() | {"random": random}
            if self.carrier is not None:
                tensors["carried"] = self.carrier.carried()
            last = write_checkpoint(self.folder, state.step, tensors, numbers)
            prune(self.folder, last, [best.step for best in state.best])
        self.place.wait()
        self.saved_step, self.saved_at = state.step, time.monotonic()

    # Phase 4: the end.

    def _finish(self, reason: str) -> Summary:
        """Average the best weights if asked, and leave the model with the run's weights."""
        state = self.state
        self.progress.end(state)
        metrics = state.best[0].metrics if state.best else state.metrics
        step = state.best[0].step if state.best else state.step
        if self.place.main and not state.best:
            self.run.save_model(self.learner.model)
        if self.place.main and self.settings.average and len(state.best) > 1:
            metrics = self._average_best() or metrics
        metrics = self.place.from_main(metrics)
        self.run.load_model(self.learner.model)
        return Summary(state.step, state.epoch, self._seconds(), metrics, step, reason)

    def _average_best(self) -> dict[str, float] | None:
        """Write the mean of the best weights to model.safetensors if it is at least as good as the best of them, and
        has also reached `until` if that one has; then return its metrics."""
        paths = [best_path(self.folder, best.step) for best in self.state.best]
        kept = [read_tensors(path) for path in paths]
        mean = mean_weights(kept)
        load_weights(self.learner.model, mean, paths[0])
        metrics = self.learner.measure(self.job)
        value, sign = metrics[self.settings.monitored], 1 if self.settings.direction == "min" else -1
        better = math.isfinite(value) and sign * value <= sign * self.state.best[0].value
        if self.settings.goal is not None and self.state.reached(self.settings):
            better = better and self.settings.goal.reached(metrics)
        self.run.save_weights(mean if better else kept[0])
        if self.log is not None:
            line = {**metrics, "of": len(kept), "kept": better, "seconds": self._seconds()}
            self.log.write("average", self.state.step, line)
        return metrics if better else None

    def close(self) -> None:
        """Leave the terminal and TensorBoard's file in order."""
        self.progress.close()
        if self.log is not None:
            self.log.close()

    def _seconds(self) -> float:
        return round(time.monotonic() - self.started, 3)

    def _epochs(self) -> float:
        """Epochs done, with the fraction of the one in progress."""
        state = self.state
        return state.epoch + (round(state.batch / self.job.count(state.epoch), 4) if state.batch else 0)

    def _kept(self) -> str:
        if self.saved_step < 0:
            return f"No checkpoint had been written to {self.run.path} yet"
        return f"The checkpoint of step {self.saved_step} in {self.run.path} is untouched"


def carrier(job: Job, world: int) -> CarriesState | None:
    """`job`, if it carries something from batch to batch; `ConfigError` if these go to several processes."""
    if not isinstance(job, CarriesState):
        return None
    check_alone(world)
    return job


def total_steps(job: Job, settings: TrainSettings, world: int) -> int | None:
    """The number of steps that epochs and max_steps allow, taking each epoch to be as long as the first."""
    limits = [] if settings.max_steps is None else [settings.max_steps]
    if settings.epochs is not None:
        limits.append(settings.epochs * math.ceil(job.count(0) / world))
    return min(limits, default=None)
