"""One of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unspool.data.class_weights import balanced_weights
from unspool.tasks.classify.metrics import accuracy, macro_f1
from unspool.tasks.classify.targets.base import (
    Places,
    Target,
    check_two,
    class_numbers,
    log,
    sorted_labels,
)


class Classes(Target):
    """P(y = k) = softmax(z)_k, and the loss is -log P(y).

    Example:
        >>> target = Classes.learn(["no", "yes", "no"], str)
        >>> target.classes, target.encode(["yes"], str), target.label([0.2, 0.8])
        (('no', 'yes'), tensor([1]), 'yes')
    """

    kind: ClassVar[str] = "classes"

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.size = len(self.classes)
        self._numbers = {name: i for i, name in enumerate(self.classes)}

    @classmethod
    def learn(cls, labels: Sequence[str], places: Places, order: Sequence[str] = ()) -> Self:
        classes = sorted_labels(set(labels))
        check_two(classes, len(labels))
        return cls(classes)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        classes = content["classes"]
        if len(classes) < 2 or not all(isinstance(name, str) for name in classes):
            raise ValueError(f"the classes are {classes!r}")
        return cls(classes)

    def encode(self, labels: Sequence[str], places: Places) -> Tensor:
        return torch.tensor(class_numbers(labels, self._numbers, places), dtype=torch.int64)

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """log P(y = k), `[B, K]`."""
        return torch.log_softmax(outputs, 1)

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """-w_y log P(y)."""
        losses = -self.log_probabilities(outputs).gather(1, targets.unsqueeze(1)).squeeze(1)
        return losses if weights is None else losses * weights[targets]

    def smoothed_loss(self, outputs: Tensor, targets: Tensor, share: float) -> Tensor:
        return functional.cross_entropy(self.log_probabilities(outputs), targets, label_smoothing=share)

    def predictions(self, outputs: Tensor, temperature: float = 1.0) -> Tensor:
        return self.log_probabilities(outputs.double() / temperature).exp()

    def metrics(self, predictions: Tensor, targets: Tensor) -> dict[str, float]:
        """`accuracy`, and `macro_f1`: the mean F1 of the classes that occur or were answered."""
        truth, answers = targets.numpy(), predictions.argmax(1).numpy()
        return {"accuracy": accuracy(truth, answers), "macro_f1": macro_f1(truth, answers)}

    def log_loss(self, predictions: Tensor, targets: Tensor) -> float:
        return -float(log(predictions).gather(1, targets.unsqueeze(1)).mean())

    def decisions(self, predictions: Tensor, targets: Tensor) -> tuple[np.ndarray, np.ndarray]:
        confidence, answers = predictions.max(1)
        return confidence.numpy(), (answers == targets).numpy()

    def label(self, prediction: Sequence[float]) -> str:
        return self.classes[int(np.argmax(prediction))]

    def score(self, outputs: Tensor) -> Tensor:
        return outputs.max(1).values

    def balanced(self, targets: Tensor) -> Tensor:
        return balanced_weights(torch.bincount(targets, minlength=len(self.classes)))
