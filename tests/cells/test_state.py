"""A state is a value: take it apart, reorder it, put it together again."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unspool.cells.state import cat_rows, flat_rows, layout, map_tensors, select_rows, split_rows, tensors


def tree(rows: int) -> Any:
    torch.manual_seed(rows)
    return (torch.randn(rows, 4), {"memory": torch.randn(rows, 2, 3), "none": None}, (torch.randn(rows, 1),))


def same(a: Any, b: Any) -> bool:
    return layout(a) == layout(b) and all(torch.equal(v, w) for v, w in zip(tensors(a), tensors(b), strict=True))


@given(sizes=st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_splitting_undoes_joining(sizes: list[int]) -> None:
    parts = [tree(size) for size in sizes]
    again = split_rows(cat_rows(parts), sizes)
    assert all(same(part, other) for part, other in zip(parts, again, strict=True))


def test_rows_are_reordered_repeated_and_dropped_in_every_tensor() -> None:
    state, rows = tree(3), torch.tensor([2, 0, 2])
    chosen = select_rows(state, rows)
    assert all(torch.equal(new, old[rows]) for new, old in zip(tensors(chosen), tensors(state), strict=True))


def test_functions_of_several_trees_keep_the_structure() -> None:
    state = tree(2)
    assert same(map_tensors(torch.sub, state, state), map_tensors(torch.zeros_like, state))
    with pytest.raises(ValueError, match="shorter"):
        map_tensors(torch.add, (torch.zeros(1), torch.zeros(1)), (torch.zeros(1),))
    with pytest.raises(TypeError, match="but holds str; turn the value into a tensor"):
        map_tensors(torch.neg, (torch.zeros(1), "text"))


def test_the_layout_tells_structures_apart() -> None:
    h = torch.zeros(2, 4)
    different = [h, (h,), (h, h), {"a": h}, {"b": h}, (h, None), torch.zeros(2, 5), torch.zeros(2, 4, 1), None]
    assert len({layout(state) for state in different}) == len(different)
    assert layout({"b": h, "a": None}) == layout({"b": torch.zeros(7, 4), "a": None})
    assert layout({"b": h, "a": None}) != layout({"a": None, "b": h})  # what comes first is the hidden state


def test_flat_rows_are_rows_also_where_there_is_none() -> None:
    for shape in ((2,), (2, 3), (2, 3, 4), (0, 3, 4), (0,)):
        value = torch.randn(shape)
        flat = flat_rows(value)
        assert flat.shape == (shape[0], math.prod(shape[1:])) and flat.flatten().equal(value.flatten())
