"""`Target`: what labels mean to a model, and what a model's outputs mean as labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor, nn

from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError

Places = Callable[[int], str]


class Target(ABC):
    """K classes, or a number (K = 1), and the O outputs of a model that speak of them."""

    kind: ClassVar[str]
    has_probabilities: ClassVar[bool] = True
    classes: tuple[str, ...]
    size: int
    """O."""

    @classmethod
    @abstractmethod
    def learn(cls, labels: Sequence[str], places: Places, order: Sequence[str] = ()) -> Self:
        """The target of training `labels`; `places` says where each was written. `DataError` if they are none."""

    @classmethod
    @abstractmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """What `to_json` gave; `ValueError`, `KeyError` or `TypeError` for anything else."""

    def to_json(self) -> dict[str, Any]:
        """What a run's config says of it."""
        return {"target": self.kind, "classes": list(self.classes)}

    def head(self, features: int) -> nn.Module:
        """The layer from `features` to the outputs."""
        return nn.Linear(features, self.size)

    @abstractmethod
    def encode(self, labels: Sequence[str], places: Places) -> Tensor:
        """Labels as a tensor, N rows; `DataError` names the place of one that has no meaning here."""

    @abstractmethod
    def losses(self, outputs: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
        """The loss `[B]` of each row of `outputs` `[B, O]`, in nats where outputs are probabilities."""

    @abstractmethod
    def smoothed_loss(self, outputs: Tensor, targets: Tensor, share: float) -> Tensor:
        """The mean loss if that `share` of each target were spread over all answers."""

    @abstractmethod
    def predictions(self, outputs: Tensor, temperature: float = 1.0) -> Tensor:
        """Probabilities `[B, K]` of the classes, or numbers `[B, 1]`, float64."""

    @abstractmethod
    def metrics(self, predictions: Tensor, targets: Tensor) -> dict[str, float]:
        """How good `predictions` are."""

    @abstractmethod
    def log_loss(self, predictions: Tensor, targets: Tensor) -> float:
        """The mean of -log P(target), in nats."""

    @abstractmethod
    def decisions(self, predictions: Tensor, targets: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """The probability that each decision gives itself, and whether it is right."""

    @abstractmethod
    def label(self, prediction: Sequence[float]) -> str:
        """The answer, written as a label."""

    @abstractmethod
    def score(self, outputs: Tensor) -> Tensor:
        """What speaks for the answer `[B]`: the winning logit."""

    def balanced(self, targets: Tensor) -> Tensor:
        """Weights by which each class counts the same; see `losses`."""
        raise ConfigError(
            f"the target {self.kind!r} has no classes that could count the same; set class_weights to 'none'"
        )


def sorted_labels(labels: set[str]) -> tuple[str, ...]:
    """By value if all are numbers, else by code point.

    >>> sorted_labels({"10", "9"}), sorted_labels({"10", "9", "b"})
    (('9', '10'), ('10', '9', 'b'))
    """
    values = {label: number(label) for label in labels}
    if any(value is None for value in values.values()):
        return tuple(sorted(labels))
    return tuple(sorted(labels, key=lambda label: (values[label], label)))


def number(text: str) -> float | None:
    """The finite number that `text` is, or None."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if np.isfinite(value) else None


def class_numbers(names: Sequence[str], classes: dict[str, int], places: Places) -> list[int]:
    """The number of each name's class; `DataError` for a name that is no class."""
    unknown = next((i for i, name in enumerate(names) if name not in classes), None)
    if unknown is not None:
        raise DataError(unknown_class(names[unknown], classes, places(unknown)))
    return [classes[name] for name in names]


def unknown_class(name: str, classes: dict[str, int], place: str) -> str:
    """The message for a label that is none of the classes."""
    known = ", ".join(list(classes)[:20]) + (", …" if len(classes) > 20 else "")
    return (
        f"{place}: the label {name!r} is none of the classes ({known}); "
        "correct it, leave the row out, or train with rows that have it"
    )


def log(probabilities: Tensor) -> Tensor:
    """Logarithms, finite: those of float64's least normal number where a probability is 0."""
    return probabilities.clamp(min=torch.finfo(torch.float64).tiny).log()


def check_two(classes: Sequence[str], total: int) -> None:
    """A single class is known without a model."""
    if len(classes) < 2:
        raise DataError(
            f"the only label is {classes[0]!r} ({counted(total, 'sequence')}); expected at least two to tell apart"
            if classes
            else "there is no label; expected at least two classes to tell apart"
        )
