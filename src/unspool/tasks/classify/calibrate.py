"""Temperature scaling: probabilities that say how often they are right."""

from __future__ import annotations

import math
import warnings

from torch import Tensor

from unspool.data.wording import counted
from unspool.tasks.classify.metrics import reliability
from unspool.tasks.classify.targets import Target
from unspool.train.least import least

LEAST = 50
"""Sequences of the validation data below which the temperature stays 1: one fitted to fewer says more of them than of
the network. docs/decisions/0019 has the measurements."""
RANGE = (0.05, 20.0)


def calibration(target: Target, outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """What a run says of its calibration on validation data.

    Returns:
        `temperature`, and the number of sequences that it was fitted to, `temperature_fitted_to`; where there are fewer
        than `LEAST`, 1 and 0, and a warning. The expected calibration error with it, `ece`, and without,
        `ece_uncalibrated`.
    """
    enough = len(targets) >= LEAST
    temperature = fit_temperature(target, outputs, targets) if enough else 1.0
    if not enough:
        warnings.warn(
            f"with {counted(len(targets), 'sequence')} to validate on, probabilities stay as the network gives them "
            f"(temperature 1); to calibrate them takes at least {LEAST}: give more with --valid or --valid-share",
            stacklevel=2,
        )
    elif temperature in RANGE:
        warnings.warn(
            f"the temperature is {temperature:g}, an end of the range that is searched ({RANGE[0]:g} to {RANGE[1]:g}): "
            "how sure the network is says little of how often it is right; train it longer, or on more data",
            stacklevel=2,
        )
    return {
        "temperature": temperature,
        "temperature_fitted_to": len(targets) if enough else 0,
        "ece": calibration_error(target, outputs, targets, temperature),
        "ece_uncalibrated": calibration_error(target, outputs, targets),
    }


def fit_temperature(target: Target, outputs: Tensor, targets: Tensor) -> float:
    """The temperature T that minimises the log-loss of `outputs` `[N, O]` / T on validation data.

    One number for all outputs, so no answer changes (Guo et al. 2017, https://arxiv.org/abs/1706.04599, section 4.2).
    The share 1 / (N + 2) of each target is spread over all answers, as in Platt 1999: where every answer is right, T
    would else become 0, and every probability 1. The loss is convex in 1 / T, so golden-section search finds it, in
    `RANGE`.

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

    return least(loss, RANGE)


def calibration_error(target: Target, outputs: Tensor, targets: Tensor, temperature: float = 1.0) -> float:
    """The expected calibration error (see `metrics.Reliability`) of outputs at a temperature."""
    return reliability(*target.decisions(target.predictions(outputs, temperature), targets)).error
