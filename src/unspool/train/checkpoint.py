"""Checkpoints to resume from: folders of safetensors and JSON that are there whole or not at all.

    checkpoints/step-00001200/model.safetensors       the weights in training
                              optimizer.safetensors   `parameter/state` → tensor
                              random.safetensors      `process.generator` → state
                              ema.safetensors         the averaged weights, if `ema` is on
                              carried.safetensors     what the job carries from batch to batch, if it does
                              state.json              written last: position, best list, size and CRC-32 of each file
    checkpoints/best-00001000.safetensors             the kept best weights

A checkpoint is written into a temporary folder, every file and folder synced, then renamed.
"""

from __future__ import annotations

import contextlib
import os
import re
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from unspool.errors import RunError
from unspool.train.files import (
    TEMPORARY,
    explained,
    read_json,
    remove,
    removed_on_error,
    sync_folder,
    understood,
    write_bytes,
    write_json,
)
from unspool.train.weights import read_tensors, to_bytes

FORMAT = 1
_STEP = re.compile(r"step-(\d{8,})")
_OURS = re.compile(rf"({re.escape(TEMPORARY)})?(step-\d{{8,}}|best-\d{{8,}}\.safetensors)")
_WHAT = "it completes a checkpoint"
_REMEDY = "restore it from a copy, or start again with --force"


def write_checkpoint(
    folder: Path, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
) -> Path:
    """Write `folder/step-N`: one safetensors file per entry of `tensors`, and `state` in state.json.

    A full disk raises `RunError`; earlier checkpoints stay and the unfinished one is removed.
    """
    final = folder / f"step-{step:08d}"
    temporary = folder / f"{TEMPORARY}{final.name}"
    with explained(final), removed_on_error(temporary):
        remove(temporary)
        temporary.mkdir(parents=True)
        files = {f"{name}.safetensors": to_bytes(group) for name, group in tensors.items()}
        for name, data in files.items():
            write_bytes(temporary / name, data)
        sums = {name: {"bytes": len(data), "crc32": zlib.crc32(data)} for name, data in files.items()}
        write_json(temporary / "state.json", {"format": FORMAT, "files": sums, **state})
        os.replace(temporary, final)
        sync_folder(folder)
    return final


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the greatest step, or None."""
    found = _steps(folder)
    return found[max(found)] if found else None


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, dict[str, Tensor]]]:
    """The state and the tensors that `write_checkpoint` was given.

    Raises `RunError` naming the file that is missing, truncated, altered or of a newer format.
    """
    if not (path / "state.json").exists():
        raise RunError(f"{path / 'state.json'} is missing: {_WHAT}; {_REMEDY}")
    try:
        state = read_json(path / "state.json", _WHAT)
    except RunError as error:
        raise RunError(f"{error}, or start again with --force") from error
    if state.get("format") != FORMAT:
        raise RunError(
            f"{path / 'state.json'} has format {state.get('format')!r}, but this unspool reads checkpoints of format "
            f"{FORMAT}; resume with the version of unspool that wrote it"
        )
    with understood(path / "state.json"):
        return state, {
            name.removesuffix(".safetensors"): _read_group(path / name, sums) for name, sums in state["files"].items()
        }


def _read_group(path: Path, sums: Mapping[str, int]) -> dict[str, Tensor]:
    if not path.is_file():
        raise RunError(f"{path} is missing; {_REMEDY}")
    data = path.read_bytes()
    if len(data) != sums["bytes"] or zlib.crc32(data) != sums["crc32"]:
        raise RunError(
            f"{path} is damaged: {len(data)} bytes with CRC-32 {zlib.crc32(data):08x}, expected {sums['bytes']} with "
            f"{sums['crc32']:08x}; {_REMEDY}"
        )
    return read_tensors(path, _REMEDY)


def best_path(folder: Path, step: int) -> Path:
    """Where the best weights of `step` are kept."""
    return folder / f"best-{step:08d}.safetensors"


def prune(folder: Path, last: Path, best_steps: Iterable[int]) -> None:
    """Delete all but the checkpoint `last`, the kept best weights, and foreign files."""
    keep = {last.name, *(best_path(folder, step).name for step in best_steps)}
    for path in _ours(folder):
        if path.name not in keep:
            remove(path)


def clear(folder: Path) -> None:
    """Delete all checkpoints and kept weights, and the folder unless it also holds foreign files."""
    if folder.is_dir():
        for path in _ours(folder):
            remove(path)
        with contextlib.suppress(OSError):
            folder.rmdir()


def _ours(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if _OURS.fullmatch(path.name)]


def _steps(folder: Path) -> dict[int, Path]:
    if not folder.is_dir():
        return {}
    return {int(match[1]): path for path in folder.iterdir() if (match := _STEP.fullmatch(path.name))}
