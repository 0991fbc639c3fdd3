"""The run folder: everything that a training leaves, and nothing that can run code.

    config.json           what the task needs to build the model again, and the format version
    model.safetensors     the weights to use: the best so far
    metrics.jsonl         one JSON object per line: training, validation
    checkpoints/          what `--resume` needs (see `checkpoint.py`)
    …                     the task's own files: tokenizers, scalers

Upgrade rule: `config.json` carries `"format"`. A reader knows every format up to its own `FORMAT`: an older config is
upgraded in memory, one version at a time, by the functions in `UPGRADES`, and the file stays as it was. A newer format
is refused with both versions named. Whoever changes the meaning of a config raises `FORMAT` by one and adds the
function that turns the former into the new one.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from unspool.errors import RunError
from unspool.train.checkpoint import clear
from unspool.train.files import explained, read_json, remove, removed_on_error, write_bytes, write_json
from unspool.train.lock import check_free, locked
from unspool.train.placement import Placement, is_main, launched_in_parallel
from unspool.train.weights import load_weights, read_tensors, to_bytes, weights_of
from unspool.train.writable import check_writable

FORMAT = 1
UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""`UPGRADES[v]` turns a config of format v into one of format v + 1."""

_OURS = ("model.safetensors", "metrics.jsonl", "checkpoints", "tensorboard", "config.json")
_BOARD_FILES = "events.out.tfevents.*"


class Run:
    """A run folder. Make one with `Run.create` or `Run.open`; `config` is the upgraded config."""

    def __init__(self, path: Path, config: dict[str, Any]) -> None:
        self.path = path
        self.config = config

    @classmethod
    def open(cls, path: str | Path) -> Run:
        """Open an existing run; raises `RunError` naming what is missing, foreign or too new."""
        path = Path(path)
        if not path.is_dir():
            raise RunError(f"{path} is not a run: no such folder; give the folder that --out named in training")
        config = read_json(path / "config.json", "every run folder holds one")
        return cls(path, upgrade(config, path / "config.json"))

    @staticmethod
    def check(path: str | Path, *, files: Collection[str] = (), resume: bool = False, force: bool = False) -> None:
        """Raise `RunError` if `create` would refuse, if a training writes to the folder, or if nothing can be written
        to it, and touch nothing. `files` are the names of the task's own files.

        Call it first, then validate the inputs of the new run, then call `create`: so `force` never costs a former
        run when the new one cannot start. Under torchrun only the main process looks: the others could already see
        what it has made since.
        """
        if not is_main():
            return
        path = Path(path)
        if resume and force:
            raise RunError("resume goes on with the run that is there and force replaces it; give one of them")
        check_free(path)
        if resume:
            Run.open(path)
        else:
            _check_taken(path, files, force=force)
        check_writable(path)
        if (path / "checkpoints").exists():
            check_writable(path / "checkpoints")

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: Mapping[str, Any],
        *,
        files: Mapping[str, bytes] = MappingProxyType({}),
        resume: bool = False,
        force: bool = False,
    ) -> Run:
        """Make the folder with its config, replacing a former run under `force`; or open it under `resume`.

        `files`, the task's own by name, are there before the config is: a folder with a config is a whole run. Under
        torchrun the main process makes all of it and the others open it.
        """
        path = Path(path)
        place = Placement() if launched_in_parallel() else None
        if place is None or place.main:
            cls.check(path, files=files, resume=resume, force=force)
            if not resume:
                _make(path, {**config, "format": FORMAT}, files, force=force)
        if place is not None:
            place.wait()
        return cls.open(path)

    @property
    def weights_path(self) -> Path:
        """The weights to use."""
        return self.path / "model.safetensors"

    @property
    def metrics_path(self) -> Path:
        """One JSON object per line."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints_path(self) -> Path:
        """The folder of checkpoints."""
        return self.path / "checkpoints"

    def save_weights(self, tensors: Mapping[str, Tensor]) -> None:
        """Replace model.safetensors atomically."""
        write_bytes(self.weights_path, to_bytes(tensors))

    def save_model(self, model: torch.nn.Module) -> None:
        """Replace model.safetensors by the model's weights."""
        self.save_weights(weights_of(model))

    def load_model(self, model: torch.nn.Module) -> None:
        """Copy the run's weights into `model`; names and shapes must match (`RunError`, `ShapeError`)."""
        if not self.weights_path.exists():
            raise RunError(
                f"{self.weights_path} is missing: it is there once the training has validated; go on with the training "
                "by --resume, or restore the file from a copy"
            )
        remedy = "restore it from a copy, or call its training with --resume: checkpoints/ may have it"
        load_weights(model, read_tensors(self.weights_path, remedy), self.weights_path)

    def metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, up to the first that a kill tore; `RunError` for one that is no metrics."""
        if not self.metrics_path.exists():
            return []
        lines: list[dict[str, Any]] = []
        for number, text in enumerate(self.metrics_path.read_bytes().splitlines(keepends=True), 1):
            try:
                line = json.loads(text)
            except ValueError:
                break
            if not isinstance(line, dict) or not isinstance(line.get("step"), int):
                raise RunError(
                    f"{self.metrics_path}, line {number} is not an object with a whole number as its step; "
                    "delete the line, or restore the file from a copy"
                )
            lines.append(line)
        return lines

    def change(self, **values: Any) -> None:
        """Replace values of the config, here and in config.json; the caller holds the lock."""
        self.config = json.loads(json.dumps({**self.config, **values}))
        write_json(self.path / "config.json", self.config)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the run for one training. Readers need no lock.

        Raises `RunError` if another training holds it, or has replaced it since it was opened.
        """
        with locked(self.path):
            if Run.open(self.path).config != self.config:
                raise RunError(f"another training replaced {self.path} in the meantime; choose another --out")
            yield


