"""Batches of tagged sequences of nearly equal length."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unspool.data.pools import Pools
from unspool.data.tagged import Tokens
from unspool.data.wording import counted
from unspool.data.words import Forms, WordBatch, Words
from unspool.errors import DataError

NO_TAG = -1
"""Stands for a tag that training did not know, and fills up shorter rows."""


@dataclass(frozen=True)
class TagBatch:
    """`words`: what is read. `tags` `[B, T]`: numbers of the true tags, or `NO_TAG`. `rows`: the sequences' numbers."""

    words: WordBatch
    tags: Tensor
    rows: tuple[int, ...]

    def to(self, device: torch.device | str) -> TagBatch:
        return TagBatch(self.words.to(device), self.tags.to(device), self.rows)


class TagBatches:
    """All batches of some sequences, epoch after epoch, in an order that depends on seed, epoch and position only.

    Args:
        sequences: tokens and tags.
        words: how tokens become ids.
        tags: the tags by number.
        max_tokens: largest size of a batch, rows × longest row (a single row may exceed it).
        max_length: sequences with more tokens are left out, which is said in a warning; None: none are.
        seed: of the order.

    Raises:
        DataError: no sequence is left.
    """

    def __init__(
        self, sequences: Sequence[Tokens], words: Words, tags: Sequence[str], *, max_tokens: int,
        max_length: int | None = None, seed: int = 0,
    ) -> None:  # fmt: skip
        self.sequences = [s for s in sequences if max_length is None or len(s.tokens) <= max_length]
        if max_length is not None and (left_out := len(sequences) - len(self.sequences)):
            warnings.warn(
                f"left out: {left_out} of {counted(len(sequences), 'sequence')}, with more than "
                f"{counted(max_length, 'token')}; raise --max-length to keep more, or end sequences with blank lines",
                stacklevel=2,
            )
        if not self.sequences:
            raise DataError("no sequence is left: all are too long")
        numbers = {tag: number for number, tag in enumerate(tags)}
        self._forms = Forms(words, (s.tokens for s in self.sequences))
        self._size = len(tags)
        self._tags = [np.asarray([numbers.get(tag, NO_TAG) for tag in s.tags], dtype=np.int64) for s in self.sequences]
        self._lengths = np.asarray([len(s.tokens) for s in self.sequences])
        self._pools = Pools(self._lengths, max_tokens=max_tokens, seed=seed)

    def counts(self) -> Tensor:
        """How often each tag occurs: `[K]`."""
        tags = np.concatenate(self._tags)
        return torch.from_numpy(np.bincount(tags[tags != NO_TAG], minlength=self._size))

    def count(self, epoch: int) -> int:
        """Number of batches in an epoch."""
        return len(self._pools.plan(epoch))

    def epoch(self, epoch: int, start: int = 0) -> Iterator[TagBatch]:
        """The batches of an epoch from position `start` on."""
        for rows in self._pools.plan(epoch)[start:]:
            yield self._collate(rows.tolist())

    def _collate(self, rows: list[int]) -> TagBatch:
        words = self._forms.batch(rows)
        tags = np.full(words.words.shape, NO_TAG, dtype=np.int64)
        for at, row in enumerate(rows):
            tags[at, : self._lengths[row]] = self._tags[row]
        return TagBatch(words, torch.from_numpy(tags), tuple(rows))
