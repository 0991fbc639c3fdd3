"""What every `unspool train` command refuses before it reads any data, called in this process."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from unspool import cli
from unspool.cells import GRUCell
from unspool.errors import ConfigError, RunError
from unspool.tasks.language import LanguageData, LanguageSettings, train
from unspool.train import Run, TrainSettings

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


def test_several_processes_share_no_language_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    start = ["train", "language", "--train", str(tmp_path / "no.txt"), "--out", str(tmp_path / "run")]
    error = CliRunner().invoke(cli.app, start).exception
    assert isinstance(error, ConfigError) and "2 processes would share its batches; start it as one" in str(error)
    data = LanguageData(["a\n"], ["b\n"])
    with pytest.raises(ConfigError, match="2 processes would share"):
        train(GRUCell, data, LanguageSettings(), TrainSettings(max_steps=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()
