"""Temperature scaling: probabilities that say how often they are right."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor

from unspool.tasks.classify.metrics import reliability
from unspool.tasks.classify.targets import Target

RANGE = (0.05, 20.0)
GOLDEN = (math.sqrt(5) - 1) / 2


def fit_temperature(target: Target, outputs: Tensor, targets: Tensor) -> float:
    """The temperature T that minimises the log-loss of `outputs` `[N, O]` / T on validation data.

    One number for all outputs, so no answer changes (Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2).
    The share 1 / (N + 2) of each target is spread over all answers, as in Platt 1999: where every answer is right, T
    would else become 0, and every probability 1. The loss is convex in 1 / T, so golden-section search finds it.

    Example:
        >>> import torch
        >>> from unspool.tasks.classify.targets import Classes
        >>> outputs = torch.tensor([[4.0, 0.0]] * 10)          # sure of 98%, but right in 7 of 10 cases
        >>> t = fit_temperature(Classes(["a", "b"]), outputs, torch.tensor([0] * 7 + [1] * 3))
        >>> 4 < t < 6
        True
    """
    outputs, share = outputs.double(), 1 / (len(targets) + 2)

    def loss(log: float) -> float:
        return float(target.smoothed_loss(outputs / math.exp(log), targets, share))

    return math.exp(_least(loss, math.log(RANGE[0]), math.log(RANGE[1])))


def calibration_error(target: Target, outputs: Tensor, targets: Tensor, temperature: float = 1.0) -> float:
    """The expected calibration error (see `metrics.Reliability`) of outputs at a temperature."""
    return reliability(*target.decisions(target.predictions(outputs, temperature), targets)).error


def _least(function: Callable[[float], float], low: float, high: float, tolerance: float = 1e-4) -> float:
    """Where a function with one minimum has it, by golden-section search."""
    one, other = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_one, at_other = function(one), function(other)
    while high - low > tolerance:
        if at_one <= at_other:
            high, other, at_other = other, one, at_one
            one = high - GOLDEN * (high - low)
            at_one = function(one)
        else:
            low, one, at_one = one, other, at_other
            other = low + GOLDEN * (high - low)
            at_other = function(other)
    return (low + high) / 2
