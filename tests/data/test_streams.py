"""Streams: every symbol once an epoch, each chunk going on where the one before it ended."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.streams import Chunk, Streams, fingerprint
from unspool.errors import ConfigError, DataError

SIZES = st.tuples(st.integers(2, 200), st.integers(1, 7), st.integers(1, 20)).filter(lambda size: size[0] >= size[1])


def made(symbols: int, batch: int, length: int, seed: int = 0, restart: float = 0.0) -> Streams:
    """A text whose symbols are their places, so that a symbol tells where it came from."""
    return Streams(np.arange(symbols, dtype=np.int32), batch=batch, length=length, restart=restart, seed=seed)


def same(one: Chunk, other: Chunk) -> bool:
    return (
        torch.equal(one.source, other.source)
        and torch.equal(one.target, other.target)
        and torch.equal(one.fresh, other.fresh)
    )


@given(SIZES, st.integers(0, 5))
def test_every_symbol_is_predicted_once_from_the_one_before_it(size: tuple[int, int, int], epoch: int) -> None:
    symbols, batch, _ = size
    chunks = list(made(*size).epoch(epoch))
    predicted = torch.cat([chunk.target for chunk in chunks], 1)
    read = torch.cat([chunk.source for chunk in chunks], 1)
    assert torch.equal(predicted, (read + 1) % symbols)
    counts = Counter(predicted.flatten().tolist())
    assert max(counts.values()) == 1 and symbols - batch < counts.total() <= symbols


@given(SIZES)
def test_streams_go_on_from_chunk_to_chunk(size: tuple[int, int, int]) -> None:
    symbols, batch, length = size
    streams = made(*size)
    chunks = list(streams.epoch(0))
    assert len(chunks) == streams.count(0) == -(-(symbols // batch) // length)
    assert [chunk.fresh.tolist() for chunk in chunks] == [[number == 0] * batch for number in range(len(chunks))]
    widths = {chunk.source.shape[1] for chunk in chunks}
    assert max(widths) <= length and max(widths) - min(widths) <= 1
    for before, after in pairwise(chunks):
        assert torch.equal(before.target[:, -1], after.source[:, 0])


@given(SIZES, st.integers(0, 3), st.integers(0, 20))
def test_chunks_depend_on_seed_epoch_and_position_only(size: tuple[int, int, int], epoch: int, start: int) -> None:
    straight, resumed = list(made(*size).epoch(epoch)), list(made(*size).epoch(epoch, start))
    assert len(resumed) == max(0, len(straight) - start)
    assert all(same(one, other) for one, other in zip(straight[start:], resumed, strict=True))


def test_epochs_and_seeds_begin_elsewhere() -> None:
    places = {
        (seed, epoch): int(next(made(1000, 4, 9, seed).epoch(epoch)).source[0, 0])
        for seed in (0, 1)
        for epoch in (0, 1, 2)
    }
    assert len({*places.values()}) == 6


def test_streams_begin_anew_as_often_as_asked() -> None:
    streams = Streams(np.arange(100_000, dtype=np.int32), batch=50, length=10, restart=0.1)
    fresh = [torch.stack([chunk.fresh for chunk in streams.epoch(epoch)]) for epoch in (0, 0, 1)]
    assert fresh[0][0].all() and abs(float(fresh[0][1:].double().mean()) - 0.1) < 0.01
    assert torch.equal(fresh[0], fresh[1]) and not torch.equal(fresh[0], fresh[2])
    assert torch.equal(next(streams.epoch(0, 7)).fresh, fresh[0][7])


def test_a_chunk_moves_as_a_whole() -> None:
    moved = next(made(20, 2, 3).epoch(0)).to("meta")
    assert (moved.source.device.type, moved.target.device.type, moved.fresh.device.type) == ("meta",) * 3


@pytest.mark.parametrize(
    ("choices", "name"), [((0, 3), "batch"), ((2, 0), "length"), ((2, 3, -1), "seed"), ((2, 3, 0, 1.5), "restart")]
)
def test_impossible_sizes_are_refused(choices: tuple[Any, ...], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        made(20, *choices)


def test_less_text_than_streams_is_refused() -> None:
    with pytest.raises(DataError, match=r"has 5 symbols, too few for 6 streams.*--batch"):
        made(5, 6, 3)


def test_a_fingerprint_tells_texts_apart() -> None:
    texts = [[1, 2, 3], [1, 3, 2], [1, 2, 3, 0], [1, 2]]
    found = [fingerprint(np.array(ids)) for ids in texts]
    assert len({tuple(each.values()) for each in found}) == 4 and found[0]["symbols"] == 3
    assert fingerprint(np.array([1, 2, 3], dtype=np.int32)) == found[0]
