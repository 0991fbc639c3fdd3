"""The network: what each of its parts can know, with any cell."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import toy_tagging

import unspool
from unspool.cells import LSTMCell, load_cell
from unspool.data.tagged import Tokens
from unspool.errors import ConfigError
from unspool.tasks.tag import TagData

MINE = """
import torch, unspool

class Mine(unspool.Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.x = torch.nn.Linear(input_size, 2 * hidden_size)
        self.h = torch.nn.Linear(hidden_size, 2 * hidden_size, bias=False)

    def forward(self, x, h):
        gate, new = (self.x(x) + self.h(h)).chunk(2, -1)
        h = h + torch.sigmoid(gate) * (torch.tanh(new) - h)
        return h, h
"""


def test_one_direction_sees_nothing_of_what_follows(tmp_path: Path) -> None:
    forward = unspool.load(toy_tagging.fit(tmp_path / "f", bidirectional=False))
    both = unspool.load(toy_tagging.fit(tmp_path / "b"))

    def first(tagger: Any, text: str) -> float:
        return tagger.tag([text])[0][0].probability

    assert first(forward, "a rose") == pytest.approx(first(forward, "a bush Mr"), abs=1e-6)
    assert abs(first(both, "a rose") - first(both, "a bush Mr")) > 1e-4


def test_a_crf_learns_what_follows_what(tmp_path: Path) -> None:
    """Tags alternate whatever the tokens are: the transitions alone can know."""
    rows = [Tokens(("x",) * n, tuple("AB"[(t + s) % 2] for t in range(n)), "") for n in range(2, 9) for s in (0, 1)]
    choices = {"crf": True, "bidirectional": False, "training": {"lr": 0.1}}
    run = toy_tagging.fit(tmp_path / "run", data=TagData(rows, rows), steps=60, **choices)
    tags = toy_tagging.answers(unspool.load(run), "x x x x x x")
    assert tags in (list("ABABAB"), list("BABABA"))


@pytest.mark.parametrize(("kind", "share"), [("none", 0.9), ("sqrt", 0.75), ("balanced", 0.5)])
def test_class_weights_shift_what_is_learned(kind: str, share: float, tmp_path: Path) -> None:
    """Of ten tokens alike nine are A: odds of 9, of 9 / 3 with square roots, of 9 / 9 with balanced weights."""
    rows = [Tokens(("x",), (tag,), "") for tag in "AAAAAAAAAB"]
    choices = {"class_weights": kind, "word_dropout": 0.0, "training": {"lr": 0.05, "schedule": "cosine"}}
    run = toy_tagging.fit(tmp_path / "run", data=TagData(rows, rows), steps=100, **choices)
    one = unspool.load(run).tag(["x"])[0][0]
    assert (one.probability if one.tag == "A" else 1 - one.probability) == pytest.approx(share, abs=0.01)
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()][-1]
    expected = -0.9 * math.log(share) - 0.1 * math.log(1 - share)  # to validate on, each token has the same weight
    assert metrics["loss"] == pytest.approx(expected, rel=1e-2)


def test_lstm_and_half_precision(tmp_path: Path) -> None:
    for crf in (False, True):
        run = toy_tagging.fit(tmp_path / str(crf), cell=LSTMCell, crf=crf, training={"precision": "bf16"}, steps=4)
        assert len(toy_tagging.answers(unspool.load(run), "Mr rose")) == 2


def test_a_cell_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    cell = load_cell(f"{tmp_path / 'mine.py'}:Mine")
    run = toy_tagging.fit(tmp_path / "run", cell=cell, steps=60)
    assert toy_tagging.answers(unspool.load(run, cells=[cell]), "Mr rose sings") == ["O", "B-PER", "O"]
    with pytest.raises(ConfigError, match=r"--cell your_file.py:Mine"):
        unspool.load(run)
