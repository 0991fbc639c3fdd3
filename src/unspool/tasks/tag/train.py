"""Train a tagger: learn the vocabulary and the tags, build the model, run the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from unspool.cells import Cell
from unspool.data.class_weights import balanced_weights, tempered
from unspool.data.tagged import Columns, Tokens, checksum, read_all, split_off
from unspool.data.words import Pieces, Words
from unspool.errors import ConfigError, DataError
from unspool.tasks.tag.batches import TagBatches
from unspool.tasks.tag.evaluate import warn_of_unknown_tags
from unspool.tasks.tag.job import TagJob
from unspool.tasks.tag.model import TagModel
from unspool.tasks.tag.rules import follow_rules, rules
from unspool.tasks.tag.settings import TagSettings
from unspool.tasks.tag.spans import has_prefixes
from unspool.train import Summary, TrainSettings, fit
from unspool.train.start import by_part, check, start

WORDS = "words.json"


@dataclass(frozen=True)
class TagData:
    """Sequences to train and to validate on, and the columns of the files that they came from."""

    train: Sequence[Tokens]
    valid: Sequence[Tokens]
    columns: Columns = field(default_factory=Columns)

    @classmethod
    def open(
        cls,
        train: Sequence[Path | str],
        valid: Sequence[Path | str],
        settings: TagSettings,
        columns: Columns | None = None,
    ) -> TagData:
        """Read files (see `unspool.data.tagged.read_tagged`); without `valid`, a share is split off to validate on."""
        columns = columns or Columns()
        sequences = read_all(train, columns)
        if valid:
            return cls(sequences, read_all(valid, columns), columns)
        return cls(*split_off(sequences, settings.valid_share, settings.seed), columns)

    @classmethod
    def dates(cls, *, examples: int, seed: int) -> TagData:
        """The default job: the parts of written dates and times in many languages; nothing is downloaded."""
        from unspool.data.dates.tagged import tagged_splits

        splits = tagged_splits(seed=seed, train_size=examples, test_size=0)
        return cls(splits.train, splits.valid)


def train(
    cell: type[Cell],
    data: TagData,
    settings: TagSettings,
    training: TrainSettings,
    out: Path | str,
    *,
    resume: bool = False,
    force: bool = False,
    origin: dict[str, Any] | None = None,
) -> Summary:
    """Train a tagger into the run folder `out`.

    Args:
        cell: the cell of every layer, shipped or of the user's own.
        data: what to train and validate on.
        settings, training: choices of the model, and of the loop.
        out: the run folder; refused if it holds a run, unless `resume` or `force`.
        origin: where the data came from, as plain values for config.json.

    Raises:
        DataError, ConfigError, RunError, TrainingError, Interrupted: see their messages.

    Example:
        >>> import tempfile
        >>> rows = [Tokens(("the", "dog", "barks"), ("O", "B-X", "O"), "")] * 2
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     sizes = TagSettings(hidden=4, embedding=4)
        ...     done = train(unspool.cells.GRUCell, TagData(rows, rows), sizes, TrainSettings(max_steps=2), folder)
        ...     answers = unspool.load(folder).tag(["the cat barks"])
        >>> done.steps, [token for token, _, _ in answers[0]]
        (2, ['the', 'cat', 'barks'])
    """
    out = Path(out)
    check(out, "tag", cell, files=(WORDS,), resume=resume, force=force)
    tags = _tags(data)
    words = Words.load(out / WORDS) if resume else _learned_words(data.train, settings)
    constrained = _constrained(data.train, tags, settings)
    size = {"max_tokens": settings.max_tokens, "seed": settings.seed}
    train_batches = TagBatches(data.train, words, tags, **size, max_length=settings.max_length)
    warn_of_unknown_tags(data.valid, {tag for sequence in train_batches.sequences for tag in sequence.tags})
    valid_batches = TagBatches(data.valid, words, tags, **size)
    torch.manual_seed(settings.seed)
    model = TagModel(cell, settings, words=words.size, tags=len(tags))
    same = {
        "columns": asdict(data.columns),
        "tags": tags,
        "constrained": constrained,
        "data": by_part(train=_fingerprint(data.train), valid=_fingerprint(data.valid)),
    }
    files = {WORDS: words.to_bytes()}
    run = start(out, "tag", cell, settings, training, same=same, files=files, origin=origin, resume=resume, force=force)
    weights = None
    if settings.class_weights != "none":
        weights = tempered(settings.class_weights, balanced_weights(train_batches.counts()))
    job = TagJob(model, train_batches, valid_batches, tags, rules(tags) if constrained else None, weights)
    return fit(job, training, run, resume=resume)


def _tags(data: TagData) -> list[str]:
    tags, others = (sorted({tag for sequence in part for tag in sequence.tags}) for part in (data.train, data.valid))
    if len(tags) < 2:
        what = f"the one tag {tags[0]!r} only" if tags else "no tags"
        where = f" (first: {data.train[0].place})" if data.train else ""
        unseen = next((f"{tag!r} is in the validation data alone: " for tag in others if tag not in tags), "")
        raise DataError(f"the training data has {what}{where}; {unseen}expected at least two, or another tag_column")
    return tags


def _constrained(sequences: Sequence[Tokens], tags: list[str], settings: TagSettings) -> bool:
    """Whether impossible transitions are forbidden."""
    if settings.constrain == "auto":
        return follow_rules((sequence.tags for sequence in sequences), tags)
    if settings.constrain == "yes" and not has_prefixes(tags):
        raise ConfigError(
            f"constrain is 'yes', but the tags are neither BIO nor IOBES ({', '.join(tags[:5])}), so none of their "
            "transitions is impossible; leave it out"
        )
    return settings.constrain == "yes"


def _learned_words(sequences: Sequence[Tokens], settings: TagSettings) -> Words:
    return Words.learn(
        (sequence.tokens for sequence in sequences),
        pieces=Pieces(settings.ngram_buckets, settings.ngram_min, settings.ngram_max),
        min_count=settings.min_count,
        vocabulary=settings.vocabulary,
        lowercase=settings.lowercase,
    )


def _fingerprint(sequences: Sequence[Tokens]) -> dict[str, int]:
    """What tells these sequences from others."""
    return {"sequences": len(sequences), "crc32": checksum(sequences)}
