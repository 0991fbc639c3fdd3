"""What a task hands to the training loop: the model, its batches, its loss and its validation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor


class Job(Protocol):
    """All that the loop knows of a task. The loop moves the model and the batches to the device.

    A batch is any object with `.to(device)`. Several processes share a job: process `p` of `w` takes the batches
    `p, p + w, p + 2w, …`, so `batches` must not depend on the process.
    """

    @property
    def model(self) -> torch.nn.Module:
        """What is trained."""
        ...

    def batches(self, epoch: int, start: int) -> Iterator[Any]:
        """The batches of `epoch` (from 0) from position `start` on: a pure function of both and the job's seed."""
        ...

    def count(self, epoch: int) -> int:
        """How many batches `batches(epoch, 0)` yields."""
        ...

    def loss(self, model: torch.nn.Module, batch: Any) -> tuple[Tensor, int]:
        """The loss *summed* over the batch's tokens (a differentiable scalar), and the number of tokens.

        The loop divides by the tokens of all processes, so a token weighs the same in every batch of a step.
        """
        ...

    def validate(self, model: torch.nn.Module) -> dict[str, float]:
        """Named metrics, such as `{"loss": 1.2, "exact_match": 0.98}`. Called in eval mode, without gradients.

        The loop adds `kind`, `step`, `epoch` and `seconds` to them, so call no metric that.
        """
        ...


@runtime_checkable
class CarriesState(Protocol):
    """What a `Job` has besides if a batch begins with what the one before it left, as in truncated backpropagation
    over an endless stream. A checkpoint then holds it too; one process alone can train such a job."""

    def carried(self) -> dict[str, Tensor]:
        """What the next batch begins with, by names of the job's own."""
        ...

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `carried` gave, here on the CPU; `RunError` for what cannot be of this job."""
        ...
