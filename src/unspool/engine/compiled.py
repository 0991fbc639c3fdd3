"""A call on the CPU engine, differentiable: the first derivative by program, higher ones by the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from unspool.cells.state import Tree, map_tensors, tensors
from unspool.engine import cpu, reference
from unspool.graph.compile import Compiled


def run(
    program: tuple[Compiled, list[Tensor]],
    cell: Any,
    x: Tensor,
    state: Tree,
    context: Tree,
    lengths: Tensor | None,
    *,
    reverse: bool,
    truncate: int | None,
    checkpoint: int | None,
) -> tuple[Tensor, Tree]:
    """What `reference.run` computes, on the CPU engine, by the programs of the cell and the tensors that it holds."""
    found, captured = program
    span = cpu.Span(x.shape[0], x.shape[1], lengths, reverse, truncate, checkpoint)

    def by_reference(x: Tensor, states: Sequence[Tensor], contexts: Sequence[Tensor]) -> list[Tensor]:
        options: dict[str, Any] = {"reverse": reverse, "truncate": truncate, "checkpoint": None}
        y, after = reference.run(cell, x, _refilled(state, states), _refilled(context, contexts), lengths, **options)
        return [y, *tensors(after)]

    states, contexts = tensors(state), tensors(context)
    call = Call(found, cpu.programs(found.program), span, by_reference, len(states), len(contexts))
    flat = [x, *states, *contexts, *captured]
    if call.told.backward and torch.is_grad_enabled() and any(value.requires_grad for value in flat):
        y, *finals = Unfold.apply(call, *flat)
    else:
        with torch.no_grad():
            y, finals, _ = call.forward(flat, keep=False)
    return y, _refilled(state, finals)


def _refilled(tree: Tree, values: Sequence[Tensor]) -> Tree:
    left = iter(values)
    return map_tensors(lambda _: next(left), tree)


class Call(NamedTuple):
    """One call: the programs, the rows and steps, and the same by the reference."""

    compiled: Compiled
    told: cpu.Programs
    span: cpu.Span
    by_reference: Callable[[Tensor, Sequence[Tensor], Sequence[Tensor]], list[Tensor]]
    states: int
    contexts: int

    def split(self, flat: Sequence[Any]) -> tuple[Any, list[Any], list[Any], list[Any]]:
        """x, states, contexts, captured."""
        first = 1 + self.states
        second = first + self.contexts
        return flat[0], list(flat[1:first]), list(flat[first:second]), list(flat[second:])

    def weights(self, captured: Sequence[Tensor]) -> Sequence[Tensor]:
        return captured if self.compiled.once is None else self.compiled.once(*captured)

    def forward(self, flat: Sequence[Tensor], keep: bool) -> tuple[Tensor, list[Tensor], list[Tensor]]:
        """Outputs, final states, and what the backward pass needs."""
        return cpu.forward(self.told, *self.ready(flat), self.span, keep)

    def ready(self, flat: Sequence[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
        """x, states, contexts and weights as the engine reads them: rows dense, masks as numbers. Without gradient."""
        x, states, contexts, captured = self.split(flat)
        dtype = x.dtype
        weights = [cpu.dense(value, dtype) for value in self.weights(captured)]
        numbers = [cpu.dense(value, dtype) for value in contexts]
        return cpu.lined(x), [cpu.dense(value, dtype) for value in states], numbers, weights


class Unfold(torch.autograd.Function):
    """`Call` with its derivative."""

    @staticmethod
    def forward(ctx: Any, call: Call, *flat: Tensor) -> Any:
        y, finals, kept = call.forward(flat, keep=True)
        ctx.call = call
        ctx.save_for_backward(*flat, *kept, y)
        ctx.set_materialize_grads(False)
        return (y, *finals)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> Any:
        call: Call = ctx.call
        *saved, y = ctx.saved_tensors
        flat, kept = saved[: len(ctx.needs_input_grad) - 1], saved[len(ctx.needs_input_grad) - 1 :]
        if torch.is_grad_enabled():
            return None, *_by_reference(call, flat, grads)
        return None, *_by_program(call, flat, kept, y, grads, ctx.needs_input_grad[1:])


def _by_reference(call: Call, flat: list[Tensor], grads: Sequence[Tensor | None]) -> list[Tensor | None]:
    """The same derivative, itself differentiable."""
    x, states, contexts, _ = call.split(flat)
    with torch.enable_grad():
        made = call.by_reference(x, states, contexts)
        pairs = [(value, g) for value, g in zip(made, grads, strict=True) if g is not None and value.requires_grad]
        wanted = [value for value in flat if value.requires_grad]
        if not pairs or not wanted:
            return [None] * len(flat)
        ends, cotangents = zip(*pairs, strict=True)
        found = iter(torch.autograd.grad(ends, wanted, cotangents, create_graph=True, allow_unused=True))
    return [next(found) if value.requires_grad else None for value in flat]


def _by_program(
    call: Call, flat: list[Tensor], kept: list[Tensor], y: Tensor,
    grads: Sequence[Tensor | None], needed: Sequence[bool],
) -> list[Tensor | None]:  # fmt: skip
    x, states, contexts, weights = call.ready(flat)
    dy = None if grads[0] is None else cpu.lined(grads[0])
    dfinals = [None if g is None else cpu.dense(g, x.dtype) for g in grads[1:]]
    found = cpu.backward(call.told, x, states, contexts, weights, y, kept, dy, dfinals, call.span)
    captured = call.split(flat)[3]
    gradients = [
        found.x,
        *(found.states.get(index) for index in range(call.states)),
        *(found.contexts.get(index) for index in range(call.contexts)),
        *_of_captured(call, captured, weights, found.sums),
    ]
    return [g if wanted else None for g, wanted in zip(gradients, needed, strict=True)]


def _of_captured(
    call: Call, captured: Sequence[Tensor], weights: Sequence[Tensor], sums: Sequence[Tensor]
) -> list[Tensor | None]:
    """Gradients of the captured tensors, from sums over rows."""
    own = call.compiled
    assert own.tail is not None
    dweights: list[Tensor | None] = [None] * len(weights)
    for index, value in zip(own.learned, own.tail.forward(*sums, *weights), strict=True):
        dweights[index] = value
    if own.once is None:
        return dweights
    with torch.enable_grad():
        leaves = [value.detach().requires_grad_(value.requires_grad) for value in captured]
        made = own.once(*leaves)
        pairs = [(value, g) for value, g in zip(made, dweights, strict=True) if g is not None and value.requires_grad]
    wanted = [leaf for leaf in leaves if leaf.requires_grad]
    if not pairs or not wanted:
        return [None] * len(leaves)
    ends, cotangents = zip(*pairs, strict=True)
    found = iter(torch.autograd.grad(ends, wanted, cotangents, allow_unused=True))
    return [next(found) if leaf.requires_grad else None for leaf in leaves]
