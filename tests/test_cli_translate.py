"""The `translate`, `evaluate` and `encode` commands, called in this process: which line gets what."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import unspool
from unspool import cli
from unspool.cells import GRUCell
from unspool.data.corpus import ListCorpus
from unspool.errors import ConfigError, DataError
from unspool.tasks.translate import TranslateSettings, train
from unspool.tasks.translate.train import TranslateData
from unspool.train import TrainSettings


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two runs that differ in their weights only; they read and write lower case."""
    words = [a + b + c for a in "abc" for b in "abc" for c in "abc"]
    corpus = ListCorpus([(word, word[::-1]) for word in words])
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        settings = TranslateSettings(
            tokenizer="chars", lowercase=True, hidden=8, embedding=8, max_tokens=200, seed=seed
        )
        train(GRUCell, TranslateData(corpus, corpus), settings, TrainSettings(max_steps=3), folder / str(seed))
    return [folder / "0", folder / "1"]


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_text("abc\tcba\ncab\tbac\n")
    return path


def call(*arguments: object, lines: list[str] | None = None) -> Result:
    text = "".join(f"{line}\n" for line in lines or [])
    return CliRunner().invoke(cli.app, list(map(str, arguments)), input=text.encode())


def answers(*arguments: object, lines: list[str]) -> list[str]:
    done = call("translate", *arguments, lines=lines)
    assert done.exit_code == 0, done.stderr
    return done.stdout.split("\n")[:-1]


def test_a_line_with_too_many_symbols_leaves_the_others_their_answers(runs: list[Path]) -> None:
    done = call("translate", runs[0], "--min-length", 1, lines=["abc", "İ" * 3000, "cab"])  # two symbols in lower case
    first, second, third, end = done.stdout.split("\n")
    assert (done.exit_code, second, end) == (1, "", "") and first and third
    assert "error: line 2 has 6000 symbols; the limit is 5000" in done.stderr
    with pytest.raises(DataError, match="line 2 has 6000 symbols"):
        raise call("encode", runs[0], lines=["abc", "İ" * 3000]).exception or AssertionError


def test_every_long_line_is_named_by_its_own_number(runs: list[Path]) -> None:
    lines = ["a"] * 600
    for number in (5, 257, 301, 561):
        lines[number - 1] = "abcabc"
    lines[100] = ""
    done = call("translate", runs[0], "--beam", 1, "--max-length", 1, lines=lines)
    told = [line for line in done.stderr.splitlines() if "longer than any in training" in line]
    assert [line.split(" is ")[0] for line in told] == [f"warning: line {n}" for n in (5, 257, 301, 561)]
    assert all("(6 symbols, there at most 3)" in line for line in told)


def test_draws_do_not_depend_on_where_lines_are_cut(runs: list[Path]) -> None:
    lines = ["abc"] * 300
    drawn = answers(runs[0], "--temperature", 2, "--seed", 3, lines=lines)
    assert drawn == unspool.load(runs[0]).translate(lines, temperature=2.0, seed=3)
    assert drawn[:44] != drawn[256:]


@pytest.mark.parametrize("how", [["--beam", 4], ["--temperature", 3]], ids=str)
def test_n_best_lines_for_each_line(runs: list[Path], how: list[object]) -> None:
    found = answers(runs[0], "--n-best", 3, "--min-length", 1, *how, lines=["abc", "", "cab"])
    assert len(found) == 9 and found[3:6] == [""] * 3
    assert len({*found[:3]}) > 1 and all(found[:3]) and all(found[6:])


def first_log_prob(*arguments: object) -> float:
    (line,) = answers(*arguments, "--scores", lines=["abc"])
    return json.loads(line)["symbols"][0][1]


def test_further_runs_make_an_ensemble(runs: list[Path], pairs: Path, tmp_path: Path) -> None:
    one, other = runs
    choices = ["--beam", 1, "--min-length", 1, "--max-length", 1]
    both, alone = first_log_prob(one, "--ensemble", other, *choices), first_log_prob(one, *choices)
    assert abs(both - alone) > 1e-3
    assert both == pytest.approx(first_log_prob(other, "--ensemble", one, *choices))
    chosen = ["--min-length", 2, "--max-length", 8]
    done = call("evaluate", one, other, "--test", pairs, "--out", tmp_path / "answers", *chosen)
    assert json.loads(done.stdout)["lines"] == 2, done.stderr
    written = (tmp_path / "answers").read_text().split("\n")[:-1]
    assert written == answers(one, "--ensemble", other, *chosen, lines=["abc", "cab"])
    assert written != answers(one, *chosen, lines=["abc", "cab"])


def nowhere(folder: Path) -> Path:
    return folder / "no" / "dir" / "x.png"


@pytest.mark.parametrize(
    ("arguments", "place", "message"),
    [
        (["translate", "no run", "abc", "--attention"], nowhere, "there is no folder"),
        (
            ["translate", "no run", "abc", "--attention"],
            lambda folder: folder / "x.txt",
            "ends in .png or .svg or .pdf",
        ),
        (["evaluate", "no run", "--test", "no.tsv", "--out"], nowhere, "there is no folder"),
        (["evaluate", "no run", "--test", "no.tsv", "--out"], lambda folder: folder, "is a folder; name a file"),
        (["evaluate", "no run", "--out"], lambda folder: folder / "x", "name the test files"),
    ],
)
def test_a_destination_is_checked_before_anything_else(
    arguments: list[str], place: Callable[[Path], Path], message: str, tmp_path: Path
) -> None:
    error = call(*arguments, place(tmp_path)).exception
    assert isinstance(error, ConfigError) and message in str(error)


def test_closed_stdin_is_named(runs: list[Path]) -> None:
    command = f"exec {sys.executable} -m unspool translate {runs[0]} <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"stdin is closed; give texts as arguments" in done.stderr
    assert b"Traceback" not in done.stderr
