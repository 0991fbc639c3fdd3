"""Train a language model: read the text, learn the vocabulary, build the model, run the loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unspool.cells import Cell
from unspool.data.given import Paths, paths_of
from unspool.data.lossless import load_lossless, lossless_bytes, train_lossless
from unspool.data.lossless_base import LosslessTokenizer
from unspool.data.plain_text import ended, read_text, split_end
from unspool.data.streams import Streams, fingerprint
from unspool.errors import DataError
from unspool.tasks.language.job import LanguageJob
from unspool.tasks.language.model import LanguageNetwork
from unspool.tasks.language.settings import LanguageSettings
from unspool.train import Summary, TrainSettings, fit
from unspool.train.placement import check_alone, processes
from unspool.train.start import by_part, check, start

TOKENIZER = "text.tokenizer"


@dataclass(frozen=True)
class LanguageData:
    """Texts to train and to validate on. The texts of a part follow one another; each ends its last line."""

    train: Sequence[str]
    valid: Sequence[str]

    @classmethod
    def open(cls, train: Paths, valid: Paths, *, valid_share: float) -> LanguageData:
        """Read files (see `unspool.data.plain_text.read_text`); without `valid` the end of the text is cut off."""
        texts = list(map(read_text, paths_of(train)))
        if not valid:
            return cls(*split_end(texts, valid_share))
        return cls(texts, list(map(read_text, paths_of(valid))))

    @classmethod
    def python(cls) -> LanguageData:
        """The default job: the source text of Python's own standard library; nothing is downloaded."""
        from unspool.data.python_sources import python_sources

        parts = python_sources()
        return cls(parts.train, parts.valid)


def train(
    cell: type[Cell],
    data: LanguageData,
    settings: LanguageSettings,
    training: TrainSettings,
    out: Path | str,
    *,
    resume: bool = False,
    force: bool = False,
    origin: dict[str, Any] | None = None,
) -> Summary:
    """Train a language model into the run folder `out`.

    Args:
        cell: the cell of every layer, shipped or of the user's own.
        data: what to train and validate on.
        settings, training: choices of the model, and of the loop.
        out: the run folder; refused if it holds a run, unless `resume` or `force`.
        origin: where the text came from, as plain values for config.json.

    Raises:
        DataError, ConfigError, RunError, TrainingError, Interrupted: see their messages.
    """
    check_alone(processes())
    out = Path(out)
    check(out, "language", cell, files=(TOKENIZER,), resume=resume, force=force)
    tokenizer = load_lossless(out / TOKENIZER) if resume else _learned(data.train, settings)
    ids, valid = (encoded(tokenizer, texts) for texts in (data.train, data.valid))
    streams = Streams(ids, batch=settings.batch, length=settings.truncate, restart=settings.restart, seed=settings.seed)
    if not len(valid):
        raise DataError("the validation text is empty; expected at least one line")
    torch.manual_seed(settings.seed)
    network = LanguageNetwork(cell, tokenizer.size, settings)
    same, files = (
        {"data": by_part(train=fingerprint(ids), valid=fingerprint(valid))},
        {TOKENIZER: lossless_bytes(tokenizer)},
    )
    run = start(
        out, "language", cell, settings, training, same=same, files=files, origin=origin, resume=resume, force=force
    )
    characters = sum(len(ended(text)) for text in data.valid)
    job = LanguageJob(network, streams, valid, characters=characters, before=first_symbol(tokenizer))
    return fit(job, training, run, resume=resume)


def encoded(tokenizer: LosslessTokenizer, texts: Sequence[str]) -> np.ndarray:
    """The symbols of all texts, one after another, int32 `[N]`."""
    return np.concatenate([np.zeros(0, np.int32), *(tokenizer.encode(ended(text)) for text in texts)])


def first_symbol(tokenizer: LosslessTokenizer) -> int:
    """The symbol that every text is read after: the end of a line before it."""
    return int(tokenizer.encode("\n")[-1])


def _learned(texts: Sequence[str], settings: LanguageSettings) -> LosslessTokenizer:
    return train_lossless(settings.tokenizer, texts, vocabulary=settings.vocabulary, min_count=settings.spelled_below)
