"""The default job: written dates and times in many languages into ISO 8601."""

from __future__ import annotations

from typing import Any

from unspool.tasks.translate.translator import DecodeOptions, Translator

PRESET: dict[str, Any] = {
    "tokenizer": "chars",
    "vocabulary": 1000,
    "embedding": 64,
    "hidden": 128,
    "merge": "sum",
    "max_tokens": 4500,
    "attention_score": "general",
    "dropout": 0.0,
    "label_smoothing": 0.0,
}
"""Choices of the model that suit the default job, where the user makes none."""

TRAINING_PRESET: dict[str, Any] = {
    "lr": 3e-3,
    "warmup": 100,
    "schedule": "cosine",
    "max_steps": 950,
    "validate_every": 190,
    "monitor": "exact_match",
    "mode": "max",
    "ema": 0.99,
}
EXAMPLES = 200_000


def evaluate_dates(translator: Translator, options: DecodeOptions, *, seed: int, examples: int) -> list[dict[str, Any]]:
    """Exact match on the held-out parts, each with and without a locale tag in front of the line.

    Returns a row for each part: `part`, `tag`, `lines`, `exact_match`, and `ceiling`: what the best possible reader
    of these lines would reach (some, such as 4/3/21, mean different days in different places).
    """
    from unspool.data.dates import ceiling, default_splits, split_formats, with_tag

    splits = default_splits(seed=seed, train_size=examples)
    rows: list[dict[str, Any]] = []
    formats = split_formats(seed)
    parts = (
        ("unseen dates", splits.test_dates, formats.train),
        ("unseen formats", splits.test_formats, formats.test),
    )
    for part, drawn, written_in in parts:
        for tagged in (True, False):
            lines = [with_tag(example, tagged) for example in drawn]
            answers = translator.translate([line.source for line in lines], options)
            right = sum(answer == line.target for answer, line in zip(answers, lines, strict=True))
            rows.append(
                {
                    "part": part,
                    "tag": tagged,
                    "lines": len(lines),
                    "exact_match": round(right / len(lines), 4),
                    "ceiling": round(ceiling(lines, written_in), 4),
                }
            )
    return rows
