"""Random numbers of which each series has a stream of its own, so that none depends on the others beside it."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np


class SeriesDraws:
    """What `numpy.random.Generator` draws, where the first dimension of all arrays is as many rows of each series.

    Example:
        >>> both, alone = (SeriesDraws.of(ids, seed=[0]).random((len(ids), 2)) for ids in (["b", "a"], ["a"]))
        >>> bool((both[1] == alone[0]).all())
        True
    """

    def __init__(self, streams: Sequence[np.random.Generator]) -> None:
        self._streams = streams

    @classmethod
    def of(cls, ids: Sequence[str], *, seed: Sequence[int]) -> Self:
        """Streams by the names of series."""
        return cls([np.random.default_rng([*seed, zlib.crc32(name.encode())]) for name in ids])

    def part(self, series: slice) -> SeriesDraws:
        """The streams of some of the series, which go on here and there."""
        return SeriesDraws(self._streams[series])

    def random(self, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
        return self._drawn(lambda stream, part: stream.random(part, dtype), shape)

    def standard_normal(self, shape: tuple[int, ...], dtype: Any = np.float64) -> np.ndarray:
        return self._drawn(lambda stream, part: stream.standard_normal(part, dtype), shape)

    def standard_t(self, freedom: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return self._drawn(lambda stream, part, df: stream.standard_t(df, part), shape, freedom)

    def gamma(self, count: np.ndarray, scale: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        return self._drawn(lambda stream, part, k, theta: stream.gamma(k, theta, part), shape, count, scale)

    def poisson(self, mean: np.ndarray) -> np.ndarray:
        return self._drawn(lambda stream, part, rate: stream.poisson(rate, part), mean.shape, mean)

    def _drawn(self, one: Callable[..., np.ndarray], shape: tuple[int, ...], *given: np.ndarray) -> np.ndarray:
        rows = shape[0] // len(self._streams)
        part = (rows, *shape[1:])
        spans = (slice(first, first + rows) for first in range(0, shape[0], rows))
        found = [
            one(stream, part, *(array[span] for array in given))
            for stream, span in zip(self._streams, spans, strict=True)
        ]
        return np.concatenate(found)


Draw = np.random.Generator | SeriesDraws
"""What samples are drawn with."""
