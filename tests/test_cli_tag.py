"""The `train tag`, `tag` and `evaluate` commands, called in this process."""

from __future__ import annotations

import gzip
import json
import os
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import unspool
from unspool import cli
from unspool.errors import ConfigError, DataError, UnspoolError

TRAIN = "Mr NNP B-PER\nrose NNP I-PER\nsings VBZ O\n\na DT O\nrose NN O\n\n"
SMALL = ["--hidden", 8, "--embedding", 8, "--ngram-buckets", 50, "--max-steps", 3, "--lr", 0.02]


def call(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli.app, list(map(str, arguments)), input=stdin)


def output(*arguments: object, stdin: bytes = b"") -> str:
    done = call(*arguments, stdin=stdin)
    assert done.exit_code == 0, (done.stderr, done.exception)
    return done.stdout


def problem(*arguments: object) -> str:
    error = call(*arguments).exception
    assert isinstance(error, UnspoolError), error
    return str(error)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.conll"
    path.write_text(TRAIN * 4 + "one CD O\n")
    return path


@pytest.fixture(scope="module")
def run(data: Path) -> Path:
    out = data.parent / "run"
    told = json.loads(output("train", "tag", "--train", data, "--valid", data, "--out", out, *SMALL))
    assert told["run"] == str(out) and told["steps"] == 3 and {"loss", "accuracy", "span_f1"} <= told["best"].keys()
    return out


