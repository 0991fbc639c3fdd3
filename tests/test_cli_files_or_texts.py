"""What is a file and what is a text, the same in every command that takes either."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from unspool import cli
from unspool.cli.files_or_texts import files_or_texts
from unspool.errors import ConfigError, DataError

COMMANDS = [("tag", "tag"), ("classify", "classify"), ("complete", "language")]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with a file and a folder in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").write_text("")
    (tmp_path / "folder").mkdir()


def call(*arguments: object, stdin: str = "") -> Result:
    return CliRunner().invoke(cli.app, list(map(str, arguments)), input=stdin.encode())


@pytest.mark.parametrize(
    "text", ["Ada", "", "a.csv b.csv", "see a.csv", "x" * 300 + ".", "a\0b", "a/b", "csv", "1.5", "e.g."]
)
def test_what_looks_like_no_file_is_a_text(text: str) -> None:
    assert files_or_texts([text, "Ada"], "c") == ([], [text, "Ada"])


def test_what_is_there_is_a_file() -> None:
    os.mkfifo("pipe.txt")
    assert files_or_texts(["there", "pipe.txt"], "c") == ([Path("there"), Path("pipe.txt")], [])


@pytest.mark.parametrize("name", ["no.csv", "no/NO.TXT", "é.conll.gz", "~/x.wav", "it's.jsonl", "no.parquet", ".tsv"])
def test_what_ends_as_a_file_and_is_none_is_not_there(name: str) -> None:
    with pytest.raises(DataError) as error:
        files_or_texts([name], "unspool tag RUN")
    assert str(error.value).startswith(f"there is no file {name}; name one that is there. If it is meant as a text")


def test_files_and_texts_are_not_mixed() -> None:
    with pytest.raises(ConfigError, match="there is a file, but 'Ada' is a text; give either files or texts"):
        files_or_texts(["Ada", "there"], "c")


@pytest.mark.parametrize(("command", "task"), COMMANDS)
def test_every_command_names_folders_and_missing_files(command: str, task: str, every_task: Path) -> None:
    for name, problem in (("folder/", "folder/ is a folder"), ("it's.csv", "there is no file it's.csv")):
        error = call(command, every_task / task, name).exception
        assert isinstance(error, DataError) and str(error).startswith(problem), error
        assert "If it is meant as a text, give it on stdin: echo " in str(error)
        assert str(error).endswith(f" | unspool {command} RUN")
    assert "echo 'it'\"'\"'s.csv' |" in str(call(command, every_task / task, "it's.csv").exception)
    assert call(command, every_task / task, stdin="folder/\n").exit_code == 0


def test_a_classifier_of_numbers_reads_no_texts(tmp_path: Path) -> None:
    steps = tmp_path / "steps.csv"
    rows = [f"{i},{t},{i * t},{'ab'[i % 2]}\n" for i in range(6) for t in range(3)]
    steps.write_text("id,t,x,label\n" + "".join(rows))
    start = ["train", "classify", "--train", steps, "--valid", steps, "--out", "run", "--hidden", 4, "--max-steps", 1]
    assert call(*start).exit_code == 0
    error = call("classify", "run", steps, "no.csv").exception
    assert isinstance(error, ConfigError)
    assert "there is no file 'no.csv', and run reads numbers, not texts; name files that are there" in str(error)


def test_a_table_is_no_file_to_tag(every_task: Path) -> None:
    error = call("tag", every_task / "tag", every_task / "classify.csv").exception
    assert isinstance(error, DataError)
    assert "classify.csv is a file of another kind; expected CoNLL columns (a token a line" in str(error)
