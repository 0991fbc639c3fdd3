"""A stream gives, bit for bit, what the network gives on the whole sequence."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import unspool
from unspool.cells.state import tensors
from unspool.errors import ConfigError, ShapeError

CELLS = [
    unspool.cells.ElementwiseCell, unspool.cells.IndRNNCell, unspool.cells.RNNCell, unspool.cells.GRUCell,
    unspool.cells.LSTMCell, unspool.cells.LayerNormGRUCell, unspool.cells.LayerNormLSTMCell,
]  # fmt: skip


@pytest.mark.parametrize("cell", CELLS)
@settings(max_examples=10, deadline=None)
@given(
    rows=st.integers(1, 9),
    chunks=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    hidden=st.sampled_from([3, 32, 40]),
)
def test_any_chunks_give_the_bits_of_the_whole(cell: Any, rows: int, chunks: list[int], hidden: int) -> None:
    net = unspool.Recurrent(cell, hidden, hidden, layers=2, engine="cpu")
    x = torch.randn(rows, sum(chunks), hidden)
    with torch.no_grad():
        expected, state = net(x)
    s = unspool.stream(net, batch=rows)
    got = torch.cat([s.push(part) for part in x.split(chunks, 1)], 1)
    assert torch.equal(got, expected)
    assert all(torch.equal(a, b) for a, b in zip(tensors(s.state), tensors(state), strict=True))


def test_one_step_has_no_time_dimension() -> None:
    cell = unspool.cells.GRUCell(3, 4)
    x = torch.randn(2, 5, 3)
    s = unspool.stream(cell, batch=2)
    got = torch.stack([s.push(x[:, t]) for t in range(5)], 1)
    assert torch.equal(got, unspool.unfold(cell, x)[0])


@pytest.mark.parametrize("make", [unspool.RNN, unspool.GRU, unspool.LSTM])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_drop_ins(make: Any, dtype: torch.dtype) -> None:
    net = make(3, 5, 2, batch_first=True, dtype=dtype)
    x = torch.randn(2, 6, 3, dtype=dtype)
    s = unspool.stream(net, batch=2)
    assert torch.equal(torch.cat([s.push(x[:, :4]), s.push(x[:, 4:])], 1), net(x)[0])


def test_a_state_begins_another_stream() -> None:
    net = unspool.Recurrent(unspool.cells.LSTMCell, 3, 4, layers=2, residual=True)
    x = torch.randn(1, 8, 3)
    s = unspool.stream(net)
    s.push(x[:, :5])
    state = s.state
    rest = s.push(x[:, 5:])
    assert torch.equal(unspool.stream(net, state=state).push(x[:, 5:]), rest)
    assert torch.equal(unspool.stream(net, state=state).push(x[:, 5:]), rest)  # a value: pushing left it as it was


class Attending(unspool.Cell):
    """Reads a memory that is constant in time."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.x, self.h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        weights = torch.softmax((context * h.unsqueeze(1)).sum(-1), -1)
        h = torch.tanh(self.x(x) + self.h(h) + (weights.unsqueeze(-1) * context).sum(1))
        return h, h


def test_context() -> None:
    cell, memory, x = Attending(3, 4), torch.randn(2, 6, 4), torch.randn(2, 5, 3)
    s = unspool.stream(cell, batch=2, context=memory)
    assert torch.equal(s.push(x), unspool.unfold(cell, x, context=memory)[0])


def test_a_step_that_is_no_program_streams_by_the_reference() -> None:
    class Sorted(unspool.Cell):
        def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.sort(h + x, -1).values
            return h, h

    cell, x = Sorted(4, 4), torch.randn(2, 3, 4)
    s = unspool.stream(cell, batch=2, engine="reference")
    assert torch.equal(
        torch.stack([s.push(x[:, t]) for t in range(3)], 1), unspool.unfold(cell, x, engine="reference")[0]
    )


def test_it_holds_the_weights_of_the_moment() -> None:
    cell, x = unspool.cells.LSTMCell(3, 4), torch.randn(1, 4, 3)
    s = unspool.stream(cell)
    expected = unspool.unfold(cell, x)[0]
    with torch.no_grad():
        for p in cell.parameters():
            p.add_(1)
    assert torch.equal(s.push(x), expected)


def test_what_cannot_be_pushed_changes_nothing() -> None:
    cell = unspool.cells.GRUCell(3, 4)
    x = torch.randn(2, 4, 3)
    s = unspool.stream(cell, batch=2)
    first = s.push(x[:, :2])
    for wrong in (
        torch.randn(1, 3),
        torch.randn(2, 4),
        torch.randn(2, 0, 3),
        torch.randn(2, 3).double(),
        torch.randn(3),
    ):
        with pytest.raises(ShapeError, match="pushed"):
            s.push(wrong)
    assert torch.equal(torch.cat([first, s.push(x[:, 2:])], 1), unspool.unfold(cell, x)[0])


def test_two_directions_cannot_be_streamed() -> None:
    with pytest.raises(ConfigError, match="two directions"):
        unspool.stream(unspool.Recurrent(unspool.cells.GRUCell, 3, 4, bidirectional=True))
    with pytest.raises(ConfigError, match="cannot be streamed"):
        unspool.stream(nn.Linear(3, 4))


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("engine", ["cpu", "reference"])
def test_a_state_of_other_rows_is_refused(rows: int, engine: str) -> None:
    """The engine would read past its end, or leave rows out."""
    cell = unspool.cells.GRUCell(3, 4)
    with pytest.raises(ShapeError, match="expected 2 rows"):
        unspool.stream(cell, 2, (torch.zeros(rows, 4),), engine=engine)
    with pytest.raises(ShapeError, match=r"expected \[B, 4\]"):
        unspool.stream(cell, 2, (torch.zeros(2, 5),), engine=engine)


def test_a_context_of_other_rows_is_refused() -> None:
    class Told(unspool.Cell):
        def forward(self, x: Tensor, h: Tensor, note: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.tanh(x + h + note)
            return h, h

    cell = Told(4, 4)
    unspool.stream(cell, 2, context=torch.zeros(2, 4)).push(torch.zeros(2, 4))
    with pytest.raises(ShapeError, match="context has shape"):
        unspool.stream(cell, 2, context=torch.zeros(1, 4))


@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 3)])
def test_what_is_not_plain_numbers_is_refused(shape: tuple[int, ...]) -> None:
    """Such tensors have no memory of their own, or other numbers in it than they stand for."""
    stream = unspool.stream(unspool.cells.GRUCell(3, 4), 2)
    negative = torch.complex(torch.zeros(shape), torch.ones(shape)).conj().imag
    assert negative.is_neg()
    for odd in (torch.zeros(shape, device="meta"), negative, torch.ones(shape).to_sparse()):
        with pytest.raises(ShapeError, match="plain numbers on the CPU"):
            stream.push(odd)
