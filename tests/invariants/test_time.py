"""What must hold of any recurrent network, whatever runs it."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import unspool
from unspool.cells import CELLS, RNNCell
from unspool.cells.state import cat_rows, select_rows, split_rows, tensors


def test_three_tied_dense_layers_are_one_recurrent_layer() -> None:
    """Backpropagation through time is backpropagation through the unfolded network, gradients of the copies summed."""
    torch.manual_seed(0)
    cell = RNNCell(3, 4).double()
    x = torch.randn(2, 3, 3).double()
    copies = [[p.detach().clone().requires_grad_() for p in cell.parameters()] for _ in range(3)]
    h = torch.zeros(2, 4).double()
    for t, (w, b, u, c) in enumerate(copies):
        h = torch.tanh(x[:, t] @ w.T + b + h @ u.T + c)
    h.square().sum().backward()
    _, last = unspool.unfold(cell, x)
    torch.testing.assert_close(last, h)
    last.square().sum().backward()
    for parameter, *grads in zip(cell.parameters(), *([p.grad for p in copy] for copy in copies), strict=True):
        assert all(gradient is not None for gradient in grads) and grads[2].any()
        torch.testing.assert_close(parameter.grad, sum(grads[1:], grads[0]))


@pytest.mark.parametrize("name", CELLS)
def test_the_same_parameters_serve_any_length(name: str) -> None:
    torch.manual_seed(0)
    cell = CELLS[name](4, 4)
    before = sum(p.numel() for p in cell.parameters())
    x = torch.randn(2, 1000, 4)
    outputs = {time: unspool.unfold(cell, x[:, :time])[0] for time in (1, 7, 1000)}
    assert sum(p.numel() for p in cell.parameters()) == before
    torch.testing.assert_close(outputs[1], outputs[1000][:, :1])
    torch.testing.assert_close(outputs[7], outputs[1000][:, :7])


@pytest.mark.parametrize("name", CELLS)
def test_chunked_is_whole_and_batched_is_alone(name: str) -> None:
    torch.manual_seed(1)
    cell = CELLS[name](4, 4).double()
    x, lengths = torch.randn(3, 9, 4).double(), [9, 5, 2]
    whole, last = unspool.unfold(cell, x, lengths=lengths)
    state = cell.initial_state(3, dtype=x.dtype)
    parts = []
    for start, stop in ((0, 1), (1, 6), (6, 9)):
        rest = [min(max(n - start, 0), stop - start) for n in lengths]
        y, state = unspool.unfold(cell, x[:, start:stop], state, lengths=rest)
        parts.append(y)
    torch.testing.assert_close(torch.cat(parts, 1), whole)
    torch.testing.assert_close(tuple(tensors(state)), tuple(tensors(last)))
    rows = [unspool.unfold(cell, x[b : b + 1, :n]) for b, n in enumerate(lengths)]
    for b, (y, own) in enumerate(rows):
        torch.testing.assert_close(y[0], whole[b, : lengths[b]])
        assert not whole[b, lengths[b] :].any()
        torch.testing.assert_close(tuple(tensors(own)), tuple(tensors(split_rows(last, [1, 1, 1])[b])))
    torch.testing.assert_close(tuple(tensors(cat_rows([own for _, own in rows]))), tuple(tensors(last)))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("options", [{}, {"reverse": True}, {"truncate": 2}, {"checkpoint": 2}], ids=str)
def test_a_row_is_alone_in_its_gradients_too(name: str, options: dict[str, Any]) -> None:
    """Padding, NaN here, and the rows beside change nothing; the parameters' gradients are sums over the rows."""
    torch.manual_seed(2)
    cell = CELLS[name](4, 4, initial_state="learned").double()
    x, lengths = torch.randn(3, 6, 4).double(), [2, 6, 5]
    for b, length in enumerate(lengths):
        x[b, length:] = float("nan")
    x.requires_grad_()
    y, last = unspool.unfold(cell, x, lengths=lengths, **options)
    leaves = [x, *cell.parameters()]
    together, *sums = torch.autograd.grad(y.square().sum() + sum(v.sum() for v in tensors(last)), leaves)
    totals = [torch.zeros_like(value) for value in sums]
    for b, length in enumerate(lengths):
        y, last = unspool.unfold(cell, x[b : b + 1, :length], **options)
        own, *parts = torch.autograd.grad(y.square().sum() + sum(v.sum() for v in tensors(last)), leaves)
        torch.testing.assert_close(together[b], own[b])
        assert not own[b, length:].any()
        totals = [total + part for total, part in zip(totals, parts, strict=True)]
    torch.testing.assert_close(sums, totals)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("reverse", [False, True])
def test_the_order_of_rows_and_the_width_of_padding_change_nothing(name: str, reverse: bool) -> None:
    torch.manual_seed(3)
    cell = CELLS[name](4, 4).double()
    x, lengths, order = torch.randn(4, 5, 4).double(), torch.tensor([3, 0, 5, 3]), torch.tensor([2, 0, 3, 1])
    y, last = unspool.unfold(cell, x, lengths=lengths, reverse=reverse)
    wide = torch.cat([x, torch.full((4, 3, 4), float("inf")).double()], 1)
    again, final = unspool.unfold(cell, wide[order], lengths=lengths[order], reverse=reverse)
    torch.testing.assert_close(again[:, :5], y[order])
    assert not again[:, 5:].any()
    torch.testing.assert_close(tuple(tensors(final)), tuple(tensors(select_rows(last, order))))


def test_gradients_flow_from_chunk_to_chunk() -> None:
    """A state that is handed on carries its gradient: chunks are the whole, backward too."""
    torch.manual_seed(4)
    cell = RNNCell(3, 4).double()
    x, h = torch.randn(2, 6, 3).double().requires_grad_(), torch.randn(2, 4).double().requires_grad_()
    whole, _ = unspool.unfold(cell, x, h)
    first, state = unspool.unfold(cell, x[:, :4], h)
    second, _ = unspool.unfold(cell, x[:, 4:], state)
    leaves = [x, h, *cell.parameters()]
    expected = torch.autograd.grad(whole[:, -1].sum(), leaves)
    torch.testing.assert_close(torch.autograd.grad(second[:, -1].sum() + 0 * first.sum(), leaves), expected)
