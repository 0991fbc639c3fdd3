"""The default job: the parts of written dates and times in many languages, character by character."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from unspool.train import Run
from unspool.train.restored import default_origin

if TYPE_CHECKING:
    from unspool.data.tagged import Tokens

PRESET: dict[str, Any] = {
    "unit": "chars",
    "ngram_buckets": 0,
    "word_dropout": 0.01,
    "embedding": 48,
    "hidden": 96,
    "layers": 2,
    "dropout": 0.1,
    "max_tokens": 1500,
}
"""Choices of the model that suit the default job, where the user makes none."""

TRAINING_PRESET: dict[str, Any] = {
    "lr": 5e-3,
    "warmup": 50,
    "schedule": "cosine",
    "max_steps": 600,
    "validate_every": 150,
    "monitor": "span_f1",
}
EXAMPLES = 30_000


def held_out(run: Run) -> list[tuple[str, list[Tokens]]]:
    """The test parts of the default job, drawn with the seed that `run` was trained with.

    Raises:
        ConfigError: the run was trained on files. RunError: its config does not say on what.
    """
    origin = default_origin(run, "dates", seed=True)
    from unspool.data.dates.tagged import tagged_splits

    splits = tagged_splits(seed=origin["seed"], train_size=0, valid_size=0)
    return [("unseen dates", splits.test_dates), ("unseen formats", splits.test_formats)]
