"""fp32, or autocast to bf16 or fp16 where the device has it; fp16 with a loss scaler.

Loss curves of the three, measured on a CPU, are in benchmarks/results. CPUs without fp16 arithmetic convert, slowly.

Autocast and scaler are PyTorch's own, since accelerate fixes its precision once per process and two trainings in
one process may differ.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch

from unspool.errors import ConfigError

LEAST_SCALE = 1.0
"""Loss scale below which skipping is given up: from the first, 65,536, that takes 17 skipped steps in a row."""


class Precision:
    """How the forward pass computes on `device`. Weights and optimizer state stay in their own dtype.

    Raises `ConfigError` listing what the device offers if it cannot do `name`.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        offered = offered_on(device)
        if name not in offered:
            raise ConfigError(f"precision={name!r} is not offered on {device}; choose {' or '.join(offered)}")
        self.name = name
        self.device = device
        self.scaler = torch.amp.GradScaler(device.type) if name == "fp16" else None

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which to run the model."""
        if self.name == "fp32":
            return contextlib.nullcontext()
        dtype = torch.bfloat16 if self.name == "bf16" else torch.float16
        return torch.autocast(self.device.type, dtype=dtype)

    def backward(self, loss: torch.Tensor) -> None:
        """Backpropagate, scaled under fp16."""
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def unscale(self, optimizer: torch.optim.Optimizer) -> None:
        """Bring the gradients to their true size, before they are clipped."""
        if self.scaler is not None:
            self.scaler.unscale_(optimizer)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """Take the optimizer's step; under fp16 it is skipped, and the scale lowered, if a gradient overflowed."""
        if self.scaler is None:
            optimizer.step()
        else:
            self.scaler.step(optimizer)
            self.scaler.update()

    @property
    def skips(self) -> bool:
        """Whether a gradient that is not finite is skipped, since a lower scale may make the next one finite."""
        return self.scaler is not None and self.scaler.get_scale() >= LEAST_SCALE

    def state_dict(self) -> dict[str, Any]:
        """The scaler's numbers, for a checkpoint."""
        return {} if self.scaler is None else self.scaler.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` gave."""
        if self.scaler is not None and state:
            self.scaler.load_state_dict(dict(state))


def offered_on(device: torch.device) -> tuple[str, ...]:
    """The precisions that `device` can train in."""
    if device.type == "cpu":
        return ("fp32", "bf16", "fp16")
    if device.type == "cuda":
        return ("fp32", "bf16", "fp16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp32", "fp16")
    return ("fp32",)
