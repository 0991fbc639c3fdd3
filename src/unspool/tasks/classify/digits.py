"""The default job: handwritten digits, each a sequence of the 8 rows of a picture."""

from __future__ import annotations

from typing import Any

PRESET: dict[str, Any] = {"hidden": 128, "max_tokens": 512, "dropout": 0.5, "recurrent_dropout": 0.3}
"""Choices of the model that suit the default job, where the user makes none."""

TRAINING_PRESET: dict[str, Any] = {
    "lr": 5e-3,
    "warmup": 20,
    "schedule": "cosine",
    "epochs": 30,
    "monitor": "loss",
    "ema": 0.99,
}
