"""`train language`, `complete` and `evaluate` of a language model, called in this process."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import unspool
from unspool import cli
from unspool.data import python_sources
from unspool.errors import ConfigError, DataError, RunError, UnspoolError

TEXT = "one two three\ntwo three one\nthree one two\n" * 20
SIZES = ["--hidden", 16, "--embedding", 8, "--batch", 4, "--truncate", 16, "--max-steps", 20]


def call(*arguments: object, stdin: str | bytes = "") -> Result:
    content = stdin if isinstance(stdin, bytes) else stdin.encode()
    return CliRunner().invoke(cli.app, list(map(str, arguments)), input=content)


def refused(*arguments: object, stdin: str | bytes = "") -> UnspoolError:
    error = call(*arguments, stdin=stdin).exception
    assert isinstance(error, UnspoolError)
    return error


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("text")
    (folder / "a.txt").write_text(TEXT)
    (folder / "b.txt").write_text("one two\n")
    (folder / "bad.txt").write_bytes(b"one\ntwo \xff\n")
    return folder


@pytest.fixture(scope="module")
def trained(files: Path) -> Result:
    return call("train", "language", "--train", files / "a.txt", "--out", files / "run", *SIZES)


@pytest.fixture(scope="module")
def run(files: Path, trained: Result) -> Path:
    assert trained.exit_code == 0, trained.stderr
    return files / "run"


def test_training_tells_how_it_went(trained: Result, run: Path) -> None:
    line = json.loads(trained.stdout)
    assert line["run"] == str(run) and line["steps"] == 20
    assert {"loss", "perplexity", "nats_per_character", "bits_per_character"} == line["best"].keys()
    config = json.loads((run / "config.json").read_text())
    assert config["origin"] == {"job": "files", "train": ["a.txt"], "valid": []}
    assert config["settings"]["truncate"] == 16 and config["task"] == "language"
    files = {path.suffix for path in run.rglob("*") if path.is_file()}
    assert files == {".json", ".jsonl", ".safetensors", ".tokenizer", ""}


def test_the_continuation_is_on_stdout_and_the_table_on_stderr(run: Path) -> None:
    model = unspool.load(run)
    done = call("complete", run, "one two", "--length", 30, "--seed", 4, "--temperature", 1.5, "--top-k", 9, "--top", 3)
    assert done.exit_code == 0, done.stderr
    expected = model.complete("one two", length=30, seed=4, temperature=1.5, top_k=9)
    assert done.stdout == expected + "\n"
    shown = [line for line in done.stderr.splitlines() if "%" in line]
    assert [line.split("│")[1].strip() for line in shown] == [repr(symbol) for symbol, _ in model.top("one two", 3)]
    again = call(
        "complete", run, "--length", 30, "--seed", 4, "--temperature", 1.5, "--top-k", 9, "--top", 0, stdin="one two\n"
    )
    assert again.stdout == done.stdout and not again.stderr
    other = call("complete", run, "one two", "--length", 30, "--top-p", 0.3, "--seed", 2)
    assert other.stdout == model.complete("one two", length=30, top_p=0.3, seed=2) + "\n"


def test_it_stops(run: Path) -> None:
    whole = unspool.load(run).complete("one", length=60, temperature=0)
    assert whole
    for stop in ([whole[5]], ["never", whole[7:9]]):
        done = call("complete", run, "one", "--length", 60, "--temperature", 0, *(f"--stop={text}" for text in stop))
        assert done.stdout == whole[: whole.find(stop[-1])] + "\n"


def test_a_state_is_saved_and_taken_up(run: Path, tmp_path: Path) -> None:
    how = ["--temperature", 0, "--top", 0]
    whole = call("complete", run, "one two thr", "--length", 30, *how).stdout
    call("complete", run, "one tw", "--length", 0, "--state-out", tmp_path / "s", *how)
    first = call(
        "complete", run, "o thr", "--length", 12, "--state-in", tmp_path / "s", "--state-out", tmp_path / "t", *how
    )
    rest = call("complete", run, "", "--length", 18, "--state-in", tmp_path / "t", *how)
    assert first.stdout[:-1] + rest.stdout == whole
    found = call("complete", run, "--score", "o three", "--state-in", tmp_path / "s")
    assert json.loads(found.stdout)["nats"] < json.loads(call("complete", run, "--score", "o three").stdout)["nats"]


@pytest.mark.parametrize("how", ["arguments", "stdin"])
def test_scores_are_a_line_for_each_text(how: str, run: Path) -> None:
    texts = ["one two", "", "漢 two"]
    done = call("complete", run, "--score", *(texts if how == "arguments" else []), stdin="one two\r\n\n漢 two\n")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    scores = unspool.load(run).score(texts)
    assert [line["text"] for line in lines] == texts
    for line, score in zip(lines, scores, strict=True):
        assert line["nats"] == pytest.approx(score.nats)
        assert (line["characters"], line["symbols"]) == (score.characters, score.symbols)
        assert line["bits_per_character"] == pytest.approx(score.bits_per_character)


def test_a_file_is_read_as_stdin_is(run: Path, files: Path) -> None:
    how = ["--length", 9, "--seed", 2, "--top", 0]
    text = (files / "b.txt").read_text()
    assert call("complete", run, files / "b.txt", *how).stdout == call("complete", run, *how, stdin=text).stdout
    lines = "one\x0btwo\n\nthree"
    (files / "c.txt").write_text(lines)
    scored = call("complete", run, "--score", files / "c.txt")
    assert scored.stdout == call("complete", run, "--score", stdin=lines).stdout
    assert [json.loads(line)["text"] for line in scored.stdout.splitlines()] == ["one\x0btwo", "", "three"]


def test_evaluate(run: Path, files: Path) -> None:
    done = call("evaluate", run, "--test", files / "b.txt")
    assert json.loads(done.stdout) == unspool.load(run).evaluate([files / "b.txt"])
    assert isinstance(refused("evaluate", run), ConfigError)
    assert "--beam belongs to translators" in str(refused("evaluate", run, "--test", files / "b.txt", "--beam", 3))


def test_an_ensemble(run: Path, files: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    call("train", "language", "--train", files / "a.txt", "--out", other, "--seed", 3, *SIZES)
    both = unspool.load([run, other])
    done = call("complete", run, "one two", "--ensemble", other, "--length", 20, "--temperature", 0)
    assert done.stdout == both.complete("one two", length=20, temperature=0) + "\n"
    measured = call("evaluate", run, other, "--test", files / "b.txt")
    assert json.loads(measured.stdout) == both.evaluate([files / "b.txt"])


def test_resume_goes_on_and_needs_the_text(files: Path, tmp_path: Path) -> None:
    start = ["train", "language", "--out", tmp_path / "run"]
    text = ["--train", files / "a.txt", "--valid", files / "b.txt"]
    assert call(*start, *text, *SIZES).exit_code == 0
    assert "name them again with --train" in str(refused(*start, "--resume"))
    with pytest.warns(UserWarning, match="max_steps 20 → 25"):
        done = call(*start, *text, *SIZES[:-1], 25, "--resume")
    assert json.loads(done.stdout)["steps"] == 25
    assert isinstance(refused(*start, *text, *SIZES), RunError)
    assert call(*start, *text, *SIZES, "--force").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["--train", "bad.txt"], DataError, r"bad\.txt, line 2: byte 5 of the line is not UTF-8"),
        (["--train", "no.txt"], DataError, r"there is no file .*no\.txt"),
        (["--valid", "b.txt"], ConfigError, "--valid was given without --train"),
        (["--train", "b.txt"], DataError, "too few lines"),
        (["--train", "a.txt", "--valid-share", "1.5"], ConfigError, "valid_share is 1.5"),
        (["--train", "a.txt", "--cell", "no.py:Cell"], ConfigError, "there is no file"),
    ],
)  # fmt: skip
def test_wrong_use_of_training_is_named(
    arguments: list[str], kind: type[Exception], message: str, files: Path, tmp_path: Path
) -> None:
    named = [files / text if text.endswith(".txt") else text for text in arguments]
    with pytest.raises(kind, match=message):
        raise refused("train", "language", "--out", tmp_path / "run", *named)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["one", "two"], "2 texts were given"),
        ([__file__, __file__], "2 files were given"),
        (["one", "--top", "-1"], "--top is -1"),
        (["one", "--stop", ""], "stop is an empty text"),
        (["one", "--score", "--length", "3"], "--length belongs to completing"),
        (["one", "--score", "--state-out", "x"], "--state-out belongs to completing"),
        (["one", "--state-in", "no-state"], "there is no file no-state"),
        (["one", "--state-out", "no/folder/x"], "there is no folder"),
    ],
)  # fmt: skip
def test_wrong_use_of_complete_is_named(arguments: list[str], message: str, run: Path) -> None:
    assert message in str(refused("complete", run, *arguments))


def test_text_that_is_not_utf8_is_named(run: Path) -> None:
    assert "stdin is not UTF-8 (byte 5)" in str(refused("complete", run, stdin=b"one \xff"))
    assert "line 2 is not UTF-8 (byte 1)" in str(refused("complete", run, "--score", stdin=b"one\n\xff\n"))


def test_the_default_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On few files in place of the library's many."""
    parts = python_sources.PythonSources([TEXT * 3], [TEXT[:60]], [TEXT[60:140]])
    monkeypatch.setattr(python_sources, "python_sources", lambda: parts)
    done = call("train", "language", "--out", tmp_path / "run", *SIZES)
    assert done.exit_code == 0, done.stderr
    config: dict[str, Any] = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["origin"]["job"] == "python" and config["training"]["schedule"] == "cosine"
    assert json.loads(call("evaluate", tmp_path / "run").stdout)["characters"] == 80
    resumed = call("train", "language", "--out", tmp_path / "run", *SIZES, "--resume")
    assert json.loads(resumed.stdout)["steps"] == 20
