"""The default job: written dates and times in many languages into ISO 8601."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from unspool.tasks.translate.decode_options import DecodeOptions
from unspool.tasks.translate.translator import Translator

if TYPE_CHECKING:
    from unspool.data.dates import Example

PRESET: dict[str, Any] = {
    "tokenizer": "bpe",
    "vocabulary": 3000,
    "embedding": 64,
    "hidden": 128,
    "merge": "sum",
    "max_tokens": 2800,
    "attention_score": "general",
    "dropout": 0.0,
    "label_smoothing": 0.0,
}
"""Choices of the model that suit the default job, where the user makes none."""

TRAINING_PRESET: dict[str, Any] = {
    "lr": 4e-3,
    "betas": (0.9, 0.98),
    "warmup": 100,
    "schedule": "cosine",
    "max_steps": 1600,
    "validate_every": 200,
    "monitor": "exact_match",
    "ema": 0.99,
}
EXAMPLES = 200_000


class Part(NamedTuple):
    """A held-out part of the default job: lines, and the best possible reader's share of right answers."""

    name: str
    tagged: bool
    lines: list[Example]
    ceiling: float


def held_out(*, seed: int, lines: int = 5000) -> Iterator[Part]:
    """The held-out parts, each with a locale tag in front of every line and without one.

    The ceiling is below 1 where a line, such as 4/3/21, means different days in different places.
    """
    from unspool.data.dates import ceiling, default_splits, split_formats, with_tag

    splits, formats = default_splits(seed=seed, train_size=0, valid_size=0, test_size=lines), split_formats(seed)
    parts = (
        ("unseen dates", splits.test_dates, formats.train),
        ("unseen formats", splits.test_formats, formats.test),
    )
    for name, drawn, written_in in parts:
        for tagged in (True, False):
            asked = [with_tag(example, tagged) for example in drawn]
            yield Part(name, tagged, asked, ceiling(asked, written_in))


def evaluate_dates(translator: Translator, options: DecodeOptions, *, seed: int) -> list[dict[str, Any]]:
    """A row for each held-out part: `part`, `tag`, `lines`, `exact_match`, `ceiling`."""
    rows: list[dict[str, Any]] = []
    for part in held_out(seed=seed):
        answers = translator.translate([line.source for line in part.lines], options)
        share = exact_match(answers, part)
        rows.append(
            {
                "part": part.name,
                "tag": part.tagged,
                "lines": len(part.lines),
                "exact_match": round(share, 4),
                "ceiling": round(part.ceiling, 4),
            }
        )
    return rows


def exact_match(answers: list[str], part: Part) -> float:
    """The share of lines that were answered to the letter."""
    return sum(answer == line.target for answer, line in zip(answers, part.lines, strict=True)) / len(answers)
