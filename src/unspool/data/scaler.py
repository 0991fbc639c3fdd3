"""Numbers on a common scale: each feature minus its mean, divided by its standard deviation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

BLOCK = 1 << 14
"""Steps that are scaled at once, so that little of the data is in memory in float64."""


@dataclass(frozen=True)
class Scaler:
    """x ↦ (x - mean) / deviation, for each of F features.

    Example:
        >>> scaler = Scaler.fit(np.array([[1.0, 5.0], [3.0, 5.0]]), ("height", "constant"))
        >>> scaler(np.array([[3.0, 5.0]]))
        array([[1., 0.]], dtype=float32)
    """

    features: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def __post_init__(self) -> None:
        if not len(self.features) == len(self.mean) == len(self.deviation):
            raise ValueError("features, mean and deviation are of different lengths")
        if not all(map(math.isfinite, (*self.mean, *self.deviation))) or not all(d > 0 for d in self.deviation):
            raise ValueError("a mean is not finite, or a deviation not above 0")

    @classmethod
    def fit(cls, numbers: np.ndarray, features: tuple[str, ...]) -> Scaler:
        """Mean and deviation of `numbers` `[steps, F]`, feature by feature; a constant feature keeps its scale."""
        found = [mean_and_deviation(column.astype(np.float64)) for column in numbers.T]
        return cls(features, tuple(mean for mean, _ in found), tuple(deviation for _, deviation in found))

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """`numbers` `[steps, F]`, scaled, float32: infinite where float32 holds no such number.

        Computed in float64: differences of float32 numbers, and their squares, may be larger than float32 holds.
        """
        mean, deviation = np.asarray(self.mean), np.asarray(self.deviation)
        scaled = np.empty(numbers.shape, dtype=np.float32)
        with np.errstate(over="ignore"):
            for at in range(0, len(numbers), BLOCK):
                scaled[at : at + BLOCK] = (numbers[at : at + BLOCK] - mean) / deviation
        return scaled

    def to_json(self) -> dict[str, Any]:
        """The content of a run's scaler.json."""
        return {"features": list(self.features), "mean": list(self.mean), "deviation": list(self.deviation)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Scaler:
        """What `to_json` gave; `ValueError`, `KeyError` or `TypeError` for anything else."""
        features = tuple(content["features"])
        if not all(isinstance(name, str) for name in features):
            raise ValueError("a name of a feature is not text")
        return cls(features, tuple(map(float, content["mean"])), tuple(map(float, content["deviation"])))


def mean_and_deviation(values: np.ndarray) -> tuple[float, float]:
    """Of float64 `values` `[n]`; of equal numbers, and of none, the deviation is 1.

    Computed, both would be off by rounding.
    """
    if not len(values) or values.min() == values.max():
        return (float(values[0]) if len(values) else 0.0), 1.0
    return float(values.mean()), float(values.std())
