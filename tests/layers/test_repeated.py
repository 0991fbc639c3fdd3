"""`Repeated` beside the rows that it stands for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from unspool.cells import Cell, GRUCell, IndRNNCell, LayerNormLSTMCell, LSTMCell, RNNCell
from unspool.cells.state import map_tensors, tensors
from unspool.layers.repeated import Repeated, repeats

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


class Binary(torch.autograd.Function):
    """A product with the signs of the weights, whose gradient passes them as if they were the weights."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(value, weight)
        return nn.functional.linear(value, weight.sign())

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor]:
        value, weight = ctx.saved_tensors
        return grads[0] @ weight, grads[0].T @ value


class Odd(Cell):
    """An Elman cell, with a function of its own between the product and the nonlinearity."""

    def __init__(self, between: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> None:
        super().__init__(4, 4)
        self.x, self.h, self.between = nn.Linear(4, 4), nn.Linear(4, 4), between

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.x(x) + self.between(self, h, self.h(h)))
        return h, h


def written_to(_: nn.Module, h: Tensor, product: Tensor) -> Tensor:
    product[:, :2].sigmoid_()
    return product


def hooked(_: nn.Module, h: Tensor, product: Tensor) -> Tensor:
    if product.requires_grad:
        product.register_hook(lambda gradient: 0 * gradient)
    return product


def energetic(cell: Any, h: Tensor, product: Tensor) -> Tensor:
    h = h if h.requires_grad else h.detach().requires_grad_()
    return torch.autograd.grad(torch.tanh(cell.h(h)).sum(), h, create_graph=True)[0]


def rounded(_: nn.Module, h: Tensor, product: Tensor) -> Tensor:
    with torch.no_grad():
        product.clamp_(-0.5, 0.5)
    return product


def counted(cell: Any, h: Tensor, product: Tensor) -> Tensor:
    cell.calls = getattr(cell, "calls", 0) + 1
    return product * cell.calls


ODD = {
    "as it is": (lambda _, h, product: product, True),
    "own derivative": (lambda _, h, product: product + Squared.apply(h), True),
    "own product": (lambda cell, h, product: Binary.apply(h, cell.h.weight), False),
    "written to": (written_to, False),
    "hooked": (hooked, False),
    "energetic": (energetic, False),
    "rounded": (rounded, False),
    "drawn": (lambda _, h, product: nn.functional.dropout(product), False),
    "counted": (counted, False),
}


@pytest.mark.parametrize("name", ODD)
def test_cells_that_lose_by_it_are_found(name: str) -> None:
    between, fits = ODD[name]
    cell = Odd(between)
    assert repeats(cell, 4, torch.randn(2, 4)) is fits
    assert not hasattr(cell, "calls")


class Counting(Cell):
    """One with whole numbers in its state, whose step cannot be tried by differences."""

    def initial_state(self, batch: int, **kind: Any) -> Any:
        return torch.zeros(batch, 4), torch.zeros(batch, 1, dtype=torch.int64)

    def forward(self, x: Tensor, state: Any) -> Any:
        return x + state[0], (x, state[1] + 1)


def test_cells_that_cannot_be_tried_go_as_they_are() -> None:
    cell = Counting(4, 4)
    assert not repeats(cell, 4, cell.initial_state(2))
    assert not repeats(cell, 5, (torch.zeros(2, 3), torch.zeros(2, 1, dtype=torch.int64)))


def test_a_hook_that_comes_later_is_found() -> None:
    cell = GRUCell(4, 4)
    assert repeats(cell, 4, torch.randn(2, 4))
    cell.h.register_forward_hook(lambda module, given, made: made[:, :2].mul_(2) is None or None)
    assert not repeats(cell, 4, torch.randn(2, 4))


def test_not_under_transforms() -> None:
    cell, state = GRUCell(4, 4), torch.randn(2, 4)
    with torch.no_grad():
        assert not repeats(cell, 4, state)
    with torch.inference_mode():
        assert not repeats(cell, 4, state)
    with torch.autocast("cpu", torch.bfloat16):
        assert not repeats(cell, 4, state)
    found = []
    torch.func.grad(lambda h: found.append(repeats(cell, 4, h)) or h.sum())(state)
    assert found == [False]
