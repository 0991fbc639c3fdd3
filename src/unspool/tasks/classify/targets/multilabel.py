"""Any number of several classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from unspool.errors import DataError
from unspool.tasks.classify.metrics import multilabel_f1
from unspool.tasks.classify.targets.base import Places, Target, class_numbers, log, sorted_labels

SEPARATOR = "|"


class Multilabel(Target):
    """P(class k applies) = σ(z_k), each on its own; the loss is the sum of their binary cross-entropies.

    A label is a text such as `sport|politics`; an empty one has no class. An answer has the classes with a
    probability of at least 1/2.

    Example:
        >>> target = Multilabel.learn(["a|b", "", "c"], str)
        >>> target.encode(["c|a"], str), target.label([0.9, 0.1, 0.5])
        (tensor([[1., 0., 1.]]), 'a|c')
    """

    kind: ClassVar[str] = "multilabel"

    def __init__(self, classes: Sequence[str]) -> None:
        self.classes = tuple(classes)
        self.size = len(self.classes)
        self._numbers = {name: i for i, name in enumerate(self.classes)}

    @classmethod
    def learn(cls, labels: Sequence[str], places: Places, order: Sequence[str] = ()) -> Self:
        classes = sorted_labels({name for label in labels for name in parts(label)})
        if not classes:
            raise DataError("no sequence has a label; expected classes such as sport|politics")
        return cls(classes)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        classes = content["classes"]
        if not classes or not all(isinstance(name, str) for name in classes):
            raise ValueError(f"the classes are {classes!r}")
        return cls(classes)

    def encode(self, labels: Sequence[str], places: Places) -> Tensor:
        encoded = torch.zeros(len(labels), self.size)
        for i, label in enumerate(labels):
            encoded[i, class_numbers(parts(label), self._numbers, lambda _, i=i: places(i))] = 1
        return encoded

    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """-Σ_k (w_k y_k log σ(z_k) + (1 - y_k) log σ(-z_k))."""
        return functional.binary_cross_entropy_with_logits(
            outputs, targets.to(outputs.dtype), pos_weight=weights, reduction="none"
        ).sum(1)

    def smoothed_loss(self, outputs: Tensor, targets: Tensor, share: float) -> Tensor:
        return self.losses(outputs, targets * (1 - share) + share / 2).mean()

    def predictions(self, outputs: Tensor, temperature: float = 1.0) -> Tensor:
        return torch.sigmoid(outputs.double() / temperature)

    def metrics(self, predictions: Tensor, targets: Tensor) -> dict[str, float]:
        """`micro_f1` of all decisions, `macro_f1` over classes, `subset_accuracy`: all of a sequence's are right."""
        truth, answers = targets.bool().numpy(), (predictions >= 0.5).numpy()
        micro, macro = multilabel_f1(truth, answers)
        return {"micro_f1": micro, "macro_f1": macro, "subset_accuracy": float((truth == answers).all(1).mean())}

    def log_loss(self, predictions: Tensor, targets: Tensor) -> float:
        """Summed over the classes."""
        return -float(log(torch.where(targets.bool(), predictions, 1 - predictions)).sum(1).mean())

    def decisions(self, predictions: Tensor, targets: Tensor) -> tuple[np.ndarray, np.ndarray]:
        answers = predictions >= 0.5
        confidence = torch.where(answers, predictions, 1 - predictions)
        return confidence.flatten().numpy(), (answers == targets.bool()).flatten().numpy()

    def label(self, prediction: Sequence[float]) -> str:
        return SEPARATOR.join(name for name, p in zip(self.classes, prediction, strict=True) if p >= 0.5)

    def score(self, outputs: Tensor) -> Tensor:
        return outputs.max(1).values

    def balanced(self, targets: Tensor) -> Tensor:
        """Sequences without the class for each one with it; 1 for a class that none has."""
        there = targets.sum(0)
        return torch.where(there > 0, (len(targets) - there) / there.clamp(min=1), 1.0)


def parts(label: str) -> list[str]:
    """The classes that a label names.

    >>> parts("sport| politics|"), parts("")
    (['sport', 'politics'], [])
    """
    return [name.strip() for name in label.split(SEPARATOR) if name.strip()]