@pytest.fixture(scope="module")
def dates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default job, made short."""
    out = tmp_path_factory.mktemp("runs") / "dates"
    choices = ["--examples", 400, "--max-steps", 40, "--layers", 1, "--hidden", 24, "--warmup", 0, "--lr", 0.02]
    output("train", "tag", "--out", out, *choices)
    return out


def test_the_same_lines_with_one_more_column(run: Path, tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O\n\nMr  NNP B-PER\nrose\tNNP\tx\n\n\n a DT O\n"
    (tmp_path / "a.conll").write_text(text)
    printed = output("tag", run, tmp_path / "a.conll")
    tagger = unspool.load(run)
    first, second = tagger.tag([["Mr", "rose"], ["a"]])
    assert printed.split("\n") == [
        "-DOCSTART- -X- O", "", f"Mr  NNP B-PER {first[0].tag}", f"rose\tNNP\tx\t{first[1].tag}", "", "",
        f" a DT O {second[0].tag}", "",
    ]  # fmt: skip
    (tmp_path / "b.gz").write_bytes(gzip.compress(text.encode()))
    assert output("tag", run, tmp_path / "b.gz") == printed
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    threading.Thread(target=fifo.write_text, args=(text,), daemon=True).start()
    assert output("tag", run, fifo) == printed
    scored = output("tag", run, tmp_path / "a.conll", "--scores").split("\n")[2]
    assert scored == f"Mr  NNP B-PER {first[0].tag} {first[0].probability:.4f}"


def test_a_file_of_tokens_only_and_another_column(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Mr\nrose\n")
    tags = [one.tag for one in unspool.load(run).tag(["Mr rose"])[0]]
    assert output("tag", run, tmp_path / "a.txt") == f"Mr {tags[0]}\nrose {tags[1]}\n"
    (tmp_path / "b.txt").write_text("1 Mr\n2 rose\n")
    for column in (2, -1):
        printed = output("tag", run, tmp_path / "b.txt", "--token-column", column)
        assert printed == f"1 Mr {tags[0]}\n2 rose {tags[1]}\n"
    assert "token_column is 0; columns count from 1" in problem("tag", run, tmp_path / "b.txt", "--token-column", 0)
    message = problem("tag", run, tmp_path / "b.txt", "--token-column", -3)
    assert "b.txt, line 1: there is no column -3 for the token among 2" in message
    (tmp_path / "c.txt").write_text("O Mr\nO rose\n")  # a file with tags, told by their column in training
    assert output("tag", run, tmp_path / "c.txt", "--token-column", "-1").split("\n")[0] == f"O Mr {tags[0]}"


def test_the_token_may_be_in_the_last_column_in_training(run: Path, data: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.conll"
    turned.write_text("".join(" ".join(line.split()[::-1]) + "\n" for line in data.read_text().splitlines()))
    out = tmp_path / "run"
    columns = ["--token-column", -1, "--tag-column", 1]
    output("train", "tag", "--train", turned, "--valid", turned, "--out", out, *SMALL, *columns)
    assert unspool.load(out).tag(["Mr rose"]) == unspool.load(run).tag(["Mr rose"])
    (tmp_path / "new.conll").write_text("NNP Mr\nNNP rose\n")
    assert [line.split()[:2] for line in output("tag", out, tmp_path / "new.conll").splitlines()] == [
        ["NNP", "Mr"], ["NNP", "rose"],
    ]  # fmt: skip
    (tmp_path / "new.conll").write_text("Mr\tx\nrose\tx\n")
    tags = [one.tag for one in unspool.load(run).tag(["Mr rose"])[0]]
    printed = output("tag", out, tmp_path / "new.conll", "--token-column", 1)
    assert printed == f"Mr\tx\t{tags[0]}\nrose\tx\t{tags[1]}\n"
    refused = problem("train", "tag", "--train", turned, "--out", tmp_path / "none", "--token-column", 0)
    assert "token_column is 0; columns count from 1, or from the end: -1 is the last" in refused
    measured = json.loads(output("evaluate", out, "--test", data, "--token-column", 1, "--tag-column", -1))
    assert measured == json.loads(output("evaluate", run, "--test", data))


def test_json_lines(run: Path, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 7, "tokens": ["Mr", "röse"]}\n\n{"tokens": ["a"], "tags": ["?"]}\n')
    first, blank, second, _ = output("tag", run, tmp_path / "a.jsonl", "--scores").split("\n")
    (answer,) = unspool.load(run).tag([["Mr", "röse"]])
    assert json.loads(first) == {
        "id": 7, "tokens": ["Mr", "röse"], "tags": [one.tag for one in answer],
        "probabilities": [round(one.probability, 4) for one in answer],
    }  # fmt: skip
    assert blank == "" and json.loads(second)["tags"] != ["?"] and "ö" in first


def test_texts_as_arguments_and_as_lines(run: Path) -> None:
    def lines(text: str) -> str:
        return "".join(f"{one.token}\t{one.tag}\n" for one in unspool.load(run).tag([text])[0])

    expected = f"{lines('Mr rose')}\n{lines('a')}"
    assert output("tag", run, "Mr rose", "a") == expected
    assert output("tag", run, stdin=b"Mr rose\na\n") == expected
    assert output("tag", run, stdin=b"a\r\n\nMr\n") == f"{lines('a')}\n\n{lines('Mr')}"
    assert output("tag", run, "x" * 300).count("\t") == 1  # longer than any file's name
    assert re.fullmatch(r"a\t\S+\t[01]\.\d{4}\n", output("tag", run, "a", "--scores"))


def test_a_line_that_is_not_utf8_leaves_the_others_their_answers(run: Path) -> None:
    done = call("tag", run, stdin=b"a\n\xff\nMr\n")
    assert done.exit_code == 1 and "error: line 2 is not UTF-8" in done.stderr
    assert [line.split("\t")[0] for line in done.stdout.split("\n")] == ["a", "", "", "Mr", ""]


def test_an_ensemble(run: Path, data: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    output("train", "tag", "--train", data, "--out", other, "--seed", 5, "--valid-share", 0.4, *SMALL)
    shares = [
        float(output("tag", *runs, "a", "--scores").split("\t")[2])
        for runs in ([run], [other], [run, "--ensemble", other])
    ]
    assert min(shares[:2]) <= shares[2] <= max(shares[:2]) + 1e-4
    measured = json.loads(output("evaluate", run, other, "--test", data))
    assert measured["tokens"] == 21 and 0 <= measured["span_f1"] <= 1


class Text(HTMLParser):
    """The marked parts of a page, and all that a browser would fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.marks: list[str] = []
        self.fetched: list[tuple[str, Any]] = []
        self.text, self.inside = "", False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.inside = tag == "mark"
        self.marks += [""] if self.inside else []
        self.fetched += [(name, value) for name, value in attrs if name in ("src", "href")]
        assert tag in ("meta", "title", "style", "p", "span", "mark"), tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.inside:
            self.marks[-1] += data


