"""The run folder: made, refused, replaced, opened; foreign, damaged and newer files named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from unspool.errors import RunError, ShapeError
from unspool.train import Run
from unspool.train.run import FORMAT, upgrade


def linear(inputs: int = 3, outputs: int = 2) -> torch.nn.Module:
    return torch.nn.Linear(inputs, outputs)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    run = Run.create(tmp_path / "run", {"task": "toy", "hidden": 7})
    run.save_model(linear())
    return run


def test_create_and_open(run: Run) -> None:
    assert Run.open(run.path).config == {"task": "toy", "hidden": 7, "format": FORMAT}
    model, other = linear(), linear()
    run.save_model(model)
    run.load_model(other)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), other.parameters(), strict=True))


def test_a_taken_folder_is_refused_and_kept(run: Run) -> None:
    before = run.weights_path.read_bytes()
    for refuse in (Run.check, lambda path: Run.create(path, {})):
        with pytest.raises(RunError, match="--resume.*--force.*--out"):
            refuse(run.path)
    Run.check(run.path, force=True)
    Run.check(run.path, resume=True)
    assert run.weights_path.read_bytes() == before


def test_force_replaces_only_the_run(run: Run) -> None:
    (run.path / "notes.txt").write_text("mine")
    run.checkpoints_path.mkdir()
    Run.create(run.path, {"task": "new"}, force=True)
    assert Run.open(run.path).config["task"] == "new"
    assert {path.name for path in run.path.iterdir()} == {"notes.txt", "config.json", ".lock"}


@pytest.mark.parametrize("force", [False, True])
def test_files_that_may_be_anyones_are_never_replaced(force: bool, tmp_path: Path) -> None:
    names = ("checkpoints/thesis.pt", "checkpoints/step-00000007/w", "model.safetensors", "source.tokenizer", "notes")
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("mine")
    with pytest.raises(RunError, match="holds model.safetensors, checkpoints, source.tokenizer; move that away"):
        Run.create(tmp_path, {}, files={"source.tokenizer": b"", "target.tokenizer": b""}, force=force)
    assert {path for path in tmp_path.rglob("*") if path.is_file()} == {tmp_path / name for name in names}


def test_force_leaves_what_others_put_among_the_checkpoints(run: Run) -> None:
    ours = (
        "checkpoints/step-00000007/state.json",
        "checkpoints/best-00000007.safetensors",
        "tensorboard/events.out.tfevents.1",
    )
    theirs = ("checkpoints/best-thesis.pt", "checkpoints/.tmp-notes", "tensorboard/notes")
    for name in ours + theirs:
        (run.path / name).parent.mkdir(parents=True, exist_ok=True)
        (run.path / name).write_text("")
    Run.create(run.path, {}, force=True)
    kept = {str(path.relative_to(run.path)) for path in run.path.rglob("*") if path.is_file()}
    assert kept == {*theirs, "config.json", ".lock"}


def test_a_folder_with_a_config_has_the_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"source.tokenizer": b"s", "target.tokenizer": b"t"}

    def fail(path: Path, value: object) -> None:
        assert {name: (path.parent / name).read_bytes() for name in files} == files
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("unspool.train.run.write_json", fail)
        with pytest.raises(KeyboardInterrupt):
            Run.create(tmp_path, {}, files=files)
    # Nothing is left of the run that was never whole, so that its folder is not taken.
    Run.create(tmp_path, {}, files=files)
    assert {path.name for path in tmp_path.iterdir()} == {*files, "config.json", ".lock"}


def test_force_spares_a_run_in_training(run: Run) -> None:
    with run.locked(), pytest.raises(RunError, match="another training"):
        Run.create(run.path, {}, force=True)
    assert run.weights_path.exists()


@pytest.mark.parametrize("how", [{}, {"force": True}, {"resume": True}], ids=str)
def test_a_training_is_noticed_before_anything_else(how: dict[str, Any], run: Run) -> None:
    with run.locked(), pytest.raises(RunError, match=r"another training \(process \d+\) writes to"):
        Run.check(run.path, **how)


def test_a_run_that_another_training_replaced_is_left_alone(run: Run) -> None:
    Run.create(run.path, {"task": "toy", "hidden": 8}, force=True)
    with pytest.raises(RunError, match="another training replaced .*run in the meantime"), run.locked():
        raise AssertionError
    again = Run.open(run.path)
    again.change(sizes=(1, 2))
    with again.locked():  # what it changed itself is no other's
        assert again.config["sizes"] == [1, 2]


def test_resume_keeps_the_config(run: Run) -> None:
    assert Run.create(run.path, {"task": "other"}, resume=True).config["task"] == "toy"
    with pytest.raises(RunError, match="no such folder"):
        Run.create(run.path / "none", {}, resume=True)
    with pytest.raises(RunError, match="one of them"):
        Run.check(run.path, resume=True, force=True)


def test_a_foreign_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "other"}')
    for force in (False, True):
        with pytest.raises(RunError, match="is not a run .* holds config.json; move that away"):
            Run.create(tmp_path, {}, force=force)
    with pytest.raises(RunError, match="no format version"):
        Run.open(tmp_path)
    (tmp_path / "file").write_text("")
    for force in (False, True):
        with pytest.raises(RunError, match="is a file"):
            Run.check(tmp_path / "file" / "run", force=force)


@pytest.mark.parametrize("text", ["", '{"format": 1', "[1]", "\xff"])
def test_a_damaged_config(text: str, run: Run) -> None:
    (run.path / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError, match="config.json"):
        Run.open(run.path)
    (run.path / "config.json").unlink()
    with pytest.raises(RunError, match="config.json is missing"):
        Run.open(run.path)


def test_upgrade_rule() -> None:
    def rename(config: dict[str, Any]) -> dict[str, Any]:
        return {"hidden": config["size"]}

    def add(config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "layers": 1}

    path, upgrades = Path("config.json"), {1: rename, 2: add}
    assert upgrade({"format": 1, "size": 5}, path, upgrades, 3) == {"hidden": 5, "layers": 1, "format": 3}
    assert upgrade({"format": 2, "hidden": 5}, path, upgrades, 3) == {"hidden": 5, "layers": 1, "format": 3}
    with pytest.raises(RunError, match="format 4, but this unspool reads formats 1 to 3"):
        upgrade({"format": 4}, path, upgrades, 3)
    with pytest.raises(RunError, match="no format version"):
        upgrade({"format": "1"}, path, upgrades, 3)


def test_foreign_weights_are_named_and_nothing_is_copied(run: Run) -> None:
    wide = linear(inputs=4)
    before = [p.clone() for p in wide.parameters()]
    with pytest.raises(ShapeError, match=r"weight has shape \[2, 3\].*\[2, 4\]"):
        run.load_model(wide)
    with pytest.raises(RunError, match=r"lacks 0\.bias.*unknown bias, weight"):
        run.load_model(torch.nn.Sequential(linear()))
    assert all(torch.equal(a, b) for a, b in zip(before, wide.parameters(), strict=True))


@pytest.mark.parametrize("keep", [0, 4, 20, -1])
def test_truncated_weights(keep: int, run: Run) -> None:
    run.weights_path.write_bytes(run.weights_path.read_bytes()[:keep])
    with pytest.raises(RunError, match="model.safetensors is not a complete"):
        run.load_model(linear())
    run.weights_path.unlink()
    with pytest.raises(RunError, match="model.safetensors is missing"):
        run.load_model(linear())


def test_a_changed_number_is_found(run: Run) -> None:
    data = run.weights_path.read_bytes()
    run.weights_path.write_bytes(data[:-4] + b"\xff" * 4)
    with pytest.raises(
        RunError, match="model.safetensors is damaged: its CRC-32 is .*--resume: checkpoints/ may have it"
    ):
        run.load_model(linear())


def test_weights_are_for_every_reader_and_from_every_writer(run: Run) -> None:
    tensors = safetensors.torch.load_file(run.weights_path)
    model = linear()
    run.load_model(model)
    assert tensors.keys() == {"weight", "bias"} and torch.equal(tensors["weight"], model.state_dict()["weight"])
    safetensors.torch.save_file({name: tensor + 1 for name, tensor in tensors.items()}, run.weights_path)
    run.load_model(model)
    assert torch.equal(model.state_dict()["weight"], tensors["weight"] + 1)


def test_tied_weights_are_stored_once(tmp_path: Path) -> None:
    def tied() -> Any:
        modules = torch.nn.Sequential(torch.nn.Embedding(5, 4), torch.nn.Linear(4, 5, bias=False))
        modules[1].weight = modules[0].weight
        return modules

    run, model, other = Run.create(tmp_path / "run", {}), tied(), tied()
    run.save_model(model)
    run.load_model(other)
    assert torch.equal(other[1].weight, model[0].weight) and other[1].weight is other[0].weight
    assert run.weights_path.stat().st_size < 2 * 4 * 5 * 4 + 8 + 64


def test_metrics_stop_at_a_torn_line(run: Run) -> None:
    assert run.metrics() == []
    run.metrics_path.write_text(json.dumps({"step": 1}) + '\n{"ste')
    assert run.metrics() == [{"step": 1}]


@pytest.mark.parametrize("line", ["[1]", "3", '{"step": "x"}', '{"kind": "train"}'])
def test_a_line_that_is_no_metrics_is_named(line: str, run: Run) -> None:
    run.metrics_path.write_text(f'{{"step": 1}}\n{line}\n')
    with pytest.raises(RunError, match=r"metrics\.jsonl, line 2 .*delete the line"):
        run.metrics()
