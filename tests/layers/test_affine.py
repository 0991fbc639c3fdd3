"""A linear layer whose rows do not know of one another, held against torch.nn."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from unspool.layers.affine import Affine

SIZES = st.integers(1, 40)


@settings(max_examples=20)  # each size is a program of its own
@given(SIZES, SIZES, st.lists(st.integers(0, 5), max_size=3), st.booleans(), st.booleans())
def test_it_is_that_of_pytorch(inputs: int, outputs: int, shape: list[int], bias: bool, training: bool) -> None:
    torch.manual_seed(0)
    own = Affine(inputs, outputs, bias=bias).double().train(training)
    x = torch.randn(*shape, inputs, dtype=torch.float64, requires_grad=True)
    leaves = [x, *own.parameters()]
    found, expected = own(x), nn.functional.linear(x, own.weight, own.bias)
    torch.testing.assert_close(found, expected)
    for one, other in zip(
        torch.autograd.grad(found.square().sum(), leaves), torch.autograd.grad(expected.square().sum(), leaves),
        strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 5), (32, 8), (48, 512), (512, 24)])
def test_a_row_is_alone_to_the_last_bit(inputs: int, outputs: int) -> None:
    torch.manual_seed(1)
    affine, x = Affine(inputs, outputs).eval(), torch.randn(67, 4, inputs)
    whole = affine(x)
    for rows in (1, 2, 3, 8, 33):
        assert torch.equal(affine(x[:rows]), whole[:rows])
        assert torch.equal(affine(x[-rows:]), whole[-rows:])
    assert torch.equal(affine(x[5, 2]), whole[5, 2])
