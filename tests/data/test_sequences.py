"""Sequences in memory: chosen, joined and named as a list of arrays would be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.sequences import Sequences, joined, starts_and_end
from unspool.errors import DataError

LENGTHS = st.lists(st.integers(0, 4), min_size=1, max_size=8)


def of_numbers(lengths: list[int], name: str = "list", features: tuple[str, ...] = ("x", "y")) -> Sequences:
    """Sequences of these lengths, all of whose numbers differ."""
    total, width = sum(lengths), len(features)
    return Sequences(
        "numbers", None, np.arange(total * width, dtype=np.float32).reshape(total, width),
        starts_and_end(np.array(lengths)), features, [f"label {i}" for i in range(len(lengths))],
        [f"group {i % 2}" for i in range(len(lengths))], lambda i: f"{name} {i}", [str(i) for i in range(len(lengths))],
    )  # fmt: skip


def as_lists(sequences: Sequences) -> list[list[list[float]]]:
    assert sequences.numbers is not None and sequences.offsets is not None
    ends = sequences.offsets.tolist()
    return [sequences.numbers[a:b].tolist() for a, b in pairwise(ends)]


@given(LENGTHS, st.data())
def test_chosen_sequences_are_those_of_a_list(lengths: list[int], data: st.DataObject) -> None:
    whole = of_numbers(lengths)
    rows = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=6))
    part = whole.select(np.array(rows, dtype=np.int64))
    assert len(part) == len(rows) and part.lengths.tolist() == [lengths[i] for i in rows]
    assert as_lists(part) == [as_lists(whole)[i] for i in rows]
    assert part.labels == [f"label {i}" for i in rows] and part.ids == [str(i) for i in rows]
    assert part.groups == [f"group {i % 2}" for i in rows]
    assert [part.places(i) for i in range(len(rows))] == [f"list {i}" for i in rows]


def test_a_choice_of_a_choice_keeps_its_places() -> None:
    part = of_numbers([1, 2, 3, 4]).select(np.array([3, 1, 0])).select(np.array([False, True, True]))
    assert part.lengths.tolist() == [2, 1] and [part.places(0), part.places(1)] == ["list 1", "list 0"]


def test_a_number_outside_is_refused() -> None:
    with pytest.raises(IndexError):
        of_numbers([1, 2]).select(np.array([2]))


def test_texts_are_measured_in_characters() -> None:
    texts = Sequences("text", ["añb", "", "𝄞"], None, None, (), None, None, str)
    assert len(texts) == 3 and texts.lengths.tolist() == [3, 0, 1] and texts.lengths.dtype == np.int64
    part = texts.select(np.array([2, 0]))
    assert part.texts == ["𝄞", "añb"] and part.labels is None and part.numbers is None


@given(st.lists(LENGTHS, min_size=1, max_size=4))
def test_joined_is_one_after_the_other(parts: list[list[int]]) -> None:
    each = [of_numbers(lengths, f"part {k}") for k, lengths in enumerate(parts)]
    whole = joined(each)
    assert as_lists(whole) == [sequence for part in each for sequence in as_lists(part)]
    assert whole.labels == [label for part in each for label in part.labels or ()]
    expected = [f"part {k} {i}" for k, lengths in enumerate(parts) for i in range(len(lengths))]
    assert [whole.places(i) for i in range(len(whole))] == expected


def test_labels_stay_only_where_all_have_them() -> None:
    texts = Sequences("text", ["a"], None, None, (), ["x"], None, str)
    unlabelled = Sequences("text", ["b"], None, None, (), None, None, str)
    both = joined([texts, unlabelled])
    assert both.texts == ["a", "b"] and both.labels is None and joined([texts, texts]).labels == ["x", "x"]


def test_unlike_parts_are_refused_with_a_place_in_each() -> None:
    with pytest.raises(
        DataError, match=r"two 0 has 2 features, with 'z', but one 0 has 2 features, 'x', 'y'; expected"
    ):
        joined([of_numbers([1], "one"), of_numbers([1], "two", ("x", "z"))])
    with pytest.raises(DataError, match="two 0 has 2 features, with 'y', 'x'"):
        joined([of_numbers([1], "one"), of_numbers([1], "two", ("y", "x"))])
    with pytest.raises(DataError, match="place 0 is of kind text, but one 0 of kind numbers"):
        joined([of_numbers([1], "one"), Sequences("text", ["a"], None, None, (), None, None, lambda i: f"place {i}")])
