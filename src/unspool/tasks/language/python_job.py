"""The default job: the source text of Python's own standard library, which every installation has."""

from __future__ import annotations

import platform
from typing import Any

from unspool.errors import ConfigError
from unspool.train import Run
from unspool.train.restored import default_origin

PRESET: dict[str, Any] = {"hidden": 256, "embedding": 64, "batch": 16, "truncate": 128}
"""Choices of the model that suit the default job, where the user makes none."""

TRAINING_PRESET: dict[str, Any] = {
    "lr": 4e-3,
    "warmup": 50,
    "schedule": "cosine",
    "max_steps": 3000,
    "validate_every": 1500,
}


def origin() -> dict[str, Any]:
    """What config.json says of the text."""
    return {"job": "python", "version": platform.python_version()}


def test_texts(run: Run) -> list[str]:
    """The test part of the text that `run` was trained on; refused for a run that was trained on other text."""
    from unspool.data.python_sources import python_sources

    source = default_origin(run, "python")
    if source.get("version") != platform.python_version():
        raise ConfigError(
            f"{run.path} was trained on the sources of Python {source.get('version')}, but this is "
            f"{platform.python_version()}, whose files are others; evaluate it there, or name test files with --test"
        )
    return python_sources().test
