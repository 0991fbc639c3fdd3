"""What every `unspool train` command does before and after its task: checks, settings, the last word."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from unspool.cells import Cell, cell_name
from unspool.cli.apps import say
from unspool.data.wording import counted
from unspool.errors import ConfigError
from unspool.options import key_values
from unspool.train import Run, Summary, TrainSettings
from unspool.train.placement import is_main
from unspool.train.state import finite_or_null

DEFAULT_EPOCHS = 20


class Presets(NamedTuple):
    """What suits a default job, where the user makes no choice: for the model, and for its training."""

    model: dict[str, Any]
    training: dict[str, Any]


def is_default(out: Path, train: list[Path] | None, valid: list[Path] | None, *, resume: bool, force: bool) -> bool:
    """Whether the default job is asked for. Refuses what cannot be, before any data is read."""
    Run.check(out, resume=resume, force=force)
    if train:
        return False
    if resume and Run.open(out).config.get("origin", {}).get("job") == "files":
        raise ConfigError(f"{out} was trained on files of your own; name them again with --train and --valid")
    if valid:
        raise ConfigError("--valid was given without --train; name the training files too")
    return True


def check_share(given: Mapping[str, Any], valid: list[Path] | None, *, default_job: bool) -> None:
    """Refuse --valid-share where nothing is split."""
    if "valid_share" not in given:
        return
    if default_job:
        raise ConfigError(
            "--valid-share is about files of your own, but --train was not given; name them, or leave it out"
        )
    if valid:
        raise ConfigError("--valid-share splits off a part of --train, but --valid was given; leave one of the two out")


def settings(
    cls: type[Any], given: dict[str, Any], presets: Presets | None, cell_options: list[str] | None, **more: Any
) -> tuple[Any, TrainSettings]:
    """Settings of a task and of its training: what was given, over the `presets` of the default job, if it is that."""
    model, training = presets or ({}, {})
    return (
        made(cls, given, model, cell_options=key_values(cell_options or []), **more),
        made(TrainSettings, given, default_training(given, training) if presets else bounded(given)),
    )


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
    return {"job": "files", "train": list(map(_name, train or [])), "valid": list(map(_name, valid or []))}


def _name(path: Path) -> str:
    """The name of a file; bytes of it that are no UTF-8, which JSON cannot hold, are written as such."""
    return os.fsencode(path.name).decode("utf-8", "backslashreplace")


def report(out: Path, cell: type[Cell], summary: Summary) -> None:
    """How a training ended: a sentence for people, a JSON line for programs; under torchrun once."""
    if is_main():
        took = f"{counted(summary.steps, 'step')} in {summary.seconds:.0f} s"
        say(f"trained {cell_name(cell)} for {took}; ended by {summary.reason}")
        print(json.dumps(finite_or_null({"run": str(out), **asdict(summary)})))
