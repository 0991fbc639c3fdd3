"""A call while `torch.compile` or `torch.export` looks on: the operators, on programs found at that moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from operator import index
from typing import Any

import torch
from torch import Tensor, _guards
from torch.overrides import _pop_mode_temporarily
from torch.utils._python_dispatch import _disable_current_modes

from unspool.cells.state import Tree, map_tensors, tensors
from unspool.engine import reference
from unspool.engine.operators import tails
from unspool.graph.capture import inventory
from unspool.graph.compile import compiled
from unspool.graph.refuse import CannotLower

onces: dict[str, Any] = {}
"""For each program, what makes weights of the tensors that the cell holds; `None`: they are the weights."""

Kind = tuple[tuple[int, ...], torch.dtype]


def run(
    cell: Any,
    x: Tensor,
    state: Tree,
    context: Tree,
    lengths: Tensor | None,
    *,
    reverse: bool,
    truncate: int | None,
    checkpoint: int | None,
    make: Callable[..., Any] | None = None,
    part: int = 0,
) -> tuple[Tensor, Tree]:
    """What `reference.run` computes: one operator, or, for a step that is no program, that loop unrolled.

    A step that is made anew in every call is no object yet while the call is looked at; then `cell` is the module that
    holds its tensors, and the step is `make(cell, part)`.
    """
    kinds = (
        ((index(x.shape[2]),), x.dtype),
        map_tensors(_kind, state),
        map_tensors(_kind, context),
    )
    program, paths = _look(cell, make, part, *kinds, torch.is_grad_enabled())
    if program is None:
        options: dict[str, Any] = {"reverse": reverse, "truncate": truncate, "checkpoint": checkpoint}
        return reference.run(cell if make is None else make(cell, part), x, state, context, lengths, **options)
    captured = [_at(cell, path) for path in paths]
    weights = list(_weights(program, *captured))
    y, finals, _ = torch.ops.unspool.unfold(
        x, tensors(state), tensors(context), weights, lengths,
        program, reverse, truncate or 0, checkpoint or 0, torch.is_grad_enabled(),
    )  # fmt: skip
    left = iter(finals)
    return y, map_tensors(lambda _: next(left), state)


def _weights(program: str, *captured: Tensor) -> tuple[Tensor, ...]:
    once = onces[program]
    return captured if once is None else tuple(once(*captured))


@contextmanager
def _nobody_looking() -> Iterator[None]:
    """Without what records operations while a call is traced: a trace of ours is none of its business."""
    with ExitStack() as stack:
        stack.enter_context(_disable_current_modes())
        stack.enter_context(_guards.tracing(None))
        while torch._C._len_torch_function_stack():
            stack.enter_context(_pop_mode_temporarily())
        yield


def _kind(value: Tensor) -> Any:
    return (tuple([index(size) for size in value.shape[1:]]), value.dtype)


def _at(cell: Any, path: str) -> Tensor:
    value = cell
    for name in path.split("."):
        value = value[int(name)] if isinstance(value, (list, tuple)) else getattr(value, name)
    return value


def _look(
    cell: Any, make: Callable[..., Any] | None, part: int, x: Kind, state: Any, context: Any, grad: bool
) -> tuple[str | None, tuple[str, ...]]:
    """The programs as a string, and where the tensors are that the cell holds."""
    torch._dynamo.allow_in_graph(_weights)

    def like(kind: Any) -> Any:
        if kind is None:
            return None
        if isinstance(kind, tuple) and len(kind) == 2 and isinstance(kind[1], torch.dtype):
            shape, dtype = kind
            return torch.zeros(2, *shape, dtype=dtype, requires_grad=grad and dtype.is_floating_point)
        if isinstance(kind, dict):
            return {name: like(part) for name, part in kind.items()}
        return tuple(like(part) for part in kind)

    try:
        with _nobody_looking():
            example = torch.zeros(2, 1, *x[0], dtype=x[1], requires_grad=grad)
            found, captured = compiled(cell if make is None else make(cell, part), example, like(state), like(context))
    except CannotLower:
        return None, ()
    # A tensor that is no attribute cannot be taken from the cell while somebody looks on.
    names = {id(value): path for path, value in reversed(list(inventory(cell).tensors.items()))}
    if any("<" in names.get(id(value), "<") for value in captured):
        return None, ()
    onces[found.program] = found.once
    if found.tail is not None:
        tails[found.program] = (found.learned, found.tail)
    return found.program, tuple(names[id(value)] for value in captured)


# What `torch._dynamo.assume_constant_result` does: importing that module takes as long as importing torch, and few
# processes compile. For the same reason it is `_look`, which runs while a call is looked at, that names `_weights`.
_look._dynamo_marked_constant = True  # pyright: ignore[reportFunctionMemberAccess]
