"""One of several classes that have an order."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from unspool.errors import ConfigError, DataError
from unspool.tasks.classify.metrics import accuracy
from unspool.tasks.classify.targets.base import Places, check_two, number, unknown_class
from unspool.tasks.classify.targets.classes import Classes

LEAST_GAP = 1e-3
"""Between two thresholds, so that no class has probability 0."""


class CumulativeLogits(nn.Module):
    """z_k = w · h - θ_k for k = 1 … K - 1, with θ_1 < θ_2 < …: one score, and how high it must be for each class.

    θ_{k+1} = θ_k + softplus(δ_k) + `LEAST_GAP`. At first every class is equally probable where w · h = 0.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.score = nn.Linear(features, 1, bias=False)
        thresholds = torch.tensor([math.log(k / (classes - k)) for k in range(1, classes)])
        self.first = nn.Parameter(thresholds[:1].clone())
        self.gaps = nn.Parameter(torch.log(torch.expm1(thresholds.diff() - LEAST_GAP)))

    def thresholds(self) -> Tensor:
        """θ, `[K - 1]`."""
        gaps = functional.softplus(self.gaps) + LEAST_GAP
        return torch.cat([self.first, self.first + gaps.cumsum(0)])

    def forward(self, features: Tensor) -> Tensor:
        """`[B, F]` to `[B, K - 1]`."""
        return self.score(features) - self.thresholds()


class Ordinal(Classes):
    """P(y > k) = σ(z_k) with the z of `CumulativeLogits`, so P(y = k) = σ(z_{k-1}) - σ(z_k).

    Source: McCullagh 1980, Regression Models for Ordinal Data, https://doi.org/10.1111/j.2517-6161.1980.tb01109.x.

    Example:
        >>> Ordinal.learn(["10", "9.5", "10"], str).classes
        ('9.5', '10')
        >>> Ordinal.learn(["good", "bad"], str, order=["bad", "fair", "good"]).encode(["good"], str)
        tensor([2])
    """

    kind: ClassVar[str] = "ordinal"

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__(classes)
        self.size = len(self.classes) - 1

    @classmethod
    def learn(cls, labels: Sequence[str], places: Places, order: Sequence[str] = ()) -> Self:
        classes = _given(labels, places, order) if order else _numeric(labels, places)
        check_two(classes, len(labels))
        return cls(classes)

    def head(self, features: int) -> nn.Module:
        return CumulativeLogits(features, len(self.classes))

    def log_probabilities(self, outputs: Tensor) -> Tensor:
        """log P(y = k), `[B, K]`: by σ(a) - σ(b) = σ(a) σ(-b) (1 - e^(b-a)), which is exact where both are near 1."""
        above, below = functional.logsigmoid(outputs), functional.logsigmoid(-outputs)
        gaps = outputs[:, :-1] - outputs[:, 1:]
        middle = above[:, :-1] + below[:, 1:] + torch.log(-torch.expm1(-gaps))
        return torch.cat([below[:, :1], middle, above[:, -1:]], 1)

    def metrics(self, predictions: Tensor, targets: Tensor) -> dict[str, float]:
        """`accuracy`, and `mae`: by how many ranks answers are wrong in the mean."""
        answers = predictions.argmax(1)
        ranks = (answers - targets).abs().double().mean()
        return {"accuracy": accuracy(targets.numpy(), answers.numpy()), "mae": float(ranks)}

    def score(self, outputs: Tensor) -> Tensor:
        """log P of the most probable class: the logits themselves all rise with the rank."""
        return self.log_probabilities(outputs).max(1).values


def _given(labels: Sequence[str], places: Places, order: Sequence[str]) -> tuple[str, ...]:
    known = {name: i for i, name in enumerate(order)}
    for i, label in enumerate(labels):
        if label not in known:
            raise DataError(unknown_class(label, known, places(i)))
    return tuple(order)


def _numeric(labels: Sequence[str], places: Places) -> tuple[str, ...]:
    values: dict[float, str] = {}
    first: dict[str, int] = {}
    for i, label in enumerate(labels):
        first.setdefault(label, i)
    for label, i in first.items():
        value = number(label)
        if value is None:
            raise ConfigError(
                f"{places(i)}: the label {label!r} is no number, so the classes have no order of their own; "
                "give it with order (--order LOWEST --order NEXT …)"
            )
        if value in values:
            raise DataError(
                f"{places(i)}: the label {label!r} is the same number as {values[value]!r}; write both alike"
            )
        values[value] = label
    return tuple(values[value] for value in sorted(values))
