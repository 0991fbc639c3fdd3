"""The optimizer, its learning-rate schedule, and their states as named tensors and numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from unspool.errors import ConfigError, RunError
from unspool.train.settings import TrainSettings


def trainable(model: torch.nn.Module) -> dict[str, torch.nn.Parameter]:
    """The parameters that are trained, by name, tied ones once."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def make_optimizer(settings: TrainSettings, model: torch.nn.Module) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD over the trainable parameters, fused where PyTorch has a kernel for the device."""
    parameters = list(trainable(model).values())
    if not parameters:
        raise ConfigError("the model has no trainable parameter; set requires_grad on those to train")
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
    common: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay, "fused": fused}
    if settings.optimizer == "sgd":
        return torch.optim.SGD(parameters, momentum=settings.momentum, **common)
    kind = torch.optim.AdamW if settings.optimizer == "adamw" else torch.optim.Adam
    return kind(parameters, betas=settings.betas, **common)


def optimizer_tensors(optimizer: torch.optim.Optimizer, model: torch.nn.Module) -> dict[str, Tensor]:
    """The optimizer's state as `parameter name/state name` → tensor."""
    return {
        f"{name}/{key}": value
        for name, parameter in trainable(model).items()
        for key, value in optimizer.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def load_optimizer(
    optimizer: torch.optim.Optimizer, model: torch.nn.Module, tensors: Mapping[str, Tensor], path: Path
) -> None:
    """Restore what `optimizer_tensors` gave. Rates and decays stay those of the present settings."""
    names = list(trainable(model))
    state: dict[int, dict[str, Tensor]] = {}
    for full, value in tensors.items():
        name, _, key = full.rpartition("/")
        if name not in names:
            raise RunError(f"{path} holds state for the unknown parameter {name!r}; the checkpoint is of another model")
        state.setdefault(names.index(name), {})[key] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


class Schedule:
    """The learning rate of each step, counted from 1.

    With warm-up length w, total steps n and base rate r, for step s:
    s ≤ w: r·s/w; then constant: r; linear: r·(n-s)/(n-w); cosine: r·(1+cos(π(s-w)/(n-w)))/2 (both at s-1, so that
    the last step still moves); inverse-sqrt: r·√(max(w,1)/s); plateau: r·factor^(times it was stuck).
    """

    def __init__(self, settings: TrainSettings, total: int | None) -> None:
        self.settings = settings
        self.total = total
        self.reductions = 0
        self.stale = 0

    def rate(self, step: int) -> float:
        """The learning rate with which step `step` (from 1) is taken."""
        warmup, base = self.settings.warmup, self.settings.lr
        if step <= warmup:
            return base * step / warmup
        return base * self._shape(step, warmup)

    def _shape(self, step: int, warmup: int) -> float:
        kind = self.settings.schedule
        if kind == "inverse-sqrt":
            return math.sqrt(max(warmup, 1) / step)
        if kind == "plateau":
            return self.settings.plateau_factor**self.reductions
        if kind == "constant" or self.total is None:
            return 1.0
        done = min(1.0, (step - 1 - warmup) / max(1, self.total - warmup))
        return 1 - done if kind == "linear" else (1 + math.cos(math.pi * done)) / 2

    def validated(self, improved: bool) -> None:
        """Tell the schedule whether the latest validation was a new best: plateau acts on it."""
        self.stale = 0 if improved else self.stale + 1
        if self.stale >= self.settings.plateau_patience:
            self.stale = 0
            self.reductions += 1

    def state_dict(self) -> dict[str, int]:
        """What a checkpoint needs to restore the schedule."""
        return {"reductions": self.reductions, "stale": self.stale}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Restore what `state_dict` gave."""
        self.reductions, self.stale = state["reductions"], state["stale"]
