"""Averages of weights: the exponential moving average during training, and the mean of the best at its end."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from unspool.train.optimizer import trainable


class MovingAverage:
    """a ← d·a + (1-d)·θ after every step, with d = min(decay, (1+s)/(10+s)) so that the start is soon forgotten.

    The warm-up of d follows tf.train.ExponentialMovingAverage's `num_updates`.
    """

    def __init__(self, model: torch.nn.Module, decay: float) -> None:
        self.decay = decay
        self.parameters = trainable(model)
        self.average = {name: p.detach().clone() for name, p in self.parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after step `step` (from 1)."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
            list(self.average.values()), list(self.parameters.values()), 1 - decay
        )

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the model has the averaged weights; afterwards its own again."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for name, parameter in self.parameters.items():
            own = parameter.detach().clone()
            parameter.copy_(self.average[name])
            self.average[name].copy_(own)

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore `average` from a checkpoint."""
        for name, tensor in self.average.items():
            tensor.copy_(tensors[name])


def mean_weights(weights: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The mean of each floating-point tensor, summed in float64; other tensors are the first's."""
    first = weights[0]
    return {
        name: torch.stack([w[name].double() for w in weights]).mean(0).to(value.dtype)
        if value.is_floating_point()
        else value
        for name, value in first.items()
    }
