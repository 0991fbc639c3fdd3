"""A structure's first call is computed twice: a few steps of it by program and by the reference must agree."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from unspool.cells.state import Tree, map_tensors, tensors
from unspool.engine import compiled, reference
from unspool.graph.compile import Compiled
from unspool.graph.refuse import CannotLower

ROWS, STEPS = 96, 3
"""Rows are repeated to be so many: a whole tile, of which the engine does some at a time between two products."""
AGREE = {torch.float32: 2e-3, torch.float64: 1e-6}
"""Largest difference, as a part of the largest number. Wide: what this looks for is a wrong program, not rounding."""

_checked: set[tuple[str, type]] = set()
"""Programs that agreed, and the class of the cell: another class may hide what its program does not show."""
_failed: WeakKeyDictionary[Any, tuple[str, CannotLower]] = WeakKeyDictionary()


def check(cell: Any, program: tuple[Compiled, list[Tensor]], x: Tensor, state: Tree, context: Tree) -> None:
    """Compare outputs, final states and every gradient on the first rows and steps of a call, once per program.

    Raises:
        CannotLower: they do not agree, so that the reference runs the cell instead; the message says in what.
    """
    if agreed(cell, program[0]) or x.shape[0] == 0 or x.shape[1] == 0:
        return
    text = program[0].program
    known = isinstance(cell, torch.nn.Module)
    if known and cell in _failed and _failed[cell][0] == text:
        raise _failed[cell][1]
    with torch.autograd.graph.saved_tensors_hooks(_same, _same):
        try:
            found = _compared(cell, program, x, state, context)
        except _NotNumbers:
            return
    if found is None:
        _checked.add((text, type(cell)))
        return
    if known:
        _failed[cell] = text, found
    raise found


def agreed(cell: Any, program: Compiled) -> bool:
    """Whether an earlier call was compared, for cells of this class."""
    return (program.program, type(cell)) in _checked


class _NotNumbers(Exception):
    """The step gives infinities or NaN here, of which nothing can be learnt; a later call will tell."""


def _same(value: Tensor) -> Tensor:
    return value


def _compared(
    cell: Any, program: tuple[Compiled, list[Tensor]], x: Tensor, state: Tree, context: Tree
) -> CannotLower | None:
    rows = torch.arange(ROWS) % x.shape[0]

    def few(value: Tensor, wanted: bool) -> Tensor:
        return value[rows].detach().clone().requires_grad_(wanted and torch.is_grad_enabled())

    x = few(x[:, :STEPS], x.requires_grad)
    state = map_tensors(lambda value: few(value, value.is_floating_point()), state)
    context = map_tensors(lambda value: few(value, value.requires_grad), context)
    options: dict[str, Any] = {"reverse": False, "truncate": None, "checkpoint": None}
    leaves = [v for v in (x, *tensors(state), *tensors(context), *program[1]) if v.requires_grad]
    got = with_gradients(compiled.run(program, cell, x, state, context, None, **options), leaves)
    expected = with_gradients(reference.run(cell, x, state, context, None, **options), leaves)
    if not all(bool(v.isfinite().all()) for _, v in expected if v is not None):
        raise _NotNumbers
    if (name := difference(got, expected)) is None:
        return None
    return CannotLower(
        f"its program gives another {name} than its step does: the step has an effect that a trace does not "
        "show, such as a hook, or unspool is at fault (please report it then)"
    )


Results = list[tuple[str, Tensor | None]]
"""By name: output, final states, and the gradients of leaves, None where there is none."""


def difference(got: Results, expected: Results) -> str | None:
    """What differs by more than rounding; None if nothing does."""
    scale = max((float(v.detach().abs().amax()) for _, v in expected if v is not None and v.numel()), default=0.0)
    pairs = zip(got, expected, strict=True)
    return next((name for (name, one), (_, other) in pairs if not _agree(one, other, scale)), None)


def with_gradients(made: tuple[Tensor, Tree], leaves: list[Tensor]) -> Results:
    """What a call made, and the gradients of `leaves` from all of it."""
    values = [made[0], *tensors(made[1])]
    named: Results = [("output", values[0]), *(("final state", value) for value in values[1:])]
    ends = [value for value in values if value.requires_grad]
    if not ends or not leaves:
        return named
    # Weights that differ from number to number, so that no two gradients cancel.
    cotangents = [torch.linspace(0.5, 1.5, value.numel(), dtype=value.dtype).view_as(value) for value in ends]
    found = torch.autograd.grad(ends, leaves, cotangents, allow_unused=True)
    return [*named, *(("gradient", value) for value in found)]


def _agree(one: Tensor | None, other: Tensor | None, scale: float) -> bool:
    """Whether two results differ by rounding: of their own numbers, or of larger ones (`scale`) that cancel in them."""
    if one is not None and one.numel() == 0:
        return True
    if one is None or other is None:
        left = one if other is None else other
        return left is None or not bool(left.any())  # nothing depends on it, or by zero
    one, other = one.detach(), other.detach()
    difference, largest = float((one - other).abs().amax()), float(other.abs().amax())
    return difference <= AGREE[one.dtype] * (largest + scale / 10)
