"""Packed sequences, against torch.nn's own padding."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.packed import Packed


@given(lengths=st.lists(st.integers(0, 5), min_size=1, max_size=6), features=st.integers(0, 3), seed=st.integers(0, 99))
def test_padded_rows(lengths: list[int], features: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = (features,) if features else ()
    rows = [rng.normal(size=(length, *shape)) for length in lengths]
    packed = Packed.of(rows)
    assert len(packed) == len(rows) and packed.lengths.tolist() == lengths
    chosen = rng.integers(0, len(rows), size=4)
    padded, found = packed.padded(chosen)
    expected = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(rows[i]) for i in chosen], batch_first=True)
    assert torch.equal(padded, expected) and found.tolist() == [lengths[i] for i in chosen]
    for i, row in enumerate(rows):
        assert np.array_equal(packed[i], row)


def test_no_row_is_chosen() -> None:
    padded, lengths = Packed.of([np.ones((3, 2))]).padded(np.zeros(0, dtype=np.int64))
    assert padded.shape == (0, 0, 2) and lengths.shape == (0,)


def test_the_checksum_tells_lengths_values_and_order_apart() -> None:
    one, two = np.array([1, 2]), np.array([3])
    sums = {
        packed.checksum
        for packed in (Packed.of([one, two]), Packed.of([two, one]), Packed.of([one[:1], np.array([2, 3])]))
    }
    assert len(sums) == 3 and Packed.of([one, two]).checksum in sums
