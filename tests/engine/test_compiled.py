"""The CPU engine against the reference: outputs, final states and every gradient."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import unspool
from unspool.cells import CELLS, GRUCell, LayerNormGRUCell, LSTMCell
from unspool.cells.state import Tree, map_tensors, tensors
from unspool.layers.decoder_cell import Conditioning, DecoderCell

DOUBLE = torch.float64


class Weighted(unspool.Cell):
    """Weights that are computed from parameters, a buffer, and a slice of the state."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.v = nn.Parameter(torch.randn(hidden_size, input_size))
        self.g = nn.Parameter(torch.rand(hidden_size, 1))
        self.u = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size)
        self.gain: Tensor
        self.register_buffer("gain", torch.tensor(1.5))

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, old = state
        skew, normed = self.u - self.u.T, self.g * nn.functional.normalize(self.v, dim=1)
        fresh = torch.tanh(nn.functional.linear(x, normed) + self.gain * (h @ skew.T) - 0.1 * old)
        return torch.cat([fresh[:, 1:], h[:, :1]], 1), (fresh, h)


class Heads(unspool.Cell):
    """A block-diagonal recurrent matrix, a softmax, and a matrix state."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.size = hidden_size // 2
        self.x = nn.Linear(input_size, hidden_size)
        self.w = nn.Parameter(torch.randn(2, self.size, self.size) / self.size**0.5)

    def initial_state(self, batch: int, *, dtype: Any = None, device: Any = None) -> Tree:
        kind = {"dtype": dtype, "device": device}
        return {"h": torch.zeros(batch, 2 * self.size, **kind), "m": torch.zeros(batch, self.size, self.size, **kind)}

    def forward(self, x: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        rows = x.shape[0]
        heads = torch.einsum("bnd,nde->bne", state["h"].view(rows, 2, self.size), self.w)
        keys = torch.softmax(heads[:, 0], -1)
        matrix = 0.9 * state["m"] + torch.einsum("bi,bj->bij", keys, heads[:, 1])
        read = torch.bmm(matrix, keys.unsqueeze(2)).squeeze(2)
        h = torch.tanh(self.x(x) + torch.cat([read, heads[:, 1]], 1))
        return h * torch.where(h > 0, 1.0, 0.5), {"h": h, "m": matrix}


OWN: dict[str, Callable[[int, int], Any]] = {"Weighted": Weighted, "Heads": Heads}
MAKERS: dict[str, Callable[[int, int], Any]] = {**CELLS, **OWN}


def example(name: str, batch: int, time: int, size: int = 6, dtype: torch.dtype = DOUBLE) -> tuple[Any, Tensor, Tree]:
    """A cell, inputs and a state, random and all with gradient."""
    cell = MAKERS[name](size, size).to(dtype)
    x = torch.randn(batch, time, size, dtype=dtype, requires_grad=True)
    state = map_tensors(lambda v: torch.randn_like(v).requires_grad_(), cell.initial_state(batch, dtype=dtype))
    return cell, x, state


def ran(cell: Any, x: Tensor, state: Tree, context: Tree = None, **options: Any) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs and final states, and the gradients of all inputs under random cotangents."""
    y, final = unspool.unfold(cell, x, state, context=context, **options)
    made = [y, *tensors(final)]
    draw = torch.Generator().manual_seed(5)
    cotangents = [torch.randn(v.shape, dtype=v.dtype, generator=draw) for v in made]
    leaves = [v for v in (x, *tensors(state), *tensors(context), *cell.parameters()) if v.requires_grad]
    # With `truncate`, a state that is only handed on may have no gradient left.
    pairs = [(value, cotangent) for value, cotangent in zip(made, cotangents, strict=True) if value.requires_grad]
    found = (
        torch.autograd.grad([v for v, _ in pairs], leaves, [c for _, c in pairs], allow_unused=True)
        if pairs
        else [None] * len(leaves)
    )
    return made, [torch.zeros_like(v) if g is None else g for v, g in zip(leaves, found, strict=True)]


def agree(cell: Any, x: Tensor, state: Tree, context: Tree = None, **options: Any) -> None:
    expected = ran(cell, x, state, context, engine="reference", **options)
    torch.testing.assert_close(ran(cell, x, state, context, engine="cpu", **options), expected)


@st.composite
def calls(draw: st.DrawFn) -> dict[str, Any]:
    batch, time = draw(st.sampled_from([0, 1, 2, 3, 7, 40, 130])), draw(st.sampled_from([1, 2, 5, 9]))
    lengths = draw(st.none() | st.lists(st.integers(0, time), min_size=batch, max_size=batch))
    options = {
        "lengths": lengths,
        "reverse": draw(st.booleans()),
        "truncate": draw(st.none() | st.integers(1, 4)),
        "checkpoint": draw(st.none() | st.integers(1, 4)),
    }
    return {"batch": batch, "time": time, "threads": draw(st.sampled_from([1, 2, 3])), "options": options}


