"""Steps that plain PyTorch takes in stride, and that the CPU engine therefore takes too: equal to the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unspool
from unspool.cells.state import tensors
from unspool.graph import trace
from unspool.graph.compile import forget

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


Operation = Callable[[Any, Tensor, Tensor], Tensor]
HALF = 3


def written(cell: Any, x: Tensor, h: Tensor) -> Tensor:
    made = torch.zeros_like(h)
    made[:, :HALF] = x[:, :HALF]
    made[:, HALF:] = cell.u(h)[:, HALF:]
    made[:, 1] = 0.5
    made[:, 2:4] *= 2
    return made.add_(h)


def stacked(cell: Any, x: Tensor, h: Tensor) -> Tensor:
    both = torch.tanh(torch.stack([x, cell.u(h)]))
    return both[0] * both[1] + both.sum(0)


def standardised(cell: Any, x: Tensor, h: Tensor) -> Tensor:
    variance, mean = torch.var_mean(x + h, 1, keepdim=True)
    return (x + h - mean) / (variance + 1)


def reflected(cell: Any, x: Tensor, h: Tensor) -> Tensor:
    for normal in cell.p.unbind(0):
        h = h - (h @ normal).unsqueeze(1) * normal
    return h + x


OPERATIONS: dict[str, Operation] = {
    "lerp": lambda c, x, h: torch.lerp(x, h, torch.sigmoid(c.u(h))),
    "cumsum": lambda c, x, h: x.view(-1, 2, 3).cumsum(1).flatten(1) + torch.softmax(h, 1).cumsum(1),
    "roll": lambda c, x, h: x + h.roll((1, -2), (1, 1)) + h.view(-1, 2, 3).roll((1, 2), (1, 2)).flatten(1),
    "stack in front": stacked,
    "every other": lambda c, x, h: x + torch.cat([h[:, ::2] * c.v[:3], c.u(h)[:, 1::2]], 1),
    "written in place": written,
    "bias column": lambda c, x, h: x + torch.cat([h[:, 1:], torch.ones_like(h[:, :1])], 1) @ c.p,
    "zeros in front": lambda c, x, h: x + torch.cat([torch.zeros_like(h[:, :2]), h[:, 2:]], 1),
    "sums of constants": lambda c, x, h: x + h / torch.ones_like(h).sum(1, keepdim=True),
    "product of constants": lambda c, x, h: x + h * c.u(torch.ones_like(h)),
    "pad and crop": lambda c, x, h: x + nn.functional.pad(h, (2, -2)) + nn.functional.pad(h, (-1, 1)),
    "sum of a product": lambda c, x, h: x * c.u(h).sum(1, keepdim=True),
    "flipped product": lambda c, x, h: x + c.u(h).flip(1),
    "flipped parts": lambda c, x, h: x + nn.functional.linear(h.view(-1, 2, 3), c.q[0]).flip(1, 2).flatten(1),
    "flipped heads": lambda c, x, h: x + torch.einsum("bhi,hij->bhj", h.view(-1, 2, 3).flip(1), c.q).flatten(1),
    "clamp by tensors": lambda c, x, h: torch.clamp(x + h, min=-c.v, max=c.v),
    "cosine": lambda c, x, h: x + nn.functional.cosine_similarity(x, h, dim=1).unsqueeze(1) * h,
    "prelu": lambda c, x, h: nn.functional.prelu(x + c.u(h), c.v),
    "moments": standardised,
    "reflections": reflected,
}


class Applies(unspool.Cell):
    """One operation on the input and the state, under tanh."""

    def __init__(self, operation: Operation) -> None:
        super().__init__(5, 6)
        self.operation = operation
        self.w, self.u = nn.Linear(5, 6), nn.Linear(6, 6)
        self.p, self.q = nn.Parameter(torch.randn(6, 6) / 2), nn.Parameter(torch.randn(2, 3, 3) / 2)
        self.v = nn.Parameter(torch.rand(6) + 0.5)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.operation(self, self.w(x), h))
        return h, h


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name: str) -> None:
    torch.manual_seed(2)
    agree(Applies(OPERATIONS[name]).double(), values(3, 4, 5), values(3, 6))


class NamesInQuotes(unspool.Cell):
    def __init__(self) -> None:
        super().__init__(3, 4)
        self.w, self.u = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor, h: Tensor, context: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        h = self.w(x) + self.u(context["it"]) * h
        return h, h


def test_names_in_quotes() -> None:
    torch.manual_seed(3)
    agree(NamesInQuotes().double(), values(3, 4, 3), values(3, 4), {"it": values(3, 4)})


def test_what_has_no_derivative_runs_on_the_reference() -> None:
    cell = Applies(lambda cell, x, h: torch.special.zeta(x.abs() + 2, h.abs() + 1)).double()
    with pytest.warns(UserWarning, match="Applies runs on the reference loop: Applies cannot be traced.*zeta"):
        unspool.unfold(cell, values(3, 4, 5))


class Positions(unspool.Cell):
    """Goes with one length of its memory only, which a trace for any length finds out."""

    def forward(self, x: Tensor, state: Pair, context: Tensor) -> tuple[Tensor, Pair]:
        h, place = state
        weights = torch.exp(-((torch.arange(7, dtype=h.dtype) - place) ** 2))
        h = torch.tanh(x + torch.einsum("bs,bsh->bh", weights, context) + h)
        return h, (h, place + 1)


class Sentinel(unspool.Cell):
    """May look at a number of its own beside the steps of its memory, so that it weighs one more than those."""

    def forward(self, x: Tensor, state: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        scores = torch.einsum("bh,bsh->bs", state, context)
        weights = torch.softmax(torch.cat([scores, x[:, :1]], 1), 1)
        found = torch.einsum("bs,bsh->bh", weights[:, :-1], context) + weights[:, -1:] * x
        h = torch.tanh(x + found)
        return h, h


class Scaled(unspool.Cell):
    """Divides by the root of how long its memory is: a number in which a trace does not show the length."""

    def forward(self, x: Tensor, state: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(x + torch.einsum("bh,bsh->bh", state, context) / context.shape[1] ** 0.5)
        return h, h


@pytest.mark.parametrize(("kind", "traces"), [(Sentinel, 1), (Scaled, 2)])
def test_one_trace_for_any_length_of_a_memory_or_else_one_for_each(
    kind: type[unspool.Cell], traces: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget()
    joined: list[int] = []

    def counted(step: trace.Step, *rest: Any) -> trace.Joint:
        joined.append(step.signature.contexts[0][0][0])
        return join(step, *rest)

    join = trace._join
    monkeypatch.setattr(trace, "_join", counted)
    torch.manual_seed(5)
    cell = kind(3, 3).double()
    for length in (5, 9, 5):
        agree(cell, values(3, 4, 3), values(3, 3), values(3, length, 3))
    assert len(joined) == traces, joined


class Joined(unspool.Cell):
    """Puts what a product makes beside x, and goes on with work of other widths, before the next product."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.linear = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        size = self.hidden_size
        y = torch.cat([self.linear(h), x], 1).softmax(1) * 9
        first = nn.functional.layer_norm(y[:, :size] + h, (size,))
        second = nn.functional.layer_norm(y[:, size:] - h, (size,))
        h = torch.tanh(first * second + first.amax(1, True) - second.amin(1, True))
        return h, h


@pytest.mark.parametrize("size", [128, 256])
def test_what_is_joined_after_a_product_for_many_rows(size: int) -> None:
    torch.manual_seed(6)
    cell, x = Joined(size, size).double(), values(90, 2, size)
    with torch.no_grad():
        found, expected = (unspool.unfold(cell, x, engine=engine)[0] for engine in ("cpu", "reference"))
    torch.testing.assert_close(found, expected)


class Mean(unspool.Cell):
    """Computes with a length alone, before it sees any number."""

    def forward(self, x: Tensor, state: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        places = torch.arange(context.shape[1], dtype=x.dtype) / context.shape[1]
        h = torch.tanh(x + places.mean() * state + context.sum(1))
        return h, h


@pytest.mark.parametrize("length", [1, 5, 300])
def test_a_number_made_of_a_length_alone(length: int) -> None:
    torch.manual_seed(7)
    agree(Mean(3, 3).double(), values(3, 4, 3), values(3, 3), values(3, length, 3))


def test_a_trace_that_fails_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(4)
    agree(Positions(3, 3, state_sizes=(3, 1)).double(), values(3, 4, 3), (values(3, 3), values(3, 1)), values(3, 7, 3))
    assert capfd.readouterr().err == ""
