"""The `encode` command for a run of each task, called in this process: the vectors are those of Python's `encode`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from typer.testing import CliRunner, Result

import unspool
from unspool import cli
from unspool.data.tagged import read_tagged
from unspool.errors import ConfigError, DataError, UnspoolError

SMALL = ["--hidden", 6, "--max-steps", 2]
TEXTS = ["one two", "", "Ada"]


def call(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli.app, list(map(str, arguments)), input=stdin)


def encoded(*arguments: object, stdin: bytes = b"") -> list[Any]:
    """The lists of all lines."""
    done = call("encode", *arguments, stdin=stdin)
    assert done.exit_code == 0, (done.stderr, done.exception)
    return [json.loads(line) for line in done.stdout.splitlines()]


def refused(*arguments: object, stdin: bytes = b"") -> UnspoolError:
    error = call("encode", *arguments, stdin=stdin).exception
    assert isinstance(error, UnspoolError), error
    return error


def same(found: list[Any], expected: Any) -> bool:
    return len(found) == len(expected) and all(
        np.array_equal(np.asarray(a, dtype=np.float32), np.asarray(b).reshape(np.shape(a)))
        for a, b in zip(found, expected, strict=True)
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of each task."""
    made = tmp_path_factory.mktemp("files")
    rows = [f"{word},{label}" for label, words in (("a", "ab aab ba"), ("b", "cd dcc ddd")) for word in words.split()]
    (made / "words.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    steps = [f"{name},{t},{t * sign},{way}" for name, sign, way in _slopes() for t in range(4)]
    (made / "steps.csv").write_text("\n".join(["id,t,x,label", *steps]) + "\n")
    (made / "a.conll").write_text("Ada NNP B-PER\nsleeps VBZ O\n\nYes UH O\n")
    (made / "a.txt").write_text("one two three\ntwo three one\n" * 20)
    pandas.DataFrame(
        {"unique_id": ["a"] * 60 + ["b"] * 60, "ds": [*range(60)] * 2, "y": np.sin(np.arange(120) / 3) + 2}
    ).to_csv(made / "series.csv", index=False)
    return made


def _slopes() -> list[tuple[str, int, str]]:
    return [(f"s{i}", (-1) ** i, "fall" if i % 2 else "rise") for i in range(8)]


def trained(folder: Path, task: str, name: str, *options: object) -> Path:
    out = folder / f"{task}-{Path(name).stem}"
    done = call("train", task, "--train", folder / name, "--valid", folder / name, "--out", out, *SMALL, *options)
    assert done.exit_code == 0, (done.stderr, done.exception)
    return out


def test_texts_of_a_classifier(folder: Path) -> None:
    run = trained(folder, "classify", "words.csv", "--tokenizer", "chars", "--readout", "mean")
    model = unspool.load(run)
    assert same(encoded(run, *TEXTS), model.encode(TEXTS))
    assert same(encoded(run, stdin=b"one two\n\nAda\n"), model.encode(TEXTS))
    words = [row.split(",")[0] for row in (folder / "words.csv").read_text().splitlines()[1:]]
    assert same(encoded(run, folder / "words.csv"), model.encode(words))
    other = folder / "other.jsonl"
    other.write_text('{"said": "ab"}\n\n{"said": "cd"}\n')
    assert same(encoded(run, other, "--text-column", "said"), model.encode(["ab", "cd"]))
    assert "line 2 is not UTF-8" in str(refused(run, stdin=b"a\n\xff\n"))
    assert isinstance(refused(run, "missing.csv"), DataError)
    assert "--token-column belongs to taggers" in str(refused(run, "ab", "--token-column", 1))


def test_series_of_a_classifier(folder: Path) -> None:
    run = trained(folder, "classify", "steps.csv")
    model = unspool.load(run)
    slopes = [np.arange(4.0) * sign for _, sign, _ in _slopes()]
    found = encoded(run, folder / "steps.csv")
    assert same(found, model.encode(slopes)) and {len(vector) for vector in found} == {12}
    unlabelled = folder / "unlabelled.csv"
    unlabelled.write_text("who,t,x\n" + "".join(f"s,{t},{t}\n" for t in range(4)))
    assert same(encoded(run, unlabelled, "--id-column", "who"), model.encode(slopes[:1]))
    assert "reads numbers, not texts" in str(refused(run, "a text"))
    assert "was trained on files; name the test files" in str(refused(run))


def test_tokens_of_a_tagger(folder: Path) -> None:
    run = trained(folder, "tag", "a.conll", "--embedding", 6, "--ngram-buckets", 20)
    model = unspool.load(run)
    found = encoded(run, *TEXTS)
    assert [len(text) for text in found] == [2, 0, 1] and len(found[0][0]) == 12
    assert same(found, model.encode(TEXTS)) and same(encoded(run, stdin=b"one two\n\nAda"), model.encode(TEXTS))
    sequences = read_tagged(folder / "a.conll", tags=False)
    assert same(encoded(run, folder / "a.conll"), model.encode([sequence.tokens for sequence in sequences]))
    assert same(encoded(run, folder / "a.conll", "--token-column", -1), model.encode([["B-PER", "O"], ["O"]]))
    assert "--form belongs to classifiers" in str(refused(run, "Ada", "--form", "text"))


def test_texts_of_a_language_model(folder: Path) -> None:
    run = trained(folder, "language", "a.txt", "--batch", 2, "--truncate", 16, "--tokenizer", "chars")
    model = unspool.load(run)
    assert same(encoded(run, *TEXTS), model.encode(TEXTS))
    assert same(encoded(run, folder / "a.txt"), model.encode((folder / "a.txt").read_text().splitlines()))
    assert "line 2 is not UTF-8" in str(refused(run, stdin=b"a\n\xff\n"))


def test_series_of_a_forecaster(folder: Path) -> None:
    run = trained(folder, "forecast", "series.csv", "--horizon", 4, "--season", 1)
    model = unspool.load(run)
    found = encoded(run, folder / "series.csv")
    assert len(found) == 2 and same(found, model.encode(pandas.read_csv(folder / "series.csv")))
    assert isinstance(refused(run), ConfigError) and isinstance(refused(run, folder / "none.csv"), DataError)


def test_lines_of_a_file_for_a_translator(folder: Path) -> None:
    pairs = folder / "pairs.tsv"
    pairs.write_text("ab\tba\ncd\tdc\n")
    run = trained(folder, "translate", "pairs.tsv", "--tokenizer", "chars", "--embedding", 6)
    model = unspool.load(run)
    assert same(encoded(run, folder / "a.txt"), model.encode((folder / "a.txt").read_text().splitlines()))
    assert same(encoded(run, *TEXTS), model.encode(TEXTS))
