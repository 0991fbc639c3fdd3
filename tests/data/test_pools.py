"""Which rows make up each batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.pools import Pools
from unspool.errors import ConfigError


@given(
    lengths=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    max_tokens=st.integers(1, 100),
    seed=st.integers(0, 9),
    epoch=st.integers(0, 3),
)
def test_every_row_once_and_no_batch_too_large(lengths: list[int], max_tokens: int, seed: int, epoch: int) -> None:
    plan = Pools(np.array(lengths), max_tokens=max_tokens, seed=seed).plan(epoch)
    assert sorted(np.concatenate(plan).tolist()) == list(range(len(lengths)))
    for rows in plan:
        longest = max(max(lengths[i], 1) for i in rows)
        assert len(rows) == 1 or longest * len(rows) <= max_tokens


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    lengths = np.arange(500) % 17

    def order(seed: int, epoch: int) -> list[list[int]]:
        return [rows.tolist() for rows in Pools(lengths, max_tokens=60, seed=seed).plan(epoch)]

    assert order(1, 2) == order(1, 2) != order(1, 3) != order(2, 3)
    pools = Pools(lengths, max_tokens=60, seed=1)
    pools.plan(3)
    assert [rows.tolist() for rows in pools.plan(2)] == order(1, 2)


def test_rows_of_a_batch_are_of_like_length() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 2000)
    plan = Pools(lengths, max_tokens=2000, seed=0).plan(0)
    padded = sum(len(rows) * lengths[rows].max() for rows in plan)
    assert padded < 1.1 * lengths.sum()


def test_impossible_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="max_tokens is 0"):
        Pools(np.array([1]), max_tokens=0, seed=0)
    with pytest.raises(ConfigError, match="seed is -1"):
        Pools(np.array([1]), max_tokens=1, seed=-1)