@pytest.fixture
def keep_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.usefixtures("keep_threads")
def test_it_equals_the_reference(name: str) -> None:
    """Odd sizes, ragged rows, all options; enough rows to be done in several parts."""
    torch.manual_seed(0)

    @given(call=calls())
    @settings(max_examples=12, derandomize=True, database=None)
    def check(call: dict[str, Any]) -> None:
        torch.set_num_threads(call["threads"])
        agree(*example(name, call["batch"], call["time"]), **call["options"])

    check()


@pytest.mark.parametrize("size", [1, 7, 33, 300])
@pytest.mark.parametrize("name", ["gru", "layernorm-lstm", "indrnn"])
def test_any_width(name: str, size: int) -> None:
    torch.manual_seed(1)
    agree(*example(name, 40, 3, size), lengths=[1 + i % 3 for i in range(40)])


@pytest.mark.parametrize("score", ["additive", "general"])
@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("feeding", [False, True])
def test_attention_over_a_memory(score: str, place: str, feeding: bool) -> None:
    """Gradients of memory and keys, a mask, rows in several parts."""
    torch.manual_seed(2)
    conditioning = Conditioning("attention", score=score, place=place, input_feeding=feeding)
    cell = DecoderCell(
        GRUCell, 3, 32, layers=2, conditioning=conditioning, vector_size=5, memory_size=4, features_size=6
    ).double()
    context = {
        "memory": torch.randn(40, 5, 4, dtype=DOUBLE, requires_grad=True),
        "keys": torch.randn(40, 5, 32, dtype=DOUBLE, requires_grad=True),
        "mask": torch.rand(40, 5) > 0.3,
        "between": None,
        "recurrent": tuple(torch.rand(40, 32, dtype=DOUBLE) for _ in range(2)),
        "vector": None,
    }
    x = torch.randn(40, 4, 3, dtype=DOUBLE, requires_grad=True)
    agree(cell, x, cell.initial_state(40, dtype=DOUBLE), context, lengths=[i % 5 for i in range(40)])


@pytest.mark.parametrize("name", OWN)
def test_a_row_is_alone_to_the_last_bit(name: str) -> None:
    """In any batch and in any chunks; of the cells that come with the package see tests/invariants."""
    torch.manual_seed(3)
    cell, x, state = example(name, 64, 7, dtype=torch.float32)
    whole = [v.detach() for v in (ran(cell, x, state, engine="cpu")[0])]
    for batch in (1, 2, 3, 8, 16, 33):
        part = map_tensors(lambda v, n=batch: v[:n], state)
        alone = ran(cell, x[:batch], part, engine="cpu")[0]
        assert all(torch.equal(a, b[:batch]) for a, b in zip(alone, whole, strict=True))
    y, now = [], state
    for start, stop in ((0, 1), (1, 5), (5, 7)):
        out, now = unspool.unfold(cell, x[:, start:stop], now, engine="cpu")
        y.append(out)
    assert torch.equal(torch.cat(y, 1), whole[0])
    assert all(torch.equal(a, b) for a, b in zip(tensors(now), whole[1:], strict=True))


@pytest.mark.parametrize("name", OWN)
@pytest.mark.usefixtures("keep_threads")
def test_gradients_too_and_parameters_at_any_number_of_threads(name: str) -> None:
    torch.manual_seed(4)
    cell, x, state = example(name, 33, 9, 40, torch.float32)
    lengths = [1 + (5 * i) % 9 for i in range(33)]
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        found += [ran(cell, x, state, engine="cpu", lengths=lengths) for _ in range(5)]
    flat = [[*made, *gradients] for made, gradients in found]
    assert all(torch.equal(a, b) for values in flat[1:] for a, b in zip(values, flat[0], strict=True))
    alone = ran(cell, x[4:5], map_tensors(lambda v: v[4:5], state), engine="cpu", lengths=lengths[4:5])
    rows = 1 + len(tensors(state))
    batch = ran(cell, x, state, engine="cpu", lengths=lengths)
    assert torch.equal(alone[0][0], batch[0][0][4:5])
    draw = torch.Generator().manual_seed(5)
    cotangents = [torch.randn(v.shape, generator=draw) for v in batch[0]]
    made = unspool.unfold(cell, x[4:5], map_tensors(lambda v: v[4:5], state), lengths=lengths[4:5], engine="cpu")
    ends = [made[0], *tensors(made[1])]
    leaves = [x, *tensors(state)]
    own = torch.autograd.grad(ends, leaves, [c[4:5] for c in cotangents])
    assert all(torch.equal(a[4], b[4]) for a, b in zip(own, batch[1][:rows], strict=True))


