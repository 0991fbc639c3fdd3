"""What every `unspool train` command refuses before it reads any data, called in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from unspool import cli
from unspool.errors import RunError
from unspool.train import Run

TASKS = ("translate", "classify", "tag", "language")


def refused(task: str, out: Path, *more: str) -> str:
    """What is said of `out`, with data that is not there."""
    arguments = ["train", task, "--train", "no.tsv", "--valid", "no.tsv", "--out", str(out), *more]
    error = CliRunner().invoke(cli.app, arguments).exception
    assert isinstance(error, RunError), error
    return str(error)


@pytest.mark.parametrize("task", TASKS)
def test_a_folder_that_cannot_be_written_to(task: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert "is a file, so there can be no folder" in refused(task, tmp_path / "file" / "run")
    assert "is a file; choose another --out" in refused(task, tmp_path / "file", "--force")


@pytest.mark.parametrize("task", TASKS)
def test_a_folder_in_which_another_training_runs(task: str, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"task": task})
    with run.locked():
        for how in ([], ["--force"], ["--resume"]):
            assert "another training (process" in refused(task, run.path, *how)
