"""Batches of nearly equal length, measured in symbols, in an order that depends on (seed, epoch, position) only."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unspool.data.corpus import Pair, ParallelCorpus
from unspool.data.encoded import Encoded
from unspool.data.symbols import END, PAD, START
from unspool.data.tokenizer import Tokenizer
from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError

POOL = 100
"""Batches in a pool: within it, pairs are sorted by length. Larger wastes less padding, smaller mixes better."""


@dataclass(frozen=True)
class Batch:
    """Rows of ids, padded with 0.

    `source` `[B, S]`: the source's symbols and the end symbol. `target` `[B, T]`: start symbol, the target's symbols,
    end symbol. `source_lengths`, `target_lengths` `[B]`: valid steps of each row.
    """

    source: Tensor
    source_lengths: Tensor
    target: Tensor
    target_lengths: Tensor

    def to(self, device: torch.device | str) -> Batch:
        return Batch(
            *(value.to(device) for value in (self.source, self.source_lengths, self.target, self.target_lengths))
        )


def pad(rows: list[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Rows of ids as one tensor `[B, longest]`, padded with 0, and their lengths `[B]`."""
    lengths = np.asarray([len(row) for row in rows], dtype=np.int64)
    padded = np.full((len(rows), int(lengths.max(initial=0))), PAD, dtype=np.int64)
    for row, ids in zip(padded, rows, strict=True):
        row[: len(ids)] = ids
    return torch.from_numpy(padded), torch.from_numpy(lengths)


DIRECTION_MARKS = dict.fromkeys(map(ord, "\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))
"""Invisible marks of writing direction, which people do not type."""


def plain(text: str) -> str:
    """`text` as a model reads it: any white space is one space, and no direction marks.

    >>> plain("26\u202fнояб.  2045\u200f ")
    '26 нояб. 2045'
    """
    return " ".join(text.translate(DIRECTION_MARKS).split())


def encode_source(tokenizer: Tokenizer, text: str) -> np.ndarray:
    """Ids of a source text made `plain`: the end symbol last, so that no row is empty."""
    return np.asarray([*tokenizer.encode(plain(text)), END], dtype=np.int32)


def encode_target(tokenizer: Tokenizer, text: str) -> np.ndarray:
    """Ids of a target text, start symbol first and end symbol last; a blank text has none between them."""
    return np.asarray([START, *(tokenizer.encode(text) if text.strip() else ()), END], dtype=np.int32)


class Batches:
    """All batches of a corpus, epoch after epoch.

    Pairs with an empty side, and pairs with more than `max_length` symbols on a side, are left out; their numbers
    are in `skipped_empty` and `skipped_long`, and said in a warning.

    Args:
        corpus: pairs of text.
        source_tokenizer, target_tokenizer: how text becomes ids.
        max_tokens: largest size of a batch, rows × symbols of its longest side, padding included (a single pair may
            exceed it).
        max_length: symbols a side.
        seed: of the order.

    Raises:
        ConfigError: a size below 1 or a negative seed. DataError: no pair is left.

    Example:
        >>> from unspool.data.corpus import ListCorpus
        >>> from unspool.data.tokenizer import train_tokenizer
        >>> letters = train_tokenizer("chars", ["abc"])
        >>> batches = Batches(ListCorpus([("abc", "cba"), ("b", "b")]), letters, letters, max_tokens=20)
        >>> [batch.target_lengths.tolist() for batch in batches.epoch(0)], batches.longest_source
        ([[3, 5]], 3)
    """

    def __init__(
        self, corpus: ParallelCorpus, source_tokenizer: Tokenizer, target_tokenizer: Tokenizer, *,
        max_tokens: int, max_length: int = 500, seed: int = 0,
    ) -> None:  # fmt: skip
        for name, value, least in (("max_tokens", max_tokens, 1), ("max_length", max_length, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name} is {value}; expected at least {least}")
        self.max_tokens, self.max_length, self.seed = max_tokens, max_length, seed
        self._plans: tuple[int, list[np.ndarray]] | None = None

        def encode(pair: Pair) -> tuple[np.ndarray, np.ndarray]:
            return encode_source(source_tokenizer, pair[0]), encode_target(target_tokenizer, pair[1])

        self._encoded = Encoded(corpus, encode)
        lengths = self._encoded.lengths - np.array([1, 2], dtype=np.int32)  # without start and end symbols
        empty = (lengths == 0).any(1)
        long = (lengths > max_length).any(1) & ~empty
        self.skipped_empty, self.skipped_long = int(empty.sum()), int(long.sum())
        self._kept = np.flatnonzero(~(empty | long))
        self._lengths = lengths[self._kept] + 2
        self._warn(len(lengths))

    def _warn(self, total: int) -> None:
        if self.skipped_empty:
            warnings.warn(
                f"left out: {self.skipped_empty} of {counted(total, 'pair')}, with an empty side", stacklevel=3
            )
        if self.skipped_long:
            warnings.warn(
                f"left out: {self.skipped_long} of {counted(total, 'pair')}, with more than "
                f"{counted(self.max_length, 'symbol')} on a side; raise --max-length to keep more",
                stacklevel=3,
            )
        if not len(self._kept):
            raise DataError("no pair of texts is left to train on: all are empty or too long")

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def longest_source(self) -> int:
        """Symbols of the longest source that is kept, the end symbol not counted."""
        return int(self._lengths[:, 0].max()) - 2

    @property
    def longest_target(self) -> int:
        """Symbols of the longest target that is kept, start and end symbols not counted."""
        return int(self._lengths[:, 1].max()) - 2

    def count(self, epoch: int) -> int:
        """Number of batches in an epoch."""
        return len(self._plan(epoch))

    def fingerprint(self) -> dict[str, int]:
        """What tells these pairs from others: how many are trained on, and a checksum of all symbols in order."""
        return {"pairs": len(self), "crc32": self._encoded.checksum}

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from position `start` on."""
        for rows in self._plan(epoch)[start:]:
            yield self._collate(rows)

    def _plan(self, epoch: int) -> list[np.ndarray]:
        """Which pairs make up each batch: shuffle, sort within pools by length, cut, shuffle the batches."""
        if self._plans is not None and self._plans[0] == epoch:
            return self._plans[1]
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, epoch])))
        order = rng.permutation(len(self._kept))
        mean_rows = max(1, self.max_tokens // int(self._lengths.mean().clip(1)))
        batches: list[np.ndarray] = []
        for at in range(0, len(order), POOL * mean_rows):
            pool = order[at : at + POOL * mean_rows]
            batches += self._cut(pool[np.lexsort((self._lengths[pool, 0], self._lengths[pool, 1]))])
        plan = [batches[i] for i in rng.permutation(len(batches))]
        self._plans = (epoch, plan)
        return plan

    def _cut(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        widths = self._lengths[rows].max(1)
        start, widest = 0, 0
        for i, width in enumerate(widths.tolist()):
            widest = max(widest, width)
            if i > start and widest * (i - start + 1) > self.max_tokens:
                yield rows[start:i]
                start, widest = i, width
        yield rows[start:]

    def _collate(self, rows: Iterable[int]) -> Batch:
        pairs = [self._encoded[int(self._kept[i])] for i in rows]
        return Batch(*pad([source for source, _ in pairs]), *pad([target for _, target in pairs]))
