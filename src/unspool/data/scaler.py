"""Numbers on a common scale: each feature minus its mean, divided by its standard deviation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


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
        mean, deviation = [], []
        for column in numbers.T:
            exact = column.astype(np.float64)
            mean.append(float(exact.mean()) if len(exact) else 0.0)
            spread = float(exact.std()) if len(exact) else 0.0
            # Of equal numbers the deviation is rounding, not always 0.
            deviation.append(spread if spread > 1e-12 * abs(mean[-1]) else 1.0)
        return cls(features, tuple(mean), tuple(deviation))

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """`numbers` `[…, F]`, scaled, float32."""
        scaled = numbers - np.asarray(self.mean, dtype=np.float32)
        scaled /= np.asarray(self.deviation, dtype=np.float32)
        return scaled.astype(np.float32, copy=False)

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
