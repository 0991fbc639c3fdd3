"""What is read block by block, kept until it is known where it belongs: numbers in a file, and numbers of texts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence

import numpy as np

KEPT = 16_000_000
"""Bytes that a spool keeps in memory before it goes on in a temporary file."""

ROWS = 1 << 18
"""Rows that are read again at once."""


class Spool:
    """Numbers of one type, appended in arrays and read again in order.

    Example:
        >>> spool = Spool(np.int32)
        >>> spool.append(np.array([1, 2])), spool.append(np.array([3]))
        (None, None)
        >>> [block.tolist() for block in spool.blocks(rows=2)]
        [[1, 2], [3]]
    """

    def __init__(self, dtype: np.dtype | type) -> None:
        self.dtype = np.dtype(dtype)
        self._file = tempfile.SpooledTemporaryFile(max_size=KEPT, prefix="unspool-")  # noqa: SIM115 (goes with the spool)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def close(self) -> None:
        """Let go of the numbers and of their file."""
        self._file.close()

    def append(self, values: np.ndarray) -> None:
        """Add numbers at the end."""
        self._file.seek(0, 2)
        self._file.write(np.ascontiguousarray(values, dtype=self.dtype).tobytes())
        self._size += len(values)

    def blocks(self, rows: int | None = None) -> Iterator[np.ndarray]:
        """All numbers, in arrays of so many (the last may be shorter)."""
        for first in range(0, self._size, rows or ROWS):
            yield self.read(first, min(first + (rows or ROWS), self._size))

    def read(self, first: int, last: int) -> np.ndarray:
        """The numbers of these rows."""
        size = self.dtype.itemsize
        self._file.seek(first * size)
        return np.frombuffer(self._file.read((last - first) * size), dtype=self.dtype)


class Names:
    """Texts, numbered in the order of their first appearance.

    Example:
        >>> names = Names()
        >>> names.numbers(["b", "a"]).tolist(), names.numbers(["a", "c"]).tolist(), names.texts
        ([0, 1], [1, 2], ['b', 'a', 'c'])
    """

    def __init__(self) -> None:
        self._numbers = _Numbers()

    @property
    def texts(self) -> list[str]:
        """The texts by their numbers."""
        return list(self._numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, texts: Sequence[str]) -> np.ndarray:
        """`[n]` int32: the number of each text."""
        return np.fromiter(map(self._numbers.__getitem__, texts), np.int32, len(texts))


class _Numbers(dict[str, int]):
    """A key that is not there gets the next number."""

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number
