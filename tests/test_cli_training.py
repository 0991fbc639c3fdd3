"""What every `unspool train` command refuses before it reads any data, called in this process."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from unspool import cli
from unspool.cells import GRUCell
from unspool.cli.training import paths, report
from unspool.errors import ConfigError, RunError
from unspool.tasks.language import LanguageData, LanguageSettings, train
from unspool.train import Run, Summary, TrainSettings

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


@pytest.mark.parametrize("task", ["classify", "tag", "language"])
def test_a_share_to_validate_on_is_refused_where_nothing_is_split(task: str, tmp_path: Path) -> None:
    for files, message in (
        (["--train", "no.txt", "--valid", "no.txt"], "splits off a part of --train, but --valid was given"),
        ([], "--valid-share is about files of your own"),
    ):
        start = ["train", task, *files, "--out", str(tmp_path / "run"), "--valid-share", "0.2"]
        error = CliRunner().invoke(cli.app, start).exception
        assert isinstance(error, ConfigError) and message in str(error)


def test_names_that_are_not_utf8_can_be_told_in_json() -> None:
    found = paths([Path(os.fsdecode(b"a/\xffb.txt"))], [Path("ü.txt")])
    assert json.loads(json.dumps(found, ensure_ascii=False).encode()) == {
        "job": "files", "train": ["\\xffb.txt"], "valid": ["ü.txt"],
    }  # fmt: skip


def test_the_last_word_is_json_whatever_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    report(Path("run"), GRUCell, Summary(1, 1, 0.5, {"loss": 1.0, "r2": math.nan}, 1, "max_steps=1"))
    line = json.loads(capsys.readouterr().out, parse_constant=pytest.fail)
    assert line["best"] == {"loss": 1.0, "r2": None}


def test_several_processes_share_no_language_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    start = ["train", "language", "--train", str(tmp_path / "no.txt"), "--out", str(tmp_path / "run")]
    error = CliRunner().invoke(cli.app, start).exception
    assert isinstance(error, ConfigError) and "2 processes would share its batches; start it as one" in str(error)
    data = LanguageData(["a\n"], ["b\n"])
    with pytest.raises(ConfigError, match="2 processes would share"):
        train(GRUCell, data, LanguageSettings(), TrainSettings(max_steps=1), tmp_path / "run")
    assert not (tmp_path / "run").exists()