def test_padding_may_hold_anything_and_strides_are_free() -> None:
    torch.manual_seed(5)
    cell, x, state = example("gru", 5, 6)
    lengths = [6, 0, 3, 5, 1]
    expected = ran(cell, x, state, engine="cpu", lengths=lengths)
    dirty = x.detach().clone()
    for row, length in enumerate(lengths):
        dirty[row, length:] = float("nan")
    strange = dirty.transpose(0, 1).contiguous().transpose(0, 1).requires_grad_()
    found = ran(cell, strange, state, engine="cpu", lengths=lengths)
    assert all(torch.equal(a, b) for a, b in zip([*found[0], *found[1]], [*expected[0], *expected[1]], strict=True))


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize(
    ("lengths", "reverse"),
    [
        pytest.param(None, False, id="full-forward"),
        pytest.param([3, 0], True, id="ragged-reverse"),
        pytest.param(None, True, id="full-reverse", marks=pytest.mark.slow),
        pytest.param([3, 0], False, id="ragged-forward", marks=pytest.mark.slow),
    ],
)
def test_first_and_second_derivatives(name: str, lengths: list[int] | None, reverse: bool) -> None:
    torch.manual_seed(6)
    size = 4 if name == "Heads" else 3
    cell = MAKERS[name](size, size).double()
    x = torch.randn(2, 3, size, dtype=DOUBLE, requires_grad=True)
    parameters = [p for p in cell.parameters() if p.requires_grad]

    def run(x: Tensor, *_: Tensor) -> tuple[Tensor, ...]:
        y, final = unspool.unfold(cell, x, lengths=lengths, reverse=reverse, engine="cpu")
        return y, *tensors(final)

    inputs = (x, *parameters)
    assert torch.autograd.gradcheck(run, inputs)
    if name not in ("elementwise", "indrnn"):  # relu and its like have no second derivative where they bend
        assert torch.autograd.gradgradcheck(run, inputs)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"reverse": True},
        {"lengths": [3, 5, 0]},
        {"truncate": 2},
        {"reverse": True, "lengths": [2, 0, 5], "truncate": 2},
    ],
    ids=str,
)
def test_a_derivative_that_can_be_differentiated_again_is_the_same(options: dict[str, Any]) -> None:
    """It comes from the reference, in the same call; so do those of the second order."""
    torch.manual_seed(6)
    cell, x, state = example("lstm", 3, 5, 4)
    leaves = [x, *tensors(state), *cell.parameters()]

    def run(engine: str) -> list[list[Tensor]]:
        y, last = unspool.unfold(cell, x, state, engine=engine, **options)
        value = y.sin().sum() + torch.stack([v.square().sum() for v in tensors(last)]).sum()
        once, first = (
            torch.autograd.grad(value, leaves, retain_graph=True, create_graph=kind) for kind in (False, True)
        )
        torch.testing.assert_close(once, first)
        return [list(first), list(torch.autograd.grad([g.square().sum() for g in first], leaves))]

    torch.testing.assert_close(run("cpu"), run("reference"))


def test_accuracy_is_that_of_pytorch() -> None:
    """Against float64, on the same weights: at most 1.5 times the error of torch.nn."""
    torch.manual_seed(7)
    for ours, theirs in ((unspool.RNN, nn.RNN), (unspool.GRU, nn.GRU), (unspool.LSTM, nn.LSTM)):
        judge = theirs(64, 96, batch_first=True)
        own: Any = ours(64, 96, batch_first=True)
        own.load_state_dict(judge.state_dict())
        exact = copy.deepcopy(judge).double()
        x, w = torch.randn(8, 60, 64), torch.randn(8, 60, 96)
        errors = {}
        found: dict[str, list[Tensor]] = {}
        for kind, net in (("exact", exact), ("judge", judge), ("own", own)):
            fed = x.to(next(net.parameters()).dtype).requires_grad_()
            y = net(fed)[0]
            grads = torch.autograd.grad(y, [fed, *net.parameters()], w.to(y.dtype))
            found[kind] = [y.detach().double(), *(g.double() for g in grads)]
        for kind in ("judge", "own"):
            errors[kind] = [
                ((a - b).square().mean() / b.square().mean()).sqrt()
                for a, b in zip(found[kind], found["exact"], strict=True)
            ]
        assert all(mine <= 1.5 * theirs for mine, theirs in zip(errors["own"], errors["judge"], strict=True))


def test_cells_of_one_structure_share_a_program_and_others_do_not() -> None:
    from unspool.graph.compile import compiled, forget

    forget()
    x, h = torch.randn(2, 3, 4), torch.zeros(2, 4)
    one, _ = compiled(GRUCell(4, 4), x, h, None)
    assert compiled(GRUCell(4, 4), x, h, None)[0] is one
    assert compiled(GRUCell(4, 4), torch.randn(7, 9, 4), torch.zeros(7, 4), None)[0] is one
    assert compiled(GRUCell(4, 4, reset="before"), x, h, None)[0] is not one
    assert compiled(LayerNormGRUCell(4, 4), x, h, None)[0] is not one
    frozen = LSTMCell(4, 4)
    state = (h, h)
    learned, _ = compiled(frozen, x, state, None)
    frozen.h.requires_grad_(False)
    assert compiled(frozen, x, state, None)[0] is not learned
