"""Which sequences make up each batch: of nearly equal length, in an order that depends on (seed, epoch) only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from unspool.errors import ConfigError

POOL = 100
"""Batches in a pool: within it, sequences are sorted by length. Larger wastes less padding, smaller mixes better."""


class Pools:
    """The batches of an epoch as row numbers: shuffle, sort within pools by length, cut, shuffle the batches.

    Args:
        lengths: `[N]`, steps of each sequence.
        max_tokens: largest size of a batch, rows × longest row, padding included (a single row may exceed it).
        seed: of the order.

    Raises:
        ConfigError: a size below 1 or a negative seed.

    Example:
        >>> [rows.tolist() for rows in Pools(np.array([3, 1, 3, 1]), max_tokens=6, seed=0).plan(0)]
        [[3, 1], [0, 2]]
    """

    def __init__(self, lengths: np.ndarray, *, max_tokens: int, seed: int) -> None:
        for name, value, least in (("max_tokens", max_tokens, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name} is {value}; expected at least {least}")
        self._lengths, self._max_tokens, self._seed = np.maximum(lengths, 1), max_tokens, seed
        self._plan: tuple[int, list[np.ndarray]] | None = None

    def plan(self, epoch: int) -> list[np.ndarray]:
        """The rows of each batch of `epoch`."""
        if self._plan is None or self._plan[0] != epoch:
            self._plan = (epoch, self._made(epoch))
        return self._plan[1]

    def _made(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.Generator(np.random.Philox(np.random.SeedSequence([self._seed, epoch])))
        order = rng.permutation(len(self._lengths))
        size = POOL * max(1, self._max_tokens // int(self._lengths.mean()))
        batches: list[np.ndarray] = []
        for at in range(0, len(order), size):
            pool = order[at : at + size]
            batches += self._cut(pool[np.argsort(self._lengths[pool], kind="stable")])
        return [batches[i] for i in rng.permutation(len(batches))]

    def _cut(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        """`rows`, whose lengths rise, as batches."""
        start = 0
        for i, width in enumerate(self._lengths[rows].tolist()):
            if i > start and width * (i - start + 1) > self._max_tokens:
                yield rows[start:i]
                start = i
        yield rows[start:]
