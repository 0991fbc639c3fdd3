"""`Repeated` beside the rows that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from unspool.cells import GRUCell, IndRNNCell, LayerNormLSTMCell, LSTMCell, RNNCell
from unspool.cells.state import map_tensors, tensors
from unspool.layers.repeated import Repeated

ROWS = torch.tensor([0, 2, 2, 1, 0])


class Squared(torch.autograd.Function):
    """A function with a derivative of its own, which no function of PyTorch's announces."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        ctx.save_for_backward(value)
        return value * value

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return 2 * ctx.saved_tensors[0] * grads[0]


def in_place(value: Tensor) -> Tensor:
    value += 1
    value[:, 0] = 3.0
    return value * value


WEIGHT = torch.randn(4, 4, dtype=torch.float64)
FUNCTIONS: dict[str, Callable[[Tensor], Any]] = {
    "product": lambda v: nn.functional.linear(v, WEIGHT, WEIGHT[0]),
    "by name": lambda v: nn.functional.linear(v, weight=WEIGHT).tanh(),
    "at": lambda v: (v @ WEIGHT).sigmoid(),
    "at a vector": lambda v: v @ WEIGHT[0],
    "at a stack": lambda v: v @ WEIGHT.expand(3, 4, 4),
    "from the left": lambda v: WEIGHT.new_ones(2, 5) @ v,
    "with itself": lambda v: v @ v.T,
    "parts": lambda v: torch.cat([part.tanh() for part in v.chunk(2, -1)], 1),
    "parts of rows": lambda v: v.chunk(2)[0].tanh(),
    "parts of rows by name": lambda v: torch.split(v, 2, dim=-2)[1].tanh(),
    "unbound": lambda v: v.unsqueeze(1).unbind(1)[0].tanh(),
    "columns": lambda v: v.unbind(1)[2] + v.unbind()[0].sum(),
    "joined": lambda v: torch.cat([v, v], 1).exp(),
    "normed": lambda v: nn.functional.layer_norm(v, (4,)),
    "own derivative": Squared.apply,
    "in place": in_place,
    "sums": lambda v: v.sum() * v.mean(0),
    "of its size": lambda v: v.new_ones(v.shape[0], v.size(1)) * len(v) + v,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_any_function_takes_it_for_its_rows(name: str) -> None:
    few = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    found, expected = FUNCTIONS[name](Repeated(few, ROWS)), FUNCTIONS[name](few[ROWS])
    made = found.whole() if isinstance(found, Repeated) else found
    torch.testing.assert_close(made, expected)
    gradients = [torch.autograd.grad(value.square().sum(), few)[0] for value in (found, expected)]
    torch.testing.assert_close(*gradients)


def test_only_different_rows_are_multiplied() -> None:
    few, seen = torch.randn(3, 4), []

    class Counted(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:
            made = super().forward(input)
            seen.append((type(input), made.shape, getattr(made, "few", made).shape))
            return made

    cell = GRUCell(4, 4)
    cell.h.__class__ = Counted
    cell(torch.randn(5, 4), Repeated(few, ROWS))
    assert seen == [(Repeated, (5, 12), (3, 12))]


@pytest.mark.parametrize("kind", [GRUCell, LSTMCell, RNNCell, IndRNNCell, LayerNormLSTMCell])
@given(data=st.data())
def test_cells_step_from_repeated_states(kind: Any, data: st.DataObject) -> None:
    some = data.draw(st.integers(1, 4))
    rows = torch.tensor(data.draw(st.lists(st.integers(0, some - 1), min_size=1, max_size=9)))
    cell = kind(3, 4).double()
    state = map_tensors(torch.randn_like, cell.initial_state(some, dtype=torch.float64))
    x = torch.randn(len(rows), 3, dtype=torch.float64)
    found = cell(x, map_tensors(lambda value: Repeated(value, rows), state))
    expected = cell(x, map_tensors(lambda value: value[rows], state))
    for one, other in zip(tensors(found), tensors(expected), strict=True):
        torch.testing.assert_close(one + 0, other)
