"""`unfold` against a naive loop that shares no code with it: outputs, final states and every gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import unspool
from unspool.cells import GRUCell, LSTMCell, RNNCell
from unspool.cells.state import map_tensors, tensors
from unspool.errors import ConfigError, ShapeError

DEVICES = [
    "cpu",
    pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")),
]


class Seeing(unspool.Cell):
    """Two states of different width, and a context that is a tensor, a tuple or a dict."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, 2))
        self.a = nn.Linear(input_size + 2 * hidden_size, hidden_size)
        self.b = nn.Linear(hidden_size, 2)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor], context: Any) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, s = state
        seen = sum(tensors(context))
        h = torch.tanh(self.a(torch.cat([x, h, seen], 1))) * (1 + s.sum(1, keepdim=True))  # pyright: ignore[reportArgumentType]
        return 2 * h, (h, torch.sin(self.b(h) + s))


def naive(
    cell: Any, x: Tensor, state: Any, context: Any, lengths: list[int], reverse: bool, cut: int | None
) -> tuple[Tensor, Any]:
    """One row and one step at a time."""
    rows, finals = [], []
    for b, length in enumerate(lengths):
        own = map_tensors(lambda v, b=b: v[b : b + 1], state)
        seen = () if context is None else (map_tensors(lambda v, b=b: v[b : b + 1], context),)
        ys: list[Tensor | None] = [None] * x.shape[1]
        for done, t in enumerate(reversed(range(length)) if reverse else range(length)):
            if cut and done and done % cut == 0:
                own = map_tensors(Tensor.detach, own)
            ys[t], own = cell(x[b : b + 1, t], own, *seen)
        blank = torch.zeros(1, cell.output_size, dtype=x.dtype)
        rows.append(torch.cat([blank if y is None else y for y in ys]))
        finals.append(own)
    return torch.stack(rows), map_tensors(lambda *parts: torch.cat(parts), finals[0], *finals[1:])


def gradients(outputs: Any, leaves: list[Tensor]) -> list[Tensor | None]:
    torch.manual_seed(9)
    loss = torch.stack([(v * torch.randn_like(v)).sum() for v in tensors(outputs)]).sum()
    return list(torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True))


@given(
    lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    extra=st.integers(0, 2),
    reverse=st.booleans(),
    kind=st.sampled_from(["tensor", "tuple", "dict", "none"]),
    truncate=st.sampled_from([None, None, 1, 2, 3]),
    checkpoint=st.sampled_from([None, None, 1, 2, 5]),
)
@settings(max_examples=80)
def test_it_equals_a_naive_loop(
    lengths: list[int], extra: int, reverse: bool, kind: str, truncate: int | None, checkpoint: int | None
) -> None:
    torch.manual_seed(0)
    time_options: dict[str, Any] = {"reverse": reverse, "truncate": truncate, "checkpoint": checkpoint}
    batch, time = len(lengths), max(1, max(lengths) + extra)
    cell: Any = LSTMCell(3, 4).double() if kind == "none" else Seeing(3, 4).double()
    x = torch.randn(batch, time, 3).double().requires_grad_()
    state = map_tensors(lambda v: torch.randn(v.shape).double().requires_grad_(), cell.initial_state(batch))
    values = [torch.randn(batch, 4).double().requires_grad_() for _ in range(2)]
    context = {"none": None, "tensor": values[0], "tuple": tuple(values), "dict": dict(zip("ab", values, strict=True))}[
        kind
    ]
    leaves = [x, *tensors(state), *tensors(context), *cell.parameters()]
    got = unspool.unfold(cell, x, state, context=context, lengths=lengths, **time_options)
    expected = naive(cell, x, state, context, lengths, reverse, truncate)
    torch.testing.assert_close(tensors(got), tensors(expected))
    for mine, theirs in zip(gradients(got, leaves), gradients(expected, leaves), strict=True):
        # A gradient that one loop does not know, the other may know to be zero.
        zero = torch.zeros((), dtype=x.dtype)
        both = torch.broadcast_tensors(zero if mine is None else mine, zero if theirs is None else theirs)
        torch.testing.assert_close(both[0], both[1])
    poisoned = x.detach().clone()
    for b, length in enumerate(lengths):
        poisoned[b, length:] = float("nan")
    poisoned.requires_grad_()
    again = unspool.unfold(cell, poisoned, state, context=context, lengths=lengths, **time_options)
    torch.testing.assert_close(tensors(again), tensors(expected))
    clean = gradients(got, leaves)
    for mine, theirs in zip(gradients(again, [poisoned, *leaves[1:]]), clean, strict=True):
        assert (mine is None) is (theirs is None)
        assert mine is None or theirs is None or torch.equal(mine, theirs)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_devices_and_dtypes(device: str, dtype: torch.dtype) -> None:
    """Outputs, final state and gradients stay where and what the inputs are, near those of float64 on the CPU."""
    torch.manual_seed(0)
    exact = GRUCell(3, 4).double()
    x, lengths = torch.randn(2, 5, 3).double(), torch.tensor([5, 2])  # lengths may lie on another device
    cell = GRUCell(3, 4).to(device, dtype)
    cell.load_state_dict(exact.state_dict())
    results = []
    for net, fed in ((exact, x.clone()), (cell, x.to(device, dtype))):
        y, h = unspool.unfold(net, fed.requires_grad_(), lengths=lengths, reverse=True, truncate=3, checkpoint=2)
        gradient = torch.autograd.grad(y.square().sum() + h.sum(), fed)[0]
        assert all((v.dtype, v.device) == (fed.dtype, fed.device) for v in (y, h, gradient))
        results.append([v.cpu().double() for v in (y, h, gradient)])
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-5, torch.bfloat16: 0.1}[dtype]
    torch.testing.assert_close(results[1], results[0], atol=tolerance, rtol=0)


