"""Everything that learns, and that a checkpoint must therefore hold: model, optimizer, schedule, scaler, averages."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unspool.errors import RunError
from unspool.train.average import MovingAverage
from unspool.train.job import Job
from unspool.train.optimizer import Schedule, load_optimizer, make_optimizer, optimizer_tensors, trainable
from unspool.train.placement import Placement
from unspool.train.precision import Precision
from unspool.train.settings import TrainSettings
from unspool.train.weights import load_weights, weights_of


class Learner:
    """`model` on the device of `place`, and how one step changes it."""

    def __init__(self, model: torch.nn.Module, settings: TrainSettings, place: Placement, total: int | None) -> None:
        self.settings, self.place = settings, place
        self.precision = Precision(settings.precision, place.device)
        self.model = model.to(place.device)
        self.parameters = list(trainable(model).values())
        self.optimizer = make_optimizer(settings, model)
        self.schedule = Schedule(settings, total)
        place.same_weights(model)
        self.ema = MovingAverage(model, settings.ema) if settings.ema is not None else None

    def forward(self, job: Job, batch: Any | None) -> tuple[Tensor | None, int]:
        """The batch's summed loss and its tokens; `(None, 0)` without a batch."""
        if batch is None:
            return None, 0
        with self.precision.autocast():
            return job.loss(self.model, batch.to(self.place.device))

    def update(self, step: int, loss: Tensor | None, tokens: int) -> Tensor:
        """Step `step` (from 1) down the gradient of the loss summed over all processes, divided by their `tokens`.

        Returns the norm of that gradient before clipping.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = self.schedule.rate(step)
        if loss is not None:
            self.precision.backward(loss / max(tokens, 1))
        self.place.sum_gradients(self.parameters)
        self.precision.unscale(self.optimizer)
        norm = self._clip()
        self.precision.step(self.optimizer)
        self.optimizer.zero_grad(set_to_none=True)
        if self.ema is not None:
            self.ema.update(step)
        return norm

    def _clip(self) -> Tensor:
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        norm = bounded = torch.nn.utils.get_total_norm(gradients)
        if self.settings.clip_value is not None:
            torch.nn.utils.clip_grad_value_(self.parameters, self.settings.clip_value)
            bounded = torch.nn.utils.get_total_norm(gradients)
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(self.parameters, self.settings.clip_norm, bounded)
        return norm

    def published(self) -> AbstractContextManager[None]:
        """Inside, the model has the weights to validate and save: those of the moving average, if there is one."""
        return contextlib.nullcontext() if self.ema is None else self.ema.applied()

    def measure(self, job: Job) -> dict[str, float]:
        """The job's validation of the model as it is, in eval mode and without gradients."""
        self.model.eval()
        try:
            with torch.no_grad(), self.precision.autocast():
                return {name: float(value) for name, value in job.validate(self.model).items()}
        finally:
            self.model.train()

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """What a checkpoint holds as tensors, by the name of their file."""
        groups = {"model": weights_of(self.model), "optimizer": optimizer_tensors(self.optimizer, self.model)}
        return groups if self.ema is None else groups | {"ema": self.ema.average}

    def numbers(self) -> dict[str, Any]:
        """What a checkpoint holds as JSON."""
        return {
            "optimizer": self.settings.optimizer,
            "schedule": self.schedule.state_dict(),
            "precision": self.precision.state_dict(),
        }

    def restore(
        self, numbers: Mapping[str, Any], tensors: Mapping[str, Mapping[str, Tensor]], checkpoint: Path
    ) -> None:
        """Take back what `numbers` and `tensors` gave. A newly asked moving average starts from the weights."""
        if numbers["optimizer"] != self.settings.optimizer:
            raise RunError(
                f"{checkpoint} was trained with optimizer={numbers['optimizer']}, not {self.settings.optimizer}; "
                f"resume with {numbers['optimizer']}, or start a new run"
            )
        load_weights(self.model, tensors["model"], checkpoint / "model.safetensors")
        load_optimizer(self.optimizer, self.model, tensors["optimizer"], checkpoint / "optimizer.safetensors")
        if self.ema is not None:
            self.ema.load(tensors.get("ema", tensors["model"]))
        self.schedule.load_state_dict(numbers["schedule"])
        self.precision.load_state_dict(numbers["precision"])
