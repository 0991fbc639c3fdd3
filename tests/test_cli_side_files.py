"""Files that commands write besides what they print: whole or not at all, and whether or not anybody reads on."""

from __future__ import annotations

import errno
import os
import signal
from functools import partial
from pathlib import Path
from typing import NoReturn

import pytest
from forked import Forked
from typer.testing import CliRunner, Result

from unspool import cli
from unspool.errors import ConfigError, RunError
from unspool.train import files


def call(*arguments: object, stdin: str = "") -> Result:
    return CliRunner().invoke(cli.app, list(map(str, arguments)), input=stdin.encode())


def placed(arguments: list[str], folder: Path) -> list[str]:
    """The arguments of a command, runs and inputs by their whole paths."""
    return [arguments[0], *(str(folder / word) if (folder / word).exists() else word for word in arguments[1:])]


@pytest.mark.parametrize(
    "arguments",
    [
        ["tag", "tag", "Mr sings", "--html", "x.html"],
        ["classify", "classify", "ab", "--out", "x.csv"],
        ["classify", "classify", "ab", "--saliency", "x.html"],
        ["classify", "classify", "classify.csv", "--pictures", "x"],
        ["complete", "language", "one", "--state-out", "x"],
        ["translate", "translate", "abc", "--attention", "x.png"],
        ["evaluate", "translate", "--test", "translate.tsv", "--out", "x"],
    ],
    ids=lambda arguments: f"{arguments[0]} {arguments[-2]}",
)
def test_a_full_disk_leaves_no_half_file(
    arguments: list[str], every_task: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(files, "_sync", full)
        error = call(*placed(arguments, every_task)).exception
    assert isinstance(error, files.NotWritten) and str(error).startswith(arguments[-1]), error
    assert "could not be written: the disk is full" in str(error)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    assert call(*placed(arguments, every_task)).exit_code == 0
    assert os.listdir() == [arguments[-1]]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["tag", "tag", "--html"], id="--html"),
        pytest.param(
            ["complete", "language", "--length", "40", "--seed", "3", "--state-out"],
            id="--state-out",
            marks=pytest.mark.slow,
        ),
        pytest.param(["classify", "classify", "classify.csv", "--pictures"], id="--pictures", marks=pytest.mark.slow),
    ],
)
def test_a_reader_that_goes_away_costs_no_file(arguments: list[str], every_task: Path, tmp_path: Path) -> None:
    text = "Mr sings\n" * 400
    expected, found = tmp_path / "expected", tmp_path / "found"
    assert call(*placed(arguments, every_task), expected, stdin=text).exit_code == 0
    with Forked(*placed(arguments, every_task), found) as process:
        process.stdout.close()
        process.stderr.close()
        process.stdin.write(text.encode())
        process.stdin.close()
        assert process.wait(timeout=100) == -signal.SIGPIPE
    assert contents(found) == contents(expected)


def contents(path: Path) -> int | list[str]:
    """Of a file its size (safetensors write their metadata in any order), of a folder the names in it."""
    return path.stat().st_size if path.is_file() else sorted(os.listdir(path))


def test_without_a_file_to_write_such_a_reader_ends_the_command(every_task: Path) -> None:
    with Forked("tag", every_task / "tag") as process:
        process.stdout.close()
        process.stdin.write(b"Mr sings\n" * 256)
        process.stdin.flush()  # and stays open
        assert process.wait(timeout=100) == -signal.SIGPIPE


def test_what_may_not_be_written_to_is_named_before_the_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def may(path: Path, mode: int, refused: Path) -> bool:
        return mode != os.W_OK or Path(path) != refused

    there, pipe = tmp_path / "there", tmp_path / "pipe"
    there.write_text("")
    os.mkfifo(pipe)
    for refused in (there, tmp_path):
        monkeypatch.setattr(os, "access", partial(may, refused=refused))
        error = call("tag", "no run", "a", "--html", there).exception
        assert isinstance(error, ConfigError) and f"{refused} may not be written to" in str(error)
    assert isinstance(call("tag", "no run", "a", "--html", pipe).exception, RunError)  # needs no folder


def test_a_training_goes_on_when_nobody_reads_its_progress(tmp_path: Path) -> None:
    """`2>&1 | head -1`: both streams closed by their reader after the first line."""
    (tmp_path / "text.txt").write_text("one two three\n" * 40)
    sizes = "--hidden 8 --embedding 8 --batch 4 --truncate 16 --max-steps 30 --validate-every 2"
    command = ["train", "language", "--train", "text.txt", "--out", "run"]
    with Forked(*command, *sizes.split(), joined=True, cwd=tmp_path) as process:
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(timeout=100) == 0
    assert '"step": 30' in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[-1]
