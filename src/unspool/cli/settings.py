"""From options to settings: what the user gave, over what suits the job."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DEFAULT_EPOCHS = 20


def made(cls: type[Any], given: dict[str, Any], preset: dict[str, Any], **more: Any) -> Any:
    """Settings of what was given, over a preset."""
    names = cls.__dataclass_fields__
    return cls(**{**preset, **{name: value for name, value in given.items() if name in names}, **more})


def bounded(given: dict[str, Any]) -> dict[str, Any]:
    """A training needs an end; 20 epochs unless the user names another one."""
    return {} if given.keys() & {"epochs", "max_steps", "max_minutes"} else {"epochs": DEFAULT_EPOCHS}


def default_training(given: dict[str, Any], preset: dict[str, Any]) -> dict[str, Any]:
    """The default job's choices but those that the user's stand in for: another end, another goal.

    A rate that falls to 0 needs to know at which step, so max_minutes alone replaces max_steps only without one.
    """
    named = {name for name, value in given.items() if value is not None}
    falls = given.get("schedule", preset["schedule"]) in ("linear", "cosine")
    replaced = {"max_steps"} if named & ({"epochs"} if falls else {"epochs", "max_minutes"}) else set()
    replaced |= {"monitor"} if "until" in named else set()
    return {name: value for name, value in preset.items() if name not in replaced}


def paths(train: list[Path] | None, valid: list[Path] | None) -> dict[str, Any]:
    """Where own data came from, for config.json."""
    return {"job": "files", "train": [p.name for p in train or []], "valid": [p.name for p in valid or []]}
