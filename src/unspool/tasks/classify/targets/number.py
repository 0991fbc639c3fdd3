"""A real number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar, NoReturn, Self

import numpy as np
import torch
from torch import Tensor

from unspool.errors import ConfigError, DataError
from unspool.tasks.classify.targets.base import Places, Target, number


class Number(Target):
    """y = mean + deviation · z, those of the training labels; the loss is the squared error of z.

    Example:
        >>> target = Number.learn(["1.5", "3.5"], str)
        >>> target.encode(["3.5"], str), target.predictions(torch.tensor([[-1.0]]))
        (tensor([1.]), tensor([[1.5000]], dtype=torch.float64))
    """

    kind: ClassVar[str] = "number"
    has_probabilities: ClassVar[bool] = False
    size = 1

    def __init__(self, mean: float, deviation: float) -> None:
        self.classes = ()
        self.mean, self.deviation = mean, deviation

    @classmethod
    def learn(cls, labels: Sequence[str], places: Places, order: Sequence[str] = ()) -> Self:
        values = _values(labels, places)
        if values.min() == values.max():
            raise DataError(f"every label is the number {labels[0]}; expected numbers that differ")
        with np.errstate(over="ignore"):
            mean, deviation = float(values.mean()), float(values.std())
        if not math.isfinite(deviation):
            i = int(np.abs(values).argmax())
            raise DataError(
                f"{places(i)}: the label {labels[i]!r} is too large for a mean and a deviation of the labels; expected "
                "numbers whose squares can be added up: correct it, or write labels in a larger unit"
            )
        return cls(mean, deviation)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        mean, deviation = float(content["mean"]), float(content["deviation"])
        if not (math.isfinite(mean) and math.isfinite(deviation) and deviation > 0):
            raise ValueError(f"mean {mean}, deviation {deviation}")
        return cls(mean, deviation)

    def to_json(self) -> dict[str, Any]:
        return {"target": self.kind, "mean": self.mean, "deviation": self.deviation}

    def encode(self, labels: Sequence[str], places: Places) -> Tensor:
        with np.errstate(over="ignore"):
            scaled = ((_values(labels, places) - self.mean) / self.deviation).astype(np.float32)
        if not np.isfinite(scaled).all():
            i = int((~np.isfinite(scaled)).argmax())
            raise DataError(
                f"{places(i)}: the label {labels[i]!r} is too far from those of the training data (mean {self.mean:g}, "
                f"deviation {self.deviation:g}) for float32; correct it or leave the row out"
            )
        return torch.from_numpy(scaled)

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        return (outputs.squeeze(1) - targets) ** 2

    def smoothed_loss(self, outputs: Tensor, targets: Tensor, share: float) -> NoReturn:
        raise ConfigError("a number has no probability to calibrate")

    def predictions(self, outputs: Tensor, temperature: float = 1.0) -> Tensor:
        return self.mean + self.deviation * outputs.double()

    def metrics(self, predictions: Tensor, targets: Tensor) -> dict[str, float]:
        """`mae` and `rmse` in the labels' unit; `r2` = 1 - Σ (y - ŷ)² / Σ (y - ȳ)², NaN where all labels are equal."""
        truth = self.mean + self.deviation * targets.double()
        errors = predictions.squeeze(1) - truth
        spread = float(((truth - truth.mean()) ** 2).sum())
        r2 = 1 - float((errors**2).sum()) / spread if spread > 0 else math.nan
        return {"mae": float(errors.abs().mean()), "rmse": float((errors**2).mean().sqrt()), "r2": r2}

    def log_loss(self, predictions: Tensor, targets: Tensor) -> NoReturn:
        raise ConfigError("a number has no probability")

    def decisions(self, predictions: Tensor, targets: Tensor) -> NoReturn:
        raise ConfigError("a number is neither right nor wrong; there is no reliability to show")

    def label(self, prediction: Sequence[float]) -> str:
        return f"{prediction[0]:.6g}"

    def score(self, outputs: Tensor) -> Tensor:
        return outputs.squeeze(1)


def _values(labels: Sequence[str], places: Places) -> np.ndarray:
    values = [number(label) for label in labels]
    bad = next((i for i, value in enumerate(values) if value is None), None)
    if bad is not None:
        raise DataError(f"{places(bad)}: the label {labels[bad]!r} is no finite number, but target is 'number'")
    return np.asarray(values, dtype=np.float64)
