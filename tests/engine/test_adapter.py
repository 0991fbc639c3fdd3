"""What the engine is handed: strided tensors, gradients that are expanded or absent, frozen parameters, room."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

import unspool
from unspool.cells import LSTMCell, RNNCell
from unspool.cells.state import tensors
from unspool.engine.cpu import Span

ROWS, TIME, SIZE = 5, 6, 4
LENGTHS = [6, 0, 3, 5, 1]


def apart(value: Tensor) -> Tensor:
    """The same numbers, none next to its neighbour."""
    room = torch.full((*value.shape, 2), float("nan"), dtype=value.dtype)
    room[..., 0] = value
    return room[..., 0].requires_grad_(value.requires_grad)


def flipped(value: Tensor) -> Tensor:
    """The same numbers, laid out in the opposite order of dimensions."""
    return value.detach().permute(*reversed(range(value.dim()))).contiguous().permute(*reversed(range(value.dim())))


def both(run: Callable[[str], Any]) -> None:
    torch.testing.assert_close(run("cpu"), run("reference"))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
@pytest.mark.parametrize("checkpoint", [None, 1, 4, 5, 6, 7])
def test_segments_hold_every_row_step_once(lengths: list[int] | None, checkpoint: int | None) -> None:
    """There is room for what a backward pass needs of each, and no more."""
    told = None if lengths is None else torch.tensor(lengths)
    span = Span(ROWS, TIME, told, reverse=False, truncate=None, checkpoint=checkpoint)
    segments = span.segments()
    assert [t for start, stop in segments for t in range(start, stop)] == list(range(TIME))
    for start, stop in segments:
        expected = sum(t < length for length in lengths or [TIME] * ROWS for t in range(start, stop))
        assert span.positions(start, stop) == expected


@pytest.mark.parametrize("laid", [apart, flipped])
@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["full", "ragged"])
def test_inputs_states_parameters_and_their_gradients_may_be_strided(
    laid: Callable[[Tensor], Tensor], lengths: list[int] | None
) -> None:
    torch.manual_seed(0)
    cell = LSTMCell(SIZE, SIZE).double()
    for module in (cell.x, cell.h):
        module.weight = torch.nn.Parameter(laid(module.weight.detach()))
    values = [torch.randn(ROWS, *shape).double() for shape in ((TIME, SIZE), (SIZE,), (SIZE,))]
    cotangents = [torch.randn(ROWS, *shape).double() for shape in ((TIME, SIZE), (SIZE,), (SIZE,))]

    def run(engine: str) -> Any:
        x, h, c = leaves = [laid(value).requires_grad_() for value in values]
        y, last = unspool.unfold(cell, x, (h, c), lengths=lengths, engine=engine)
        made = [y, *tensors(last)]
        return made, torch.autograd.grad(made, [*leaves, *cell.parameters()], [laid(v) for v in cotangents])

    both(run)


class Scaled(RNNCell):
    """Its state is scaled by a context."""

    def forward(self, x: Tensor, h: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:  # pyright: ignore[reportIncompatibleMethodOverride]
        return super().forward(x, h * context)


@pytest.mark.parametrize("laid", [apart, flipped])
def test_a_context_may_be_strided(laid: Callable[[Tensor], Tensor]) -> None:
    torch.manual_seed(1)
    cell, x, context = Scaled(SIZE, SIZE).double(), torch.randn(ROWS, TIME, SIZE).double(), torch.rand(ROWS, SIZE)

    def run(engine: str) -> Any:
        own = laid(context.double()).requires_grad_()
        y, last = unspool.unfold(cell, x, torch.ones(ROWS, SIZE).double(), context=own, lengths=LENGTHS, engine=engine)
        return y, last, torch.autograd.grad([y, last], [own], [y.detach().cos(), last.detach().cos()])

    both(run)


@pytest.mark.parametrize("of", ["outputs", "the final states", "one final state"])
@pytest.mark.parametrize("checkpoint", [None, 4])
def test_gradients_of_what_is_looked_at_may_be_expanded_or_absent(of: str, checkpoint: int | None) -> None:
    """`sum` hands one number back for all."""
    torch.manual_seed(2)
    cell = LSTMCell(SIZE, SIZE).double()
    given = [torch.randn(ROWS, *shape).double().requires_grad_() for shape in ((TIME, SIZE), (SIZE,), (SIZE,))]

    def run(engine: str) -> Any:
        x, h, c = given
        y, (h, c) = unspool.unfold(cell, x, (h, c), lengths=LENGTHS, checkpoint=checkpoint, engine=engine)
        loss = {"outputs": y.sum(), "the final states": h.sum() + c.sum(), "one final state": c.sum()}[of]
        return torch.autograd.grad(loss, [*given, *cell.parameters()])

    both(run)


@pytest.mark.parametrize("frozen", ["x.weight", "x.bias", "h.weight", "h.bias"])
def test_a_frozen_parameter_leaves_the_gradients_of_the_others(frozen: str) -> None:
    torch.manual_seed(3)
    cell = LSTMCell(SIZE, SIZE).double()
    cell.get_parameter(frozen).requires_grad_(False)
    learned = [p for p in cell.parameters() if p.requires_grad]
    x = torch.randn(ROWS, TIME, SIZE).double()
    assert len(learned) == 3
    both(lambda engine: torch.autograd.grad(unspool.unfold(cell, x, engine=engine)[0].square().sum(), learned))


def test_lengths_may_be_any_view() -> None:
    cell, x = unspool.cells.GRUCell(3, 4), torch.randn(3, 6, 3)
    table = torch.tensor([[4, 6], [1, 6], [6, 6]])
    for lengths in (table[:, 0], table.flatten()[::2], torch.tensor([3]).expand(3), table.to(torch.int32)[:, 0]):
        got, expected = (unspool.unfold(cell, x, lengths=lengths, engine=e) for e in ("cpu", "reference"))
        torch.testing.assert_close(got, expected)