def test_a_page_of_coloured_spans(dates: Path, run: Path, tmp_path: Path) -> None:
    texts = ["<b>Mi</b>, 3. März 2021", "4/3/21"]
    output("tag", dates, *texts, "--html", tmp_path / "a.html")
    page = Text((tmp_path / "a.html").read_text(encoding="utf-8"))
    assert all(text in page.text for text in texts) and not page.fetched
    found = [unspool.tasks.tag.spans([one.tag for one in row], prefixed=True) for row in unspool.load(dates).tag(texts)]
    expected = [text[start:end] for text, row in zip(texts, found, strict=True) for start, end, _ in row]
    assert page.marks == expected != []
    output("tag", run, "Mr rose sings", "--html", tmp_path / "b.html")
    assert "Mr rose sings" in Text((tmp_path / "b.html").read_text()).text


def test_the_default_job_reads_characters(dates: Path) -> None:
    text = "Mi., 3. März 2021"
    rows = [line.split("\t") for line in output("tag", dates, text).split("\n")[:-1]]
    assert [row[0] for row in rows] == list(text)
    assert [row[1][2:] for row in rows[-4:]] == ["year"] * 4
    parts = json.loads(output("evaluate", dates))["parts"]
    assert [part["part"] for part in parts] == ["unseen dates", "unseen formats"]
    assert parts[0]["sequences"] == 3000 and parts[0]["span_f1"] > 0.4 and "zone" in parts[0]["by_type"]


def test_resume_and_force(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    again = ["train", "tag", "--train", data, "--valid", data, "--out", out, *SMALL]
    output(*again)
    assert "--resume" in problem(*again)
    with pytest.warns(UserWarning, match="max_steps 3 → 5"):
        assert json.loads(output(*again, "--resume", "--max-steps", 5))["steps"] == 5
    assert "name them again with --train" in problem("train", "tag", "--out", out, "--resume")
    assert json.loads(output(*again, "--force"))["steps"] == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--valid", "x"], "--valid was given without --train"),
        (["--train", "DATA", "--examples", 3], "--examples belongs to the default job"),
        (["--tag-column", 2], "--tag-column is about files of your own"),
        (["--valid-share", 0.2], "--valid-share is about files of your own"),
        (["--train", "DATA", "--valid", "DATA", "--valid-share", 0.2], "--valid-share splits off a part of --train"),
        (["--train", "no.conll"], r"there is no file no\.conll"),
        (["--train", "DATA", "--tag-column", 9], r"train\.conll, line 1: there is no column 9"),
        (["--train", "DATA", "--tag-column", 1], "name two columns"),
        (["--train", "DATA", "--valid", "DATA", "--tag-column", 2, "--constrain", "yes"], "neither BIO nor IOBES"),
        (["--train", "DATA", "--crf", "--cell", "nope"], "nope"),
        (["--train", "DATA", "--cell-option", "x=1"], "x"),
    ],
    ids=str,
)
def test_what_does_not_go_together_is_named(options: list[object], message: str, data: Path, tmp_path: Path) -> None:
    told = problem("train", "tag", "--out", tmp_path / "run", *(data if o == "DATA" else o for o in options))
    assert re.search(message, told), told
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (["missing.conll"], DataError, r"there is no file missing\.conll"),
        (["DATA", "a text"], ConfigError, "is a file, but 'a text' is a text"),
        (["a", "--html", "no/such/folder/a.html"], ConfigError, "there is no folder"),
        (["DATA", "--token-column", 0], ConfigError, "columns count from 1"),
        (["DATA", "--token-column", 7], DataError, r"train\.conll, line 1: there is no column 7 for the token"),
    ],
    ids=str,
)
def test_what_cannot_be_tagged_is_named(
    arguments: list[object], kind: type[Exception], message: str, run: Path, data: Path
) -> None:
    error = call("tag", run, *(data if a == "DATA" else a for a in arguments)).exception
    assert isinstance(error, kind) and re.search(message, str(error)), error


def test_a_run_of_files_needs_its_test_files(run: Path) -> None:
    assert "--test" in problem("evaluate", run)
    assert "holds no tagger" not in problem("tag", "no run", "x")
