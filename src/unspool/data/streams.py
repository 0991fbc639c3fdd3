"""Endless text as B parallel streams, cut into chunks of T symbols; a function of (seed, epoch, position) only."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError


@dataclass(frozen=True)
class Chunk:
    """The next T symbols of each stream.

    `source` `[B, T]`: what is read; `target` `[B, T]`: the symbols that follow, one for each. `fresh` `[B]`: true where
    a stream begins anew, so that no state is carried into it.
    """

    source: Tensor
    target: Tensor
    fresh: Tensor

    def to(self, device: torch.device | str) -> Chunk:
        return Chunk(self.source.to(device), self.target.to(device), self.fresh.to(device))


def fingerprint(ids: np.ndarray) -> dict[str, int]:
    """What tells a text from others: its number of symbols, and a checksum of them in order."""
    return {"symbols": len(ids), "crc32": zlib.crc32(np.ascontiguousarray(ids, dtype=np.int32).tobytes())}


class Streams:
    """All chunks of a text, epoch after epoch.

    In every epoch the text, taken as a ring, is cut at a place that the epoch decides; from there on B streams of
    ⌊N / B⌋ symbols follow one another. So each symbol is predicted once an epoch, but for less than B of them, and
    from another depth of the past in each. Chunks are as equal as they can be, none longer than `length`.

    All streams begin anew with an epoch, and any of them with probability `restart` at any chunk: a model that met
    the empty state once in training may never find its way out of it.

    Args:
        ids: the symbols of the text, int32 `[N]`.
        batch: B.
        length: T, the steps that gradients flow back through.
        restart: share of the chunks at which a stream begins anew.
        seed: of the place of the cut, and of where streams begin anew.

    Raises:
        ConfigError: a size below 1, a negative seed, or no probability. DataError: fewer symbols than streams.

    Example:
        >>> streams = Streams(np.arange(10, dtype=np.int32), batch=2, length=3)
        >>> [tuple(chunk.source.shape) for chunk in streams.epoch(0)], streams.count(0)
        ([(2, 2), (2, 3)], 2)
        >>> chunk = next(streams.epoch(0))
        >>> torch.equal(chunk.target, (chunk.source + 1) % 10)
        True
    """

    def __init__(self, ids: np.ndarray, *, batch: int, length: int, restart: float = 0.0, seed: int = 0) -> None:
        for name, value, least in (("batch", batch, 1), ("length", length, 1), ("seed", seed, 0)):
            if value < least:
                raise ConfigError(f"{name} is {value}; expected at least {least}")
        if not 0 <= restart <= 1:
            raise ConfigError(f"restart is {restart}; expected a probability, 0 to 1")
        if len(ids) < max(batch, 2):
            raise DataError(
                f"the training text has {counted(len(ids), 'symbol')}, too few for {counted(batch, 'stream')}; give "
                "more text, or fewer streams with --batch"
            )
        self.batch, self.length, self.restart, self.seed = batch, length, restart, seed
        self._ids = np.ascontiguousarray(ids, dtype=np.int32)

    def __len__(self) -> int:
        return len(self._ids)

    def count(self, epoch: int) -> int:
        """Number of chunks in an epoch."""
        return -(-self._stream // self.length)

    def epoch(self, epoch: int, start: int = 0) -> Iterator[Chunk]:
        """The chunks of an epoch from position `start` on."""
        heads = int(_random(self.seed, epoch).integers(len(self))) + self._stream * np.arange(self.batch)
        count = self.count(epoch)
        for position in range(start, count):
            begin, end = (at * self._stream // count for at in (position, position + 1))
            places = (heads[:, None] + np.arange(begin, end + 1)) % len(self)
            symbols = torch.from_numpy(self._ids[places].astype(np.int64))
            fresh = _random(self.seed, epoch, position).random(self.batch) < (self.restart if position else 1)
            yield Chunk(symbols[:, :-1], symbols[:, 1:], torch.from_numpy(fresh))

    @property
    def _stream(self) -> int:
        return len(self) // self.batch


def _random(*key: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(np.random.SeedSequence(key)))
