"""Weights of classes in a loss, from how often each occurs."""

from __future__ import annotations

from torch import Tensor

CLASS_WEIGHTS = ("none", "sqrt", "balanced")


def balanced_weights(counts: Tensor) -> Tensor:
    """N / (K · n_k) for each class k that occurs, as scikit-learn's `class_weight="balanced"`; 0 for the others.

    >>> balanced_weights(torch.tensor([6, 2]))
    tensor([0.6667, 2.0000])
    """
    there = counts > 0
    weights = counts.sum() / (there.sum() * counts.clamp(min=1))
    return weights.masked_fill(~there, 0)


def tempered(kind: str, balanced: Tensor) -> Tensor:
    """Balanced weights as they are, or, of kind `sqrt`, their square roots.

    >>> tempered("sqrt", torch.tensor([0.25, 4.0]))
    tensor([0.5000, 2.0000])
    """
    return balanced.sqrt() if kind == "sqrt" else balanced
