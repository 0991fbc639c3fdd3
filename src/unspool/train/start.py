"""How a task's training begins: the run folder looked at before the data is, then made or opened."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, fields
from pathlib import Path
from types import MappingProxyType
from typing import Any

from unspool.cells import Cell, cell_name
from unspool.errors import RunError
from unspool.train.resume import check_same
from unspool.train.run import Run
from unspool.train.settings import TrainSettings


def check(out: Path, task: str, cell: type[Cell], *, files: Collection[str], resume: bool, force: bool) -> None:
    """Raise what `start` would raise whatever the data is; `files` are the names of the task's own.

    Raises:
        RunError: the folder cannot be written to, or holds a run of another task. ConfigError: `cell` has the name of
            a shipped cell and is none.
    """
    cell_name(cell)
    Run.check(out, files=files, resume=resume, force=force)
    if resume and (found := Run.open(out).config.get("task")) != task:
        raise RunError(f"{out} holds a run of the task {found!r}, not {task!r}; resume it with the command of its task")


def start(
    out: Path, task: str, cell: type[Cell], settings: Any, training: TrainSettings, *,
    same: Mapping[str, Any], more: Mapping[str, Any] = MappingProxyType({}), files: Mapping[str, bytes],
    origin: Mapping[str, Any] | None, resume: bool, force: bool,
) -> Run:  # fmt: skip
    """Make the run's folder with its config, or open the one to go on with.

    Args:
        out: the folder, which has passed `check`.
        task, cell, settings, training: what is trained, and how.
        same: values of the config that a run must have had from its beginning, as task, cell and settings.
        more: other values of the config.
        files: the task's own, by name.
        origin: where the data came from, as plain values.

    Raises:
        RunError: the run to go on with is another one.
    """
    fixed = {"task": task, "cell": cell_name(cell), "settings": asdict(settings), **same}
    if resume:
        run = Run.open(out)
        check_same(run, {**fixed, "settings": _comparable(settings, run.config.get("settings"))})
    config = {**fixed, "training": asdict(training), **more, "origin": dict(origin or {})}
    return Run.create(out, config, files=files, resume=resume, force=force)


def _comparable(settings: Any, former: Any) -> dict[str, Any]:
    """The settings, without those at their default that the unspool that wrote `former` did not know."""
    known = former if isinstance(former, dict) else {}
    defaults = {field.name: field.default for field in fields(settings)}
    return {name: value for name, value in asdict(settings).items() if name in known or value != defaults[name]}


def by_part(**fingerprints: Mapping[str, int]) -> dict[str, int]:
    """Fingerprints of the parts of the data as one.

    >>> by_part(train={"pairs": 9, "crc32": 5}, valid={"pairs": 2, "crc32": 6})
    {'train_pairs': 9, 'train_crc32': 5, 'valid_pairs': 2, 'valid_crc32': 6}
    """
    return {f"{part}_{name}": value for part, found in fingerprints.items() for name, value in found.items()}
