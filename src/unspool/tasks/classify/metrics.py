"""How good answers are, and how far their probabilities can be trusted. All on arrays, all by their definition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BINS = 15
"""Bins of the expected calibration error, as in Guo et al. 2017."""


def accuracy(truth: np.ndarray, answers: np.ndarray) -> float:
    """The share of right answers."""
    return float((truth == answers).mean())


def macro_f1(truth: np.ndarray, answers: np.ndarray) -> float:
    """The mean F1 of the classes that occur in `truth` or `answers` (class numbers `[N]`).

    >>> macro_f1(np.array([0, 0, 1]), np.array([0, 1, 1])) == (2 / 3 + 2 / 3) / 2
    True
    """
    there = np.union1d(truth, answers)
    right = truth == answers
    scores = [2 * (right & (truth == k)).sum() / ((truth == k).sum() + (answers == k).sum()) for k in there]
    return float(np.mean(scores))


def multilabel_f1(truth: np.ndarray, answers: np.ndarray) -> tuple[float, float]:
    """Micro and macro F1 of bool arrays `[N, K]`; the F1 of a class without any decision is 0.

    >>> multilabel_f1(np.array([[True, False]]), np.array([[True, True]]))
    (0.6666666666666666, 0.5)
    """
    both, either = (truth & answers).sum(0), truth.sum(0) + answers.sum(0)
    micro = 2 * both.sum() / either.sum() if either.any() else 0.0
    return float(micro), float((2 * both / np.maximum(either, 1)).mean())


def confusion(truth: np.ndarray, answers: np.ndarray, classes: int) -> np.ndarray:
    """How often each class (row) got each answer (column): int64 `[K, K]`.

    >>> confusion(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(truth * classes + answers, minlength=classes**2).reshape(classes, classes)


@dataclass(frozen=True)
class Reliability:
    """For each bin of probabilities: how many decisions gave themselves such a one, the mean, and the share of right
    ones; NaN in an empty bin."""

    counts: np.ndarray
    confidence: np.ndarray
    right: np.ndarray

    @property
    def error(self) -> float:
        """The expected calibration error: |confidence - right| of the bins, weighted by their counts."""
        gaps = np.abs(np.nan_to_num(self.confidence - self.right))
        return float((self.counts * gaps).sum() / max(self.counts.sum(), 1))


def reliability(confidence: np.ndarray, right: np.ndarray, bins: int = BINS) -> Reliability:
    """Decisions by the probability they gave themselves, in `bins` bins of equal width (the upper end belongs to it).

    Source: Guo et al. 2017, On Calibration of Modern Neural Networks, https://arxiv.org/abs/1706.04599, eq. 3.

    >>> round(reliability(np.array([0.95, 0.95]), np.array([True, False])).error, 2)
    0.45
    """
    place = np.clip(np.ceil(confidence * bins).astype(np.int64) - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sums = [np.bincount(place, weights=values, minlength=bins) for values in (confidence, right)]
    with np.errstate(invalid="ignore"):
        return Reliability(counts, *(total / counts for total in sums))
