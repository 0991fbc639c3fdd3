"""The options of `evaluate`: each belongs to the runs of some task, and stands in for what the run was trained with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from unspool import cli
from unspool.cli.evaluate import PANELS
from unspool.errors import ConfigError, DataError


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


def measured(*arguments: object) -> dict[str, Any]:
    done = call("evaluate", *arguments)
    assert done.exit_code == 0, (done.stderr, done.exception)
    return json.loads(done.stdout)


def test_a_classifiers_columns_are_named(every_task: Path, tmp_path: Path) -> None:
    run, other = every_task / "classify", tmp_path / "other.csv"
    other.write_text((every_task / "classify.csv").read_text().replace("text,label", "says,is"))
    error = call("evaluate", run, "--test", other).exception
    assert isinstance(error, DataError) and "--label-column" in str(error)
    named = ["--text-column", "says", "--label-column", "is"]
    assert measured(run, "--test", other, *named) == measured(run, "--test", every_task / "classify.csv")


def test_series_have_their_columns_too(tmp_path: Path) -> None:
    rows = "".join(f"{i},{t},{i * t},{'ab'[i % 2]}\n" for i in range(6) for t in range(3))
    for name, header in (("train", "id,t,x,label"), ("test", "who,when,x,what")):
        (tmp_path / f"{name}.csv").write_text(f"{header}\n{rows}")
    train, test, run = tmp_path / "train.csv", tmp_path / "test.csv", tmp_path / "run"
    start = ["--train", train, "--valid", train, "--out", run, "--hidden", 4, "--max-steps", 1]
    assert call("train", "classify", *start).exit_code == 0
    named = ["--id-column", "who", "--time-column", "when", "--label-column", "what"]
    assert measured(run, "--test", test, *named) == measured(run, "--test", train)


def test_a_taggers_columns_are_named(every_task: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.conll"
    rows = [line.split() for line in (every_task / "tag.tsv").read_text().splitlines()]
    lines = ["# comment", *(" ".join([row[2], "?", row[0]]) if row else "" for row in rows)]
    other.write_text("\n".join(lines) + "\n")
    named = ["--token-column", 3, "--tag-column", 1, "--comments"]
    found = measured(every_task / "tag", "--test", other, *named)
    assert found == measured(every_task / "tag", "--test", every_task / "tag.tsv") and found["tokens"] == 3


def test_keys_are_those_of_the_training(tmp_path: Path) -> None:
    for name, keys in (("a", ("de", "en")), ("b", ("source", "target"))):
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(dict(zip(keys, ("ab", "ba"), strict=True))) + "\n")
    one, other, run = tmp_path / "a.jsonl", tmp_path / "b.jsonl", tmp_path / "run"
    sizes = ["--tokenizer", "chars", "--hidden", 8, "--embedding", 8, "--max-steps", 1]
    start = ["--train", one, "--valid", one, "--keys", "de", "en", "--out", run, *sizes]
    assert call("train", "translate", *start).exit_code == 0
    assert measured(run, "--test", one) == measured(run, "--test", other, "--keys", "source", "target")
    assert isinstance(call("evaluate", run, "--test", other).exception, DataError)


@pytest.mark.parametrize(
    ("task", "option", "whose"),
    [
        ("tag", ["--label-column", "x"], "classifiers"),
        ("tag", ["--beam", "3"], "translators"),
        ("tag", ["--keys", "a", "b"], "translators"),
        ("classify", ["--tag-column", "2"], "taggers"),
        ("classify", ["--out", "x"], "translators"),
        ("language", ["--comments"], "taggers"),
        ("language", ["--text-column", "x"], "classifiers"),
        ("translate", ["--form", "text"], "classifiers and forecasters"),
        ("translate", ["--token-column", "1"], "taggers"),
    ],
    ids=str,
)
def test_an_option_of_another_task_is_refused(task: str, option: list[str], whose: str, every_task: Path) -> None:
    error = call("evaluate", every_task / task, "--test", next(every_task.glob(f"{task}.*")), *option).exception
    assert isinstance(error, ConfigError)
    assert f"{option[0]} belongs to {whose}, but {every_task / task} holds none; leave it out" in str(error)


def test_the_help_shows_whose_each_option_is() -> None:
    panels = re.split(r"╭─ (.*?) ─+╮", call("evaluate", "--help").stdout)
    shown = dict(zip(panels[1::2], panels[2::2], strict=True))
    for names, panel in ((names, shown[title]) for title, names in PANELS.items()):
        for name in names:
            assert f"--{name.replace('_', '-')} " in panel, name
    assert "--form " in shown["Options of classifiers and forecasters"]
    assert set(re.findall(r"--[a-z-]+", shown["Options"])) == {"--test", "--cell", "--help"}


@pytest.mark.parametrize("option", [["--text-column", "x"], ["--tag-column", "2"], ["--keys", "a", "b"]], ids=str)
def test_columns_without_files_are_refused(option: list[str], every_task: Path) -> None:
    error = call("evaluate", every_task / "classify", *option).exception
    assert isinstance(error, ConfigError)
    assert f"{option[0]} is about --test, but no --test was given; name the test files" in str(error)
