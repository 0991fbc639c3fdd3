"""A corpus as ids."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Callable

import numpy as np

from unspool.data.corpus import Pair, ParallelCorpus

IN_MEMORY = 50_000_000
"""Symbols up to which a corpus is kept as ids in memory (4 bytes each); a larger one is encoded when read."""

Ids = tuple[np.ndarray, np.ndarray]


class Encoded:
    """The ids of every pair, and their lengths.

    Args:
        corpus: pairs of text.
        encode: a pair's ids, source and target, int32.

    Attributes:
        lengths: `[pairs, 2]` int32, of source and target.
        checksum: CRC-32 of all lengths and ids in order.
    """

    def __init__(self, corpus: ParallelCorpus, encode: Callable[[Pair], Ids]) -> None:
        self._corpus, self._encode = corpus, encode
        lengths, ids = array("i"), array("i")
        fits, checksum = True, 0
        for pair in corpus:
            source, target = encode(pair)
            lengths.extend((len(source), len(target)))
            checksum = zlib.crc32(source.tobytes() + target.tobytes() + bytes(lengths[-2:]), checksum)
            fits = fits and len(ids) + len(source) + len(target) <= IN_MEMORY
            if fits:
                ids.frombytes(source.tobytes() + target.tobytes())
            else:
                ids = array("i")
        self.lengths = np.frombuffer(lengths, dtype=np.int32).reshape(-1, 2)
        self.checksum = checksum
        self._ids = np.frombuffer(ids, dtype=np.int32) if fits else None
        self._ends = self.lengths.cumsum(dtype=np.int64) if fits else None

    def __getitem__(self, index: int) -> Ids:
        if self._ids is None or self._ends is None:
            return self._encode(self._corpus[index])
        middle, end = self._ends[2 * index], self._ends[2 * index + 1]
        return self._ids[middle - self.lengths[index, 0] : middle], self._ids[middle:end]
