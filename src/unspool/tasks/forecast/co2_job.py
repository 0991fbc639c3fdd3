"""The default job: carbon dioxide over Mauna Loa, a year ahead, from a series that comes with statsmodels."""

from __future__ import annotations

from typing import Any

from unspool.data.series import Panel
from unspool.errors import ConfigError
from unspool.train import Run
from unspool.train.restored import default_origin

PRESET: dict[str, Any] = {
    "horizon": 12,
    "context": 60,
    "segment": 12,
    "scaling": "seasonal",
    "calendar": False,
    "output": "student-t",
    "hidden": 64,
    "dropout": 0.3,
    "batch": 64,
    "steps_per_epoch": 50,
    "valid_windows": 5,
}
"""Choices of the model that suit the default job, where the user makes none."""

TRAINING_PRESET: dict[str, Any] = {"lr": 2e-3, "warmup": 20, "schedule": "cosine", "max_steps": 600}

ORIGIN = {"job": "co2"}
"""What config.json says of the series."""


def preset(model: str | None) -> dict[str, Any]:
    """The part of `PRESET` that a model takes: an autoregressive one writes step by step.

    Example:
        >>> "segment" in preset(None), "segment" in preset("autoregressive")
        (True, False)
    """
    return {name: value for name, value in PRESET.items() if name != "segment" or model != "autoregressive"}


def test_panel(run: Run) -> Panel:
    """The default job's series with its test part; refused for a run that was trained on other series."""
    from unspool.data.series.builtin import co2

    default_origin(run, ORIGIN["job"])
    return co2().test


def known_panel(run: Run) -> Panel:
    """The default job's series before its test part, on which to train `run` anew; refused for a run that was trained
    on other series."""
    from unspool.data.series.builtin import co2

    if run.config.get("origin") != ORIGIN:
        raise ConfigError(f"{run.path} was not trained on the default job; name the series to learn from with --train")
    return co2().valid