@pytest.mark.parametrize("lengths", [None, [7, 4, 1]])
def test_truncation_carries_the_state_and_cuts_the_gradient(lengths: list[int] | None) -> None:
    torch.manual_seed(0)
    cell = RNNCell(3, 4).double()
    x = torch.randn(3, 7, 3).double().requires_grad_()
    full, _ = unspool.unfold(cell, x, lengths=lengths)
    cut, _ = unspool.unfold(cell, x, lengths=lengths, truncate=3)
    assert torch.equal(full, cut)
    by_hand, state = [], cell.initial_state(3, dtype=x.dtype)
    for start in (0, 3, 6):
        chunk = x[:, start : start + 3]
        rest = None if lengths is None else [min(max(n - start, 0), chunk.shape[1]) for n in lengths]
        y, state = unspool.unfold(cell, chunk, state.detach(), lengths=rest)
        by_hand.append(y)
    leaves = [x, *cell.parameters()]
    torch.testing.assert_close(gradients(cut, leaves), gradients(torch.cat(by_hand, 1), leaves))
    assert not torch.equal(gradients(cut, leaves)[0], gradients(full, leaves)[0])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("segment", [1, 3, 50])
def test_checkpoints_change_no_value(segment: int) -> None:
    cell = Seeing(3, 4).double()
    x = torch.randn(3, 8, 3).double().requires_grad_()
    context = torch.randn(3, 4).double().requires_grad_()
    leaves = [x, context, *cell.parameters()]
    whole = unspool.unfold(cell, x, context=context, lengths=[8, 3, 0])
    kept = unspool.unfold(cell, x, context=context, lengths=[8, 3, 0], checkpoint=segment)
    assert torch.equal(whole[0], kept[0])
    torch.testing.assert_close(gradients(kept, leaves), gradients(whole, leaves))


def test_checkpoints_save_memory() -> None:
    """What autograd keeps between forward and backward."""

    def kept(**options: Any) -> int:
        size = 0

        def pack(value: Tensor) -> Tensor:
            nonlocal size
            size += value.numel()
            return value

        x = torch.randn(2, 100, 3, requires_grad=True)
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
            unspool.unfold(GRUCell(3, 8), x, **options)
        return size

    assert kept(checkpoint=20) < kept() / 3


