"""Sequences of different lengths in one array, and batches of them as padded tensors."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unspool.data.sequences import starts_and_end


@dataclass(frozen=True)
class Packed:
    """N sequences one after the other.

    `values` `[steps, …]`: the steps of all of them. `offsets` `[N + 1]`, int64: sequence i is
    `values[offsets[i]:offsets[i + 1]]`.

    Example:
        >>> packed = Packed.of([np.array([4, 5, 6]), np.array([7])])
        >>> packed.padded(np.array([1, 0]))
        (tensor([[7, 0, 0],
                [4, 5, 6]]), tensor([1, 3]))
    """

    values: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[np.ndarray]) -> Packed:
        """`rows`, at least one, joined."""
        return cls(np.concatenate(rows), starts_and_end(np.array([len(row) for row in rows])))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> np.ndarray:
        return self.values[self.offsets[index] : self.offsets[index + 1]]

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each sequence, int64 `[N]`."""
        return np.diff(self.offsets)

    @property
    def checksum(self) -> int:
        """CRC-32 of all lengths and values in order."""
        return zlib.crc32(np.ascontiguousarray(self.values).data, zlib.crc32(np.ascontiguousarray(self.offsets).data))

    def padded(self, rows: np.ndarray) -> tuple[Tensor, Tensor]:
        """The sequences `rows` as `[rows, longest, …]`, filled up with 0, and their lengths `[rows]`."""
        starts = self.offsets[rows]
        lengths = self.offsets[rows + 1] - starts
        steps = np.arange(lengths.max(initial=0))
        valid = steps < lengths[:, None]
        padded = np.zeros((len(rows), len(steps), *self.values.shape[1:]), dtype=self.values.dtype)
        padded[valid] = self.values[(starts[:, None] + steps)[valid]]
        return torch.from_numpy(padded), torch.from_numpy(lengths)
