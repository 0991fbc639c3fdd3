"""Checkpoints are whole or refused by name; only the needed ones are kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool.errors import RunError
from unspool.train import random_state
from unspool.train.checkpoint import best_path, latest_checkpoint, prune, read_checkpoint, write_checkpoint

TENSORS = {"model": {"w": torch.arange(6.0).view(2, 3)}, "random": {"0.torch": torch.arange(4, dtype=torch.uint8)}}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    return write_checkpoint(tmp_path / "checkpoints", 12, TENSORS, {"training": {"step": 12}})


def test_round_trip(written: Path) -> None:
    state, tensors = read_checkpoint(written)
    assert state["training"] == {"step": 12}
    assert tensors.keys() == TENSORS.keys()
    assert torch.equal(tensors["model"]["w"], TENSORS["model"]["w"])
    assert latest_checkpoint(written.parent) == written


@pytest.mark.parametrize("name", ["model.safetensors", "random.safetensors", "state.json"])
def test_missing_or_truncated(name: str, written: Path) -> None:
    (written / name).write_bytes((written / name).read_bytes()[:-3])
    with pytest.raises(RunError, match=name):
        read_checkpoint(written)
    (written / name).unlink()
    with pytest.raises(RunError, match=f"{name} is missing"):
        read_checkpoint(written)


def test_a_changed_byte_is_found(written: Path) -> None:
    data = bytearray((written / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (written / "model.safetensors").write_bytes(data)
    with pytest.raises(RunError, match="model.safetensors is damaged"):
        read_checkpoint(written)


def test_a_newer_format_is_refused(written: Path) -> None:
    state = json.loads((written / "state.json").read_text())
    (written / "state.json").write_text(json.dumps(state | {"format": 2}))
    with pytest.raises(RunError, match="format 2, but this unspool reads checkpoints of format 1"):
        read_checkpoint(written)


@pytest.mark.parametrize(
    "state", ['{"format": 1}', '{"format": 1, "files": [1]}', '{"format": 1, "files": {"model.safetensors": 3}}']
)
def test_a_state_without_its_files_is_named(state: str, written: Path) -> None:
    (written / "state.json").write_text(state)
    with pytest.raises(RunError, match=r"state\.json is damaged.*--force"):
        read_checkpoint(written)


def test_prune_keeps_what_is_needed_and_what_is_not_ours(written: Path) -> None:
    folder = written.parent
    old = write_checkpoint(folder, 3, TENSORS, {})
    for step in (3, 12):
        best_path(folder, step).write_bytes(b"")
    (folder / ".tmp-step-00000013").mkdir()
    for name in ("notes", "best-thesis.pt"):
        (folder / name).write_text("mine")
    assert latest_checkpoint(folder) == written != old
    prune(folder, written, [12])
    assert {path.name for path in folder.iterdir()} == {
        written.name, best_path(folder, 12).name, "notes", "best-thesis.pt",
    }  # fmt: skip


@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(0, 3))
@settings(max_examples=20, deadline=None)
def test_random_states(seed: int, gauss: int, normal: int) -> None:
    """Every generator goes on as it would have, also with a normal draw of a pair kept back."""
    import random

    import numpy as np

    def draw() -> list[float]:
        python = [random.gauss(0, 1), random.random()]
        return [*python, np.random.standard_normal(), np.random.rand(), torch.rand(()).item()]

    random_state.seed_everything(seed)
    for _ in range(gauss):
        random.gauss(0, 1)
    for _ in range(normal):
        np.random.standard_normal()
    kept = random_state.capture(torch.device("cpu"))
    expected = [draw(), draw()]
    random_state.seed_everything(seed + 1)
    random_state.restore(kept, torch.device("cpu"))
    assert [draw(), draw()] == expected
