"""A validation part: disjoint, whole groups, in proportion, the same for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.groups import split
from unspool.data.sequences import Sequences
from unspool.errors import ConfigError, DataError

SHARES = st.floats(0.01, 0.99)


def numbered(labels: list[str] | None, groups: list[str] | None, count: int) -> Sequences:
    """Texts that are their own numbers."""
    return Sequences("text", [str(i) for i in range(count)], None, None, (), labels, groups, str)


def numbers(part: Sequences) -> list[int]:
    return [int(text) for text in part.texts or ()]


@given(st.lists(st.sampled_from("abcd"), min_size=2, max_size=40), SHARES, st.integers(0, 99))
def test_every_sequence_is_in_one_part_in_order(labels: list[str], share: float, seed: int) -> None:
    train, valid = map(numbers, split(numbered(labels, None, len(labels)), share, seed))
    assert train and valid and train == sorted(train) and valid == sorted(valid)
    assert sorted(train + valid) == list(range(len(labels)))
    assert numbers(split(numbered(labels, None, len(labels)), share, seed)[1]) == valid


@given(st.lists(st.integers(2, 30), min_size=1, max_size=5), SHARES, st.integers(0, 99))
def test_labels_are_divided_in_proportion(sizes: list[int], share: float, seed: int) -> None:
    labels = [str(k) for k, size in enumerate(sizes) for _ in range(size)]
    labels = [labels[i] for i in np.random.default_rng(seed).permutation(len(labels))]
    train, valid = split(numbered(labels, None, len(labels)), share, seed)
    held_out = Counter(valid.labels)
    assert set(train.labels or ()) == set(labels)  # every class is trained on
    for label, size in Counter(labels).items():
        assert abs(held_out[label] - share * size) < 1 or held_out[label] == size - 1
    if all(share * size <= size - 1 for size in sizes):
        assert len(valid) == max(1, round(share * len(labels)))


@given(st.lists(st.integers(0, 5), min_size=2, max_size=40), SHARES, st.integers(0, 99))
def test_a_group_is_in_one_part_only(members: list[int], share: float, seed: int) -> None:
    groups = [f"g{member}" for member in members]
    if len(set(groups)) == 1:
        with pytest.raises(DataError, match="all sequences are of one group, 'g"):
            split(numbered(None, groups, len(groups)), share, seed)
        return
    train, valid = split(numbered(None, groups, len(groups)), share, seed)
    assert train.groups and valid.groups and not set(train.groups) & set(valid.groups)
    assert len(train) + len(valid) == len(groups)


def test_the_number_of_groups_comes_nearest_to_the_share() -> None:
    groups = [f"speaker {i // 50}" for i in range(500)]
    for share, expected in ((0.1, 50), (0.3, 150), (0.01, 50), (0.99, 450)):
        assert len(split(numbered(None, groups, 500), share, 0)[1]) == expected


def test_seeds_differ_and_labels_are_no_matter_where_one_is_alone() -> None:
    labels = ["a"] * 50 + ["b"] * 49 + ["rare"]
    parts = {tuple(numbers(split(numbered(labels, None, 100), 0.2, seed)[1])) for seed in range(20)}
    assert len(parts) == 20 and {len(part) for part in parts} == {20}
    assert any(99 in part for part in parts)


def test_impossible_splits_are_refused() -> None:
    some = numbered(None, None, 4)
    for share in (0.0, 1.0, -0.5, float("nan")):
        with pytest.raises(ConfigError, match="expected more than 0 and less than 1"):
            split(some, share, 0)
    with pytest.raises(ConfigError, match="seed is -1"):
        split(some, 0.5, -1)
    with pytest.raises(DataError, match="got 1 sequence; expected at least 2"):
        split(numbered(None, None, 1), 0.5, 0)


@given(st.lists(st.sampled_from("abcdefgh"), min_size=20, max_size=40), st.integers(0, 99))
def test_equal_texts_are_in_one_part(texts: list[str], seed: int) -> None:
    labels = [str(i % 2) for i in range(len(texts))]
    train, valid = split(Sequences("text", texts, None, None, (), labels, None, str), 0.4, seed)
    assert len(train) and len(valid) and len(train) + len(valid) == len(texts)
    assert not set(train.texts or ()) & set(valid.texts or ()) or len(set(texts)) == 1
