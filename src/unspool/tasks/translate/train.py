"""Train a translator: open the data, learn the vocabularies, build the model, run the loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch

from unspool.cells import Cell
from unspool.data.batches import Batches, plain
from unspool.data.corpus import JSON_KEYS, ListCorpus, ParallelCorpus, open_parallel
from unspool.data.covered import check_covered, warn_of_unknown
from unspool.data.listed import ListedTokenizer
from unspool.data.tokenizer import Tokenizer, load_tokenizer, tokenizer_bytes, train_tokenizer
from unspool.errors import ConfigError
from unspool.layers.encoder_decoder import EncoderDecoder
from unspool.tasks.translate.job import TranslateJob
from unspool.tasks.translate.settings import TranslateSettings
from unspool.train import Summary, TrainSettings, fit
from unspool.train.start import by_part, check, start

SOURCE, TARGET = "source.tokenizer", "target.tokenizer"
SPARE = 10
"""Symbols by which an answer may be longer than the longest target of the training data."""


@dataclass(frozen=True)
class TranslateData:
    """Parallel text to train and to validate on, and the keys that it had in JSON lines."""

    train: ParallelCorpus
    valid: ParallelCorpus
    keys: tuple[str, str] = JSON_KEYS

    @classmethod
    def open(
        cls, train: Sequence[Path | str], valid: Sequence[Path | str], *, keys: tuple[str, str] = JSON_KEYS
    ) -> TranslateData:
        """Open files (see `unspool.data.corpus.open_parallel`)."""
        if not valid:
            raise ConfigError("training files were given without validation files; name them with --valid")
        return cls(open_parallel(train, keys=keys), open_parallel(valid, keys=keys), keys)

    @classmethod
    def dates(cls, *, examples: int, seed: int) -> TranslateData:
        """The default job: written dates and times in many languages into ISO 8601; nothing is downloaded."""
        from unspool.data.dates import default_splits

        splits = default_splits(seed=seed, train_size=examples)
        return cls(
            ListCorpus([(e.source, e.target) for e in splits.train]),
            ListCorpus([(e.source, e.target) for e in splits.valid]),
        )


def train(
    cell: type[Cell],
    data: TranslateData,
    settings: TranslateSettings,
    training: TrainSettings,
    out: Path | str,
    *,
    resume: bool = False,
    force: bool = False,
    origin: dict[str, Any] | None = None,
) -> Summary:
    """Train a translator into the run folder `out`.

    Args:
        cell: the cell of every layer, shipped or of the user's own.
        data: what to train and validate on.
        settings, training: choices of the model, and of the loop.
        out: the run folder; refused if it holds a run, unless `resume` or `force`.
        origin: where the data came from, as plain values for config.json.

    Raises:
        DataError, ConfigError, RunError, TrainingError, Interrupted: see their messages.
    """
    out = Path(out)
    check(out, "translate", cell, files=(SOURCE, TARGET), resume=resume, force=force)
    source, target = _stored_tokenizers(out) if resume else _learned_tokenizers(data.train, settings)
    if resume and _is_closed(target, settings):
        check_covered(target, data.train, "target")
    warn_of_unknown(target, data.valid)
    size = {"max_tokens": settings.max_tokens, "max_length": settings.max_length, "seed": settings.seed}
    train_batches = Batches(data.train, source, target, **size)
    valid_batches = Batches(data.valid, source, target, **{**size, "max_length": 10 * settings.max_length})
    longest = (train_batches.longest_source, train_batches.longest_target)
    torch.manual_seed(settings.seed)
    model = EncoderDecoder(cell, settings.model_config(source.size, target.size))
    files = {SOURCE: tokenizer_bytes(source), TARGET: tokenizer_bytes(target)}
    same = {
        "longest_source": longest[0],
        "longest_target": longest[1],
        "data": by_part(train=train_batches.fingerprint(), valid=valid_batches.fingerprint()),
    }
    run = start(
        out, "translate", cell, settings, training, same=same, more={"keys": data.keys}, files=files, origin=origin,
        resume=resume, force=force,
    )  # fmt: skip
    job = TranslateJob(model, train_batches, valid_batches, target, settings, longest[1] + SPARE)
    return fit(job, training, run, resume=resume)


def _learned_tokenizers(corpus: ParallelCorpus, settings: TranslateSettings) -> tuple[Tokenizer, Tokenizer]:
    def learn(texts: Iterable[str]) -> Tokenizer:
        return train_tokenizer(
            settings.tokenizer,
            texts,
            vocabulary=settings.vocabulary,
            min_count=settings.min_count,
            lowercase=settings.lowercase,
        )

    if settings.joint_vocabulary:
        joint = learn(chain.from_iterable((plain(source), target) for source, target in corpus))
        return joint, joint
    return learn(plain(pair[0]) for pair in corpus), learn(pair[1] for pair in corpus)


def _stored_tokenizers(out: Path) -> tuple[Tokenizer, Tokenizer]:
    return load_tokenizer(out / SOURCE), load_tokenizer(out / TARGET)


def _is_closed(tokenizer: Tokenizer, settings: TranslateSettings) -> bool:
    """Whether it was learned to know every symbol of the training text, so that an unknown one is other text."""
    return isinstance(tokenizer, ListedTokenizer) and settings.min_count == 1 and tokenizer.size < settings.vocabulary
