"""Flat arrays that lie in memory while they are small, and in a temporary file that is mapped from there on."""

from __future__ import annotations

import mmap
import tempfile
from dataclasses import dataclass

import numpy as np

MAPPED = 50_000_000
"""Arrays of more bytes than this are mapped."""

COPIED = 1 << 20
"""Rows that are copied at once."""


def blank(rows: int, dtype: np.dtype | type, fill: float | int = 0) -> np.ndarray:
    """`[rows]` of one number; the file behind a mapped array goes when the array does.

    Example:
        >>> blank(2, np.int64).tolist(), type(blank(60_000_000, np.int8)).__name__
        ([0, 0], 'memmap')
    """
    size = rows * np.dtype(dtype).itemsize
    if size <= MAPPED:
        return np.full(rows, fill, dtype)
    with tempfile.TemporaryFile(prefix="unspool-") as file:
        file.truncate(size)
        if fill != 0:
            part = np.full(COPIED, fill, dtype)
            for first in range(0, rows, COPIED):
                file.write(part[: rows - first].tobytes())
        return np.memmap(file, dtype, mode="r+", shape=(rows,))


def let_go(array: np.ndarray) -> None:
    """Keep a mapped array in its file alone, until it is read again."""
    if isinstance(array.base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        array.base.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True, eq=False)
class Spans:
    """N spans of rows to be copied one after the other.

    Attributes:
        sources: `[N]` int64, the row at which each begins.
        offsets: `[N + 1]` int64, where each lies in the copy.
        observed: `[N]` int64, how many of its rows are history.
    """

    sources: np.ndarray
    offsets: np.ndarray
    observed: np.ndarray

    def copied(self, values: np.ndarray, hidden: float | int | None) -> np.ndarray:
        """The rows of a column; after what is observed `hidden`, unless that is None."""
        total = int(self.offsets[-1])
        copy = blank(total, values.dtype)
        for first in range(0, total, COPIED):
            rows = np.arange(first, min(first + COPIED, total))
            member = np.searchsorted(self.offsets, rows, side="right") - 1
            within = rows - self.offsets[member]
            part = values[self.sources[member] + within]
            if hidden is not None:
                part[within >= self.observed[member]] = hidden
            copy[first : first + len(rows)] = part
            let_go(values)
            let_go(copy)
        return copy
