"""The plain Python loop over time: it defines what every result means, and shares no code with other engines."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint as recompute

from unspool.cells.base import step_name
from unspool.cells.state import Tree, layout, map_tensors, select_rows, tensors
from unspool.errors import ShapeError


class Step(Protocol):
    """What an engine knows of a cell: it can be called for one step."""

    def __call__(self, x: Tensor, state: Any, /, *context: Any) -> tuple[Tensor, Any]: ...


def run(
    cell: Step,
    x: Tensor,
    state: Tree,
    context: Tree,
    lengths: Tensor | None,
    *,
    reverse: bool,
    truncate: int | None,
    checkpoint: int | None,
) -> tuple[Tensor, Tree]:
    """Apply `cell` at every step of `x` `[B, T, I]`, T ≥ 1; returns outputs `[B, T, O]` and the final state.

    Rows are independent. Row b takes part in its first `lengths[b]` steps; with `reverse`, those steps are taken
    last to first. Its outputs elsewhere are zero, its final state is that after its last step.
    """
    if lengths is None:
        x = x.flip(1) if reverse else x
        y, state = _loop(cell, x, state, context, [x.shape[0]] * x.shape[1], truncate, checkpoint)
        return (y.flip(1) if reverse else y), state
    order = torch.argsort(lengths, descending=True, stable=True)
    lengths = lengths[order]
    x, state, context = (select_rows(part, order) for part in (x, state, context))
    if reverse:
        x = _reversed(x, lengths)
    steps = torch.arange(x.shape[1], device=lengths.device)
    active = (lengths.unsqueeze(0) > steps.unsqueeze(1)).sum(1).tolist()
    y, state = _loop(cell, x, state, context, active, truncate, checkpoint)
    if reverse:
        y = _reversed(y, lengths)
    original = torch.argsort(order)
    return select_rows(y, original), select_rows(state, original)


def _reversed(x: Tensor, lengths: Tensor) -> Tensor:
    """The first `lengths[b]` steps of each row of `x` `[B, T, …]`, last to first; padding stays where it is."""
    steps = torch.arange(x.shape[1], device=x.device).unsqueeze(0)
    mirrored = lengths.to(x.device).unsqueeze(1) - 1 - steps
    index = torch.where(mirrored >= 0, mirrored, steps)
    return x.gather(1, index.unsqueeze(2).expand(-1, -1, x.shape[2]))


def _loop(
    cell: Step, x: Tensor, state: Tree, context: Tree, active: list[int], truncate: int | None, segment: int | None
) -> tuple[Tensor, Tree]:
    """Run all steps, in segments that are recomputed in the backward pass if `segment` is given.

    `active[t]` rows, the first ones, take part in step t.
    """
    inputs = x.unbind(1)
    total, size = len(inputs), segment or len(inputs)
    outputs: list[Tensor] = []
    for start in range(0, total, size):
        stop = min(start + size, total)
        part = (cell, inputs[start:stop], state, context, active[start:stop], start, truncate)
        if segment is None:
            y, state = _steps(*part)
        else:
            y, state = recompute(_steps, *part, use_reentrant=False)
        outputs += y
    return torch.stack(outputs, 1), state


def _steps(
    cell: Step,
    inputs: tuple[Tensor, ...],
    state: Tree,
    context: Tree,
    active: list[int],
    start: int,
    truncate: int | None,
) -> tuple[list[Tensor], Tree]:
    """The steps start, start + 1, … over `inputs`, each `[B, I]`; outputs come padded with zero rows to B."""
    outputs: list[Tensor] = []
    rows, seen, here = inputs[0].shape[0], context, inputs[0].shape[0]
    for t, (x, n) in enumerate(zip(inputs, active, strict=True), start):
        if n == 0 and outputs:
            outputs.append(torch.zeros_like(outputs[-1]))
            continue
        if n != here:
            seen, here = map_tensors(lambda value, n=n: value[:n], context), n
        before = state if n == rows else map_tensors(lambda value, n=n: value[:n], state)
        if truncate is not None and t > 0 and t % truncate == 0:
            # Only of the rows that go on: the final state of a row that ended keeps its gradient.
            before = map_tensors(Tensor.detach, before)
        made = cell(x[:n] if n < rows else x, before, *(() if context is None else (seen,)))
        if t == start:
            _check_step(cell, before, made)
        y, after = made
        outputs.append(y if n == rows else torch.cat([y, y.new_zeros(rows - n, *y.shape[1:])]))
        state = after if n == rows else map_tensors(_keep_ended, after, state)
    return outputs, state


def _keep_ended(new: Tensor, old: Tensor) -> Tensor:
    """The state of the rows that took part, followed by the state of the rows that ended before."""
    return torch.cat([new, old[new.shape[0] :]])


def _check_step(cell: Step, before: Tree, made: Any) -> None:
    """Say what is wrong with what a step returned, before it turns into an obscure error further on."""
    name = step_name(cell)
    if not (isinstance(made, (tuple, list)) and len(made) == 2):
        what = f"{len(made)} values" if isinstance(made, (tuple, list)) else type(made).__name__
        raise ShapeError(f"{name}.forward returned {what}; expected two values, (output, next_state)")
    y, after = made
    if not isinstance(y, Tensor):
        raise ShapeError(f"{name}.forward returned {type(y).__name__} as output; expected (output, next_state)")
    old, new = layout(before), layout(after)
    if old != new:
        raise ShapeError(
            f"{name}.forward took a state {old} and returned a state {new}; expected the same. "
            "Return (output, next_state) with next_state built like the state that came in"
        )
    if y.dim() != 2 or any(value.shape[:1] != y.shape[:1] for value in tensors(after)):
        raise ShapeError(f"{name}.forward returned an output of shape {tuple(y.shape)}; expected [rows, features]")
    size = getattr(cell, "output_size", None)
    if isinstance(size, int) and y.shape[1] != size:
        raise ShapeError(
            f"{name}.forward returned an output of {y.shape[1]} features, but its output_size is {size}; "
            f"return {size} features, or pass output_size={y.shape[1]} to Cell.__init__"
        )
