"""Batches of sequences and their targets, in an order that depends on (seed, epoch, position) only."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unspool.data.packed import Packed
from unspool.data.pools import Pools
from unspool.data.wording import counted
from unspool.errors import DataError


@dataclass(frozen=True)
class Batch:
    """Rows of symbols `[B, T]` or numbers `[B, T, F]`, padded with 0, their `lengths` `[B]` and `targets` `[B, …]`."""

    inputs: Tensor
    lengths: Tensor
    targets: Tensor

    def to(self, device: torch.device | str) -> Batch:
        return Batch(*(value.to(device) for value in (self.inputs, self.lengths, self.targets)))


class Batches:
    """All batches of labelled sequences, epoch after epoch.

    Sequences with more than `max_length` steps are left out; their number is said in a warning.

    Args:
        packed: N sequences as a model reads them.
        targets: N rows.
        max_tokens: largest size of a batch, rows × longest row, padding included (a single row may exceed it).
        max_length: steps of a sequence.
        seed: of the order.

    Raises:
        DataError: no sequence is left. ConfigError: see `Pools`.

    Example:
        >>> packed = Packed.of([np.array([4, 5, 6]), np.array([7])])
        >>> [batch.targets.tolist() for batch in Batches(packed, torch.tensor([1, 0]), max_tokens=9).epoch(0)]
        [[0, 1]]
    """

    def __init__(
        self, packed: Packed, targets: Tensor, *, max_tokens: int, max_length: int = 10**9, seed: int = 0
    ) -> None:
        self._packed, self._targets = packed, targets
        lengths = packed.lengths
        self._kept = np.flatnonzero(lengths <= max_length)
        if len(self._kept) < len(packed):
            warnings.warn(
                f"left out: {len(packed) - len(self._kept)} of {counted(len(packed), 'sequence')}, with more than "
                f"{counted(max_length, 'step')}; raise --max-length to keep more",
                stacklevel=2,
            )
        if not len(self._kept):
            raise DataError("no sequence is left to train on: there is none, or all are too long")
        self._pools = Pools(lengths[self._kept], max_tokens=max_tokens, seed=seed)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def longest(self) -> int:
        """Steps of the longest sequence that is kept."""
        return int(self._packed.lengths[self._kept].max())

    @property
    def targets(self) -> Tensor:
        """The targets of the sequences that are kept."""
        return self._targets[torch.from_numpy(self._kept)]

    def count(self, epoch: int) -> int:
        """Number of batches in an epoch."""
        return len(self._pools.plan(epoch))

    def fingerprint(self) -> dict[str, int]:
        """What tells these sequences from others: how many are used, and a checksum of all steps and targets."""
        targets = np.ascontiguousarray(self._targets.numpy())
        return {"sequences": len(self), "crc32": zlib.crc32(targets.data, self._packed.checksum)}

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from position `start` on."""
        for rows in self._pools.plan(epoch)[start:]:
            chosen = self._kept[rows]
            inputs, lengths = self._packed.padded(chosen)
            yield Batch(inputs, lengths, self._targets[torch.from_numpy(chosen)])