def upgrade(
    config: dict[str, Any],
    path: Path,
    upgrades: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = UPGRADES,
    known: int = FORMAT,
) -> dict[str, Any]:
    """Bring a config read from `path` to the format `known`, by the rule above."""
    version = config.get("format")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise RunError(f"{path} has no format version, so unspool did not write it; give the folder of a run")
    if version > known:
        raise RunError(
            f"{path} has format {version}, but this unspool reads formats 1 to {known}; "
            "use the version of unspool that wrote it, or a newer one"
        )
    for step in range(version, known):
        config = {**upgrades[step](config), "format": step + 1}
    return config


def _check_taken(path: Path, files: Collection[str], *, force: bool) -> None:
    """Raise `RunError` if the folder holds what a new run would replace, but may not."""
    taken = [name for name in (*_OURS, *files) if os.path.lexists(path / name)]
    if taken and not _written_by_us(path / "config.json"):
        raise RunError(
            f"{path} is not a run (it has no whole config.json of unspool's), yet it holds {', '.join(taken)}; "
            "move that away, or choose another --out"
        )
    if taken and not force:
        raise RunError(
            f"{path} already holds a run; go on with it by --resume, replace it by --force, or choose another --out"
        )


def _written_by_us(config: Path) -> bool:
    try:
        return isinstance(read_json(config, "").get("format"), int)
    except RunError:
        return False


def _make(path: Path, config: dict[str, Any], files: Mapping[str, bytes], *, force: bool) -> None:
    with explained(path):
        path.mkdir(parents=True, exist_ok=True)
    with locked(path), contextlib.ExitStack() as unfinished:
        # Once more, now that no other training can make a run here.
        _check_taken(path, files, force=force)
        _remove_run(path)
        for name, data in files.items():
            unfinished.enter_context(removed_on_error(path / name))
            write_bytes(path / name, data)
        write_json(path / "config.json", config)


def _remove_run(path: Path) -> None:
    """Delete the former run, but nothing that others put into its folders; config.json last, which marks it as ours."""
    clear(path / "checkpoints")
    board = path / "tensorboard"
    for file in board.glob(_BOARD_FILES):
        remove(file)
    with contextlib.suppress(OSError):
        board.rmdir()
    for name in ("model.safetensors", "metrics.jsonl", "config.json"):
        remove(path / name)
