"""What the tests of tagging stand on: sentences with names in them, and a training of a few steps."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from unspool.cells import GRUCell
from unspool.data.tagged import Tokens
from unspool.tasks.tag import TagData, TagSettings, train
from unspool.train import TrainSettings

SIZES: dict[str, Any] = {"hidden": 12, "embedding": 12, "ngram_buckets": 200, "dropout": 0.0, "max_tokens": 200}


def sentences(count: int, seed: int = 0) -> list[Tokens]:
    """Names of one or two words among others; that a word is a name is seen from the word before it alone."""
    drawn = random.Random(seed)
    found: list[Tokens] = []
    for number in range(count):
        tokens: list[str] = []
        tags: list[str] = []
        for _ in range(drawn.randint(1, 4)):
            if drawn.random() < 0.5:
                length = drawn.randint(1, 2)
                tokens += ["Mr", *drawn.choices(["rose", "bush", "field"], k=length), "sings"]
                tags += ["O", "B-PER", *["I-PER"] * (length - 1), "O"]
            else:
                tokens += ["a", drawn.choice(["rose", "bush", "field"])]
                tags += ["O", "O"]
        found.append(Tokens(tuple(tokens), tuple(tags), f"sentence {number}"))
    return found


DATA = TagData(sentences(80), sentences(30, seed=1))


def fit(
    out: Path, *, data: TagData = DATA, cell: Any = GRUCell, steps: int = 3, resume: bool = False,
    training: dict[str, Any] | None = None, **choices: Any,
) -> Path:  # fmt: skip
    """Train for some steps; `out`."""
    settings = TrainSettings(max_steps=steps, **{"lr": 0.02, "validate_every": 500, **(training or {})})
    train(cell, data, TagSettings(**{**SIZES, **choices}), settings, out, resume=resume)
    return out


def answers(tagger: Any, text: str) -> list[str]:
    return [one.tag for one in tagger.tag([text])[0]]
