"""Steps that plain PyTorch takes in stride, and that the CPU engine therefore takes too: equal to the reference."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unspool
from unspool.cells.state import tensors

Pair = tuple[Tensor, Tensor]


def agree(cell: Any, x: Tensor, state: Any, context: Any = None) -> None:
    """Outputs, final states and all gradients, of ragged rows, in both directions."""
    leaves = [v for v in (x, *tensors(state), *tensors(context), *cell.parameters()) if v.requires_grad]
    for reverse in (False, True):
        results = []
        for engine in ("reference", "cpu"):
            y, final = unspool.unfold(
                cell, x, state, context=context, lengths=[4, 0, 2], reverse=reverse, engine=engine
            )
            made = [v for v in (y, *tensors(final)) if v.requires_grad]
            draw = torch.Generator().manual_seed(1)
            cotangents = [torch.randn(v.shape, dtype=v.dtype, generator=draw) for v in made]
            found = torch.autograd.grad(made, leaves, cotangents, allow_unused=True)
            gradients = [torch.zeros_like(v) if g is None else g for v, g in zip(leaves, found, strict=True)]
            results.append([y, *tensors(final), *gradients])
        torch.testing.assert_close(*results)


def values(*shape: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, requires_grad=True)


class Two(unspool.Cell):
    """Two states and two products, to be put together in any way."""

    def __init__(self) -> None:
        super().__init__(3, 4, state_sizes=(4, 4))
        self.w, self.u = nn.Linear(3, 4), nn.Linear(4, 4)


class InputBecomesState(Two):
    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, last = state
        return self.u(last) + h, (torch.tanh(self.u(h)), self.w(x))


class OutputIsBothStates(Two):
    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        v = self.w(x)
        return v, (v, v)


class StatesThatDoNotMatter(Two):
    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        return self.w(x), (self.w(x) * 2, torch.ones_like(state[0]))


class StatesThatStay(Two):
    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        return self.w(x), state


class StateIsCleared(Two):
    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, other = state
        return self.w(x) + other, (torch.zeros_like(h), self.u(h))


class ParameterBecomesState(Two):
    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, other = state
        return self.u(h), (h, other * 0 + self.u.bias)


class ContextBecomesState(Two):
    def forward(self, x: Tensor, state: Pair, context: Tensor) -> tuple[Tensor, Pair]:
        h, other = state
        return self.w(x) + other * h, (self.u(context), context)


class ContextIsOutput(Two):
    def forward(self, x: Tensor, state: Pair, context: Tensor) -> tuple[Tensor, Pair]:
        return context, (context, context)


@pytest.mark.parametrize(
    "kind",
    [InputBecomesState, OutputIsBothStates, StatesThatDoNotMatter, StatesThatStay, StateIsCleared,
     ParameterBecomesState, ContextBecomesState, ContextIsOutput],
)  # fmt: skip
def test_a_state_comes_from_anywhere(kind: type[Two]) -> None:
    torch.manual_seed(0)
    context = values(3, 4) if kind.__name__.startswith("Context") else None
    agree(kind().double(), values(3, 4, 3), (values(3, 4), values(3, 4)), context)


class OfTorch(unspool.Cell):
    """A cell of `torch.nn` in a cell of one's own: PyTorch writes into what it has just made."""

    def __init__(self, kind: type[nn.Module]) -> None:
        super().__init__(3, 4, state_sizes=(4, 4) if kind is nn.LSTMCell else None)
        self.cell = kind(3, 4)

    def forward(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        after = self.cell(x, state)
        return (after[0] if isinstance(after, tuple) else after), after


@pytest.mark.parametrize("kind", [nn.RNNCell, nn.GRUCell, nn.LSTMCell])
def test_a_cell_of_torch(kind: type[nn.Module]) -> None:
    torch.manual_seed(1)
    cell = OfTorch(kind).double()
    agree(cell, values(3, 4, 3), (values(3, 4), values(3, 4)) if kind is nn.LSTMCell else values(3, 4))


class Lerp(unspool.Cell):
    def __init__(self) -> None:
        super().__init__(3, 4)
        self.w, self.u = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.lerp(self.w(x), h, torch.sigmoid(self.u(h)))
        return h, h


class RunningSums(Lerp):
    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        parts = torch.tanh(self.w(x) + self.u(h)).view(-1, 2, 2)
        h = parts.cumsum(1).flatten(1) - torch.softmax(h, 1).cumsum(1)
        return h, h


class StackedInFront(Lerp):
    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        both = torch.tanh(torch.stack([self.w(x), self.u(h)]))
        h = (both[0] * both[1]) + both.sum(0)
        return h, h


class NamesInQuotes(unspool.Cell):
    def __init__(self) -> None:
        super().__init__(3, 4)
        self.w, self.u = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor, h: Tensor, context: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        h = self.w(x) + self.u(context["it"]) * h
        return h, h


@pytest.mark.parametrize("kind", [Lerp, RunningSums, StackedInFront, NamesInQuotes])
def test_operations(kind: type[Lerp] | type[NamesInQuotes]) -> None:
    torch.manual_seed(2)
    context = {"it": values(3, 4)} if kind is NamesInQuotes else None
    agree(kind().double(), values(3, 4, 3), values(3, 4), context)
