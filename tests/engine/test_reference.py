"""What the reference loop does with rows: only those that go on are computed, each with its own state and context."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import unspool
from unspool.cells import RNNCell
from unspool.engine import reference


class Counting(unspool.Cell):
    """Adds up what it sees, and notes how many rows took part in each step."""

    def __init__(self) -> None:
        super().__init__(1, 1)
        self.rows: list[int] = []

    def forward(self, x: Tensor, h: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        self.rows.append(x.shape[0])
        h = h + x * context
        return h, h


@given(lengths=st.lists(st.integers(0, 7), min_size=1, max_size=6), reverse=st.booleans())
@settings(max_examples=30)
def test_cost_follows_the_sum_of_the_lengths(lengths: list[int], reverse: bool) -> None:
    cell, batch, time = Counting(), len(lengths), 8
    x, own = torch.rand(batch, time, 1).double(), torch.arange(1.0, batch + 1).double().unsqueeze(1)
    _, last = unspool.unfold(cell, x, context=own, lengths=lengths, reverse=reverse, engine="reference")
    assert sum(cell.rows) == sum(lengths)
    assert [rows for rows in cell.rows if rows] == sorted((rows for rows in cell.rows if rows), reverse=True)
    expected = [x[b, :n].sum() * own[b, 0] for b, n in enumerate(lengths)]
    torch.testing.assert_close(last[:, 0], torch.stack(expected))


def test_a_segment_is_computed_again_in_the_backward_pass_and_only_then() -> None:
    cell = Counting()
    x = torch.rand(2, 6, 1, requires_grad=True)
    y, _ = unspool.unfold(cell, x, context=torch.ones(2, 1), checkpoint=2, engine="reference")
    assert len(cell.rows) == 6
    y.sum().backward()
    assert len(cell.rows) == 12


def test_the_engine_alone_does_what_the_door_does() -> None:
    """Whoever calls the reference to judge another engine gets what `unfold` means."""
    torch.manual_seed(0)
    cell, x, h, lengths = RNNCell(3, 4), torch.randn(3, 5, 3), torch.randn(3, 4), torch.tensor([2, 5, 0])
    got = reference.run(cell, x, h, None, lengths, reverse=True, truncate=None, checkpoint=None)
    expected = unspool.unfold(cell, x, h, lengths=lengths, reverse=True, engine="reference")
    torch.testing.assert_close(got, expected, rtol=0, atol=0)


@pytest.mark.parametrize("cut", [1, 2, 3, 5])
def test_a_row_that_ended_before_a_cut_keeps_the_gradient_of_its_final_state(cut: int) -> None:
    torch.manual_seed(0)
    cell = RNNCell(3, 4).double()
    x, lengths = torch.randn(3, 6, 3).double(), [2, 6, 3]
    _, last = unspool.unfold(cell, x, lengths=lengths, truncate=cut)
    for b, length in enumerate(lengths):
        _, own = unspool.unfold(cell, x[b : b + 1, :length], truncate=cut)
        (alone,) = torch.autograd.grad(own.sum(), cell.x.weight)
        (beside,) = torch.autograd.grad(last[b].sum(), cell.x.weight, retain_graph=True)
        assert alone.any()
        torch.testing.assert_close(beside, alone)