def test_no_step_and_no_row() -> None:
    cell = LSTMCell(3, 4, projection_size=2)
    y, (h, c) = unspool.unfold(cell, torch.randn(2, 0, 3))
    assert y.shape == (2, 0, 2) and not h.any() and c.shape == (2, 4)
    y, (h, _) = unspool.unfold(cell, torch.randn(0, 5, 3), lengths=[])
    assert y.shape == (0, 5, 2) and h.shape == (0, 2)
    given = torch.randn(2, 4)
    y, h = unspool.unfold(GRUCell(3, 4), torch.randn(2, 5, 3), given, lengths=[0, 0])
    assert not y.any() and torch.equal(h, given)


class Wrong(unspool.Cell):
    def __init__(self, returned: str) -> None:
        super().__init__(3, 4)
        self.returned = returned

    def forward(self, x: Tensor, h: Tensor) -> Any:
        return {
            "none": (None, h),
            "wide": (h, torch.cat([h, h], 1)),
            "tuple": (h, (h,)),
            "flat": (h.sum(1), h),
            "alone": h,
            "three": (h, h, h),
            "narrow": (h[:, :3], h),
        }[self.returned]


X = torch.zeros(2, 5, 3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": torch.zeros(5, 3)}, r"\[B, T, I\].*unsqueeze"),
        ({"inputs": torch.zeros(2, 5, 9)}, "9 features.*input_size=3"),
        ({"inputs": torch.zeros(2, 5, 3, dtype=torch.int64)}, "Embedding"),
        ({"lengths": [5]}, r"expected \[2\]"),
        ({"lengths": [6, 1]}, "1 to 6.*0 to 5"),
        ({"lengths": [-1, 1]}, "-1 to 1"),
        ({"lengths": torch.tensor([1.0, 2.0])}, "whole numbers"),
        ({"lengths": "ab"}, "lengths are a str .*expected whole numbers"),
        ({"lengths": torch.tensor([6, 1]).to(torch.uint64)}, "1 to 6.*0 to 5"),
        ({"inputs": X.numpy()}, r"inputs are a ndarray; expected a torch.Tensor \[B, T, I\]"),
        ({"inputs": None}, "inputs are a NoneType"),
        ({"state": torch.zeros(3, 4)}, r"state has shape \(3, 4\); expected 2 rows"),
        ({"state": torch.zeros(2, 9)}, r"the state is \[B, 9\]; expected \[B, 4\], as RNNCell.initial_state makes it"),
        ({"state": (torch.zeros(2, 4),)}, r"the state is \(\[B, 4\]\); expected \[B, 4\]"),
        ({"cell": LSTMCell(3, 4), "state": torch.zeros(2, 4)}, r"expected \(\[B, 4\], \[B, 4\]\)"),
        ({"context": torch.zeros(3, 4)}, r"context has shape \(3, 4\); expected 2 rows"),
        ({"cell": Wrong("alone")}, r"Wrong.forward returned Tensor; expected two values, \(output, next_state\)"),
        ({"cell": Wrong("three")}, "returned 3 values; expected two"),
        ({"cell": Wrong("none")}, "NoneType as output"),
        ({"cell": Wrong("wide")}, r"took a state \[B, 4\] and returned a state \[B, 8\]"),
        ({"cell": Wrong("tuple")}, r"returned a state \(\[B, 4\]\); expected the same.*built like"),
        ({"cell": Wrong("narrow")}, "output of 3 features, but its output_size is 4"),
        ({"cell": Wrong("flat")}, r"shape \(2,\); expected \[rows, features\]"),
    ],
)
def test_wrong_shapes_say_what_was_expected(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        unspool.unfold(**{"cell": RNNCell(3, 4), "inputs": X, **arguments})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"truncate": 0}, "truncate is 0"),
        ({"truncate": 2.5}, "truncate is 2.5; expected a number of steps"),
        ({"truncate": True}, "truncate is True; expected a number of steps"),
        ({"checkpoint": -1}, "checkpoint"),
        ({"engine": "fast"}, "engine='fast'.*reference"),
        ({"cell": RNNCell}, r"RNNCell is a class; expected a cell, RNNCell\(input_size, hidden_size\)"),
    ],
)
def test_wrong_choices_are_never_replaced_in_silence(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        unspool.unfold(**{"cell": RNNCell(3, 4), "inputs": X, **arguments})


class Pair(NamedTuple):
    h: Tensor
    steps: Tensor


class Named(unspool.Cell):
    def initial_state(self, batch: int, **kind: Any) -> Pair:
        return Pair(torch.zeros(batch, 4, **kind), torch.zeros(batch, 1, **kind))

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h = torch.tanh(state.h + x.sum(1, keepdim=True))
        return h, Pair(h, state.steps + 1)


class Shuffled(unspool.Cell):
    def initial_state(self, batch: int, **kind: Any) -> dict[str, Tensor]:
        return {"h": torch.zeros(batch, 4, **kind), "c": torch.zeros(batch, 4, **kind)}

    def forward(self, x: Tensor, state: dict[str, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        return state["h"], {"c": state["c"], "h": state["h"]}


def test_a_named_tuple_stays_one() -> None:
    x = torch.randn(2, 5, 3)
    y, state = unspool.unfold(Named(3, 4), x, lengths=[5, 2], truncate=2)
    assert isinstance(state, Pair)
    assert state.steps.flatten().tolist() == [5, 2]
    alone, _ = unspool.unfold(Named(3, 4), x[1:, :2])
    torch.testing.assert_close(y[1:, :2], alone)


def test_the_order_of_a_dict_state_is_part_of_it() -> None:
    with pytest.raises(ShapeError, match=r"took a state \{h: .*returned a state \{c: "):
        unspool.unfold(Shuffled(3, 4), X)


def test_after_a_good_call_a_state_is_still_checked() -> None:
    """A call like the last one is known to be well built; none that differs from it passes for one."""
    cell, x, (h, c) = LSTMCell(3, 4), torch.randn(2, 5, 3), (torch.randn(2, 4), torch.randn(2, 4))
    good, _ = unspool.unfold(cell, x, (h, c))
    for wrong in (h, (h,), (h, c, c), (h, c[:, :3]), (h[:1], c), {"h": h, "c": c}, (h, None), (h, 1.0)):
        with pytest.raises(ShapeError, match="state"):
            unspool.unfold(cell, x, wrong)
        torch.testing.assert_close(unspool.unfold(cell, x, (h, c))[0], good, rtol=0, atol=0)
    wide, _ = unspool.unfold(cell.double(), x.double(), (h.double(), c.double()))
    torch.testing.assert_close(wide.float(), good)


def test_a_cell_that_lacks_part_of_the_contract_is_named() -> None:
    theirs = nn.GRUCell(3, 4)
    with pytest.raises(ConfigError, match=r"GRUCell has no initial_state.*give one, unfold\(cell, inputs, state\)"):
        unspool.unfold(theirs, X)
    with pytest.raises(ShapeError, match="returned Tensor; expected two values"):
        unspool.unfold(theirs, X, torch.zeros(2, 4))
    with pytest.raises(ConfigError, match="no step, and GRUCell has no output_size"):
        unspool.unfold(theirs, X[:, :0], torch.zeros(2, 4))


def test_a_cut_beyond_the_end_is_none() -> None:
    cell, x = GRUCell(3, 4), torch.randn(2, 5, 3, requires_grad=True)
    (whole,) = torch.autograd.grad(unspool.unfold(cell, x)[0].sum(), x)
    (cut,) = torch.autograd.grad(unspool.unfold(cell, x, truncate=2**70)[0].sum(), x)
    assert torch.equal(whole, cut)


def test_explain_wants_a_cell() -> None:
    with pytest.raises(ConfigError, match="GRUCell is a class"):
        unspool.explain(GRUCell)
    for layer in (unspool.LSTM(3, 4), unspool.Recurrent(GRUCell, 3, 4)):
        with pytest.raises(ConfigError, match=r"has no initial_state, so it is a layer.*net.layers\[0\]\[0\]"):
            unspool.explain(layer)


def test_explain_names_the_engine_and_the_reason() -> None:
    told = unspool.explain(GRUCell(3, 4), X)
    assert "GRUCell runs on the cpu engine" in str(told)
    assert any("linear 3→12" in line for line in told.forward["before"])
    assert any("linear 4→12" in line for line in told.forward["loop"])
    assert any("weight gradient 12×4" in line for line in told.backward["after"])
    assert unspool.explain(GRUCell(3, 4), engine="reference").reason == "asked for"
