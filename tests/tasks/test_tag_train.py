"""Training a tagger: every choice, what it is trained on, its run folder, and what it is resumed with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import toy_tagging

import unspool
from unspool.data.tagged import Tokens
from unspool.errors import ConfigError, DataError, RunError
from unspool.tasks.tag import TagData


@pytest.mark.parametrize(
    "choices",
    [
        {"bidirectional": False}, {"merge": "sum", "layers": 2, "residual": True}, {"lowercase": True},
        {"ngram_buckets": 0}, {"word_dropout": 0.5, "dropout": 0.5, "recurrent_dropout": 0.5}, {"min_count": 999},
        {"vocabulary": 2}, {"crf": True, "dropout": 0.2}, {"unit": "chars"}, {"max_tokens": 1},
        {"ngram_min": 1, "ngram_max": 9}, {"cell_options": {"recurrent_init": "orthogonal"}},
    ],
    ids=str,
)  # fmt: skip
def test_every_choice_is_trained_and_loaded(choices: dict[str, Any], tmp_path: Path) -> None:
    tagger = unspool.load(toy_tagging.fit(tmp_path / "run", steps=2, **choices))
    assert len(toy_tagging.answers(tagger, "Mr Rose")) == (7 if choices.get("unit") else 2)
    first = tagger._loaded[0]
    words = first.words
    assert first.model.net.bidirectional is choices.get("bidirectional", True)
    assert first.model.net.output_size == (12 if {"bidirectional", "merge"} & choices.keys() else 24)
    assert words.size == {"min_count": 1, "vocabulary": 3}.get(next(iter(choices)), 7)
    if "lowercase" in choices:
        assert toy_tagging.answers(tagger, "MR ROSE BUSH") == toy_tagging.answers(tagger, "mr rose bush")


def test_tags_that_break_the_rule_in_training_are_not_held_to_it(tmp_path: Path) -> None:
    rows = [Tokens(("a", "b"), ("O", "I-X"), "1"), Tokens(("c",), ("B-X",), "2")]  # IOB1
    run = toy_tagging.fit(tmp_path / "a", data=TagData(rows, rows), steps=1)
    assert json.loads((run / "config.json").read_text())["constrained"] is False
    plain = [Tokens(("a", "b"), ("N", "V"), "1")]
    assert toy_tagging.fit(tmp_path / "b", data=TagData(plain, plain), steps=1)
    with pytest.raises(ConfigError, match="neither BIO nor IOBES"):
        toy_tagging.fit(tmp_path / "c", data=TagData(plain, plain), steps=1, constrain="yes")


@pytest.mark.parametrize(
    ("tags", "message"),
    [(["O"], "the one tag 'O' only"), (["N"], "the one tag 'N' only")],
)  # fmt: skip
def test_one_tag_alone_is_refused(tags: list[str], message: str, tmp_path: Path) -> None:
    rows = [Tokens(("a",), tuple(tags), "a.conll, line 1")] * 3
    with pytest.raises(DataError, match=rf"{message} \(first: a\.conll, line 1\)"):
        toy_tagging.fit(tmp_path / "run", data=TagData(rows, rows))
    other = [Tokens(("b",), ("B-X",), "a.conll, line 9")]
    with pytest.raises(DataError, match=rf"{message} \(first: .*\); 'B-X' is in the validation data alone: expected"):
        toy_tagging.fit(tmp_path / "run", data=TagData(rows, [*rows, *other]))
    assert not (tmp_path / "run").exists()


def test_long_sequences_are_left_out_of_training_alone(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"left out: \d+ of 80 sequences, with more than 6 tokens; .* --max-length"):
        run = toy_tagging.fit(tmp_path / "run", max_length=6)
    assert len(unspool.load(run).tag([["rose"] * 3000])[0]) == 3000
    long = [sentence for sentence in toy_tagging.DATA.train if len(sentence.tokens) > 2]
    one = next(sentence for sentence in long if len(set(sentence.tags)) > 1)
    for rows, said in ((long, f"{len(long)} of {len(long)} sequences"), ([one], "1 of 1 sequence")):
        with (
            pytest.raises(DataError, match="all are too long"),
            pytest.warns(UserWarning, match=f"left out: {said}, with more than 1 token; "),
        ):
            toy_tagging.fit(tmp_path / "none", data=TagData(rows, toy_tagging.DATA.valid), max_length=1)


def test_a_folder_that_holds_a_run_is_refused(names: Path) -> None:
    with pytest.raises(RunError, match=r"--resume.*--force"):
        toy_tagging.fit(names)


@pytest.mark.parametrize("crf", [False, True])
def test_resumed_gives_the_bits_of_uninterrupted(crf: bool, tmp_path: Path) -> None:
    """With every kind of drawn number in play: order, word dropout, dropout, recurrent dropout."""
    choices = {"crf": crf, "word_dropout": 0.3, "dropout": 0.3, "recurrent_dropout": 0.2, "max_tokens": 60}
    whole = toy_tagging.fit(tmp_path / "whole", steps=9, **choices)
    part = toy_tagging.fit(tmp_path / "part", steps=4, **choices)
    with pytest.warns(UserWarning, match="max_steps 4 → 9"):
        toy_tagging.fit(part, steps=9, resume=True, **choices)
    assert (whole / "model.safetensors").read_bytes() == (part / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (TagData(toy_tagging.sentences(81), toy_tagging.DATA.valid), "train_sequences 80 → 81"),
        (TagData(toy_tagging.DATA.train[::-1], toy_tagging.DATA.valid), "train_crc32"),
        (TagData(toy_tagging.DATA.train, toy_tagging.sentences(30, seed=7)), "valid_crc32"),
        (TagData([*toy_tagging.DATA.train[1:], Tokens(("a",), ("B-LOC",), "")], toy_tagging.DATA.valid), "tags"),
    ],
    ids=["more", "order", "valid", "tags"],
)  # fmt: skip
def test_resuming_on_other_data_is_refused(other: TagData, named: str, tmp_path: Path) -> None:
    toy_tagging.fit(tmp_path / "run", steps=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=f"cannot be resumed with other choices or data.*{named}"):
        toy_tagging.fit(tmp_path / "run", data=other, steps=2, resume=True)
    with pytest.raises(RunError, match="hidden 12 → 8"):
        toy_tagging.fit(tmp_path / "run", steps=2, resume=True, hidden=8)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_run_that_knew_fewer_settings_goes_on(tmp_path: Path) -> None:
    run = toy_tagging.fit(tmp_path / "run", steps=1)
    config = json.loads((run / "config.json").read_text())
    del config["settings"]["class_weights"]
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match='class_weights null → "sqrt"'):
        toy_tagging.fit(run, steps=2, resume=True, class_weights="sqrt")
    with pytest.warns(UserWarning, match="max_steps 1 → 2"):
        toy_tagging.fit(run, steps=2, resume=True)


def test_a_tag_of_sequences_left_out_is_told(tmp_path: Path) -> None:
    long = Tokens(("x",) * 30, ("LONG",) * 30, "long")
    data = TagData([*toy_tagging.DATA.train, long], [*toy_tagging.DATA.valid, long])
    with pytest.warns(UserWarning, match=r"left out: 1 of 81"), pytest.warns(UserWarning, match=r"never saw.*LONG"):
        toy_tagging.fit(tmp_path / "run", data=data, steps=1, max_length=20)
