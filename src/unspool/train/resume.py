"""A run goes on as what it was: on the same data; what else was changed is said, and stands in its config."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from unspool.errors import RunError
from unspool.train.run import Run
from unspool.train.settings import TrainSettings

Changes = dict[str, tuple[Any, Any]]
"""Former and new value by name."""
LONGEST = 100
"""Characters of a value in a message."""


def check_same(run: Run, config: Mapping[str, Any]) -> None:
    """Raise `RunError` if the run's config has other values than `config`, a part of the one that it would have now.

    Dicts are compared entry by entry. What the run's config does not have at all was not known to the unspool that
    wrote it, and is not compared.
    """
    changed = _changes(run.config, {name: value for name, value in config.items() if name in run.config})
    if changed:
        raise RunError(
            f"{run.path} cannot be resumed with other choices or data: {_shown(changed)}. "
            "Repeat the options of the first call, or start a new run in another --out"
        )


def note_changes(run: Run, training: TrainSettings, step: int) -> None:
    """Warn of what differs between `training` and the run's, and keep its config true; the caller holds the run's lock.

    The config then has the new `training`, and one more entry in `changes`, with each former and new value:
    `{"after_step": 600, "lr": [0.001, 0.0005]}`. A config without `training` says nothing of it, and stays so.
    """
    now = {"training": asdict(training)}
    changed = _changes(run.config, now) if "training" in run.config else {}
    if changed:
        warnings.warn(f"{run.path} goes on after step {step} with other settings: {_shown(changed)}", stacklevel=2)
        entry = {"after_step": step, **{name: list(values) for name, values in changed.items()}}
        run.change(**now, changes=[*run.config.get("changes", []), entry])


def _changes(former: Mapping[str, Any], now: Mapping[str, Any]) -> Changes:
    """The entries of `now` that are others than in `former`; those of a dict under their own names."""
    found: Changes = {}
    for name, value in json.loads(json.dumps(now)).items():
        was = former.get(name)
        if isinstance(value, dict) and isinstance(was, dict):
            found |= {key: (was.get(key), value[key]) for key in value if key not in was or was[key] != value[key]}
        elif was != value:
            found[name] = (was, value)
    return found


def _shown(changes: Changes) -> str:
    return ", ".join(f"{name} {_short(was)} → {_short(now)}" for name, (was, now) in changes.items())


def _short(value: Any) -> str:
    """A value as JSON, which may be a list of thousands of classes."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 2]} …"
