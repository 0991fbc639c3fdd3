"""`unfold`: the one door through which every recurrent network runs over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unspool.cells.base import step_name
from unspool.cells.state import Tree, layout, tensors
from unspool.engine import compiled, reference, traced
from unspool.engine.choose import choose, recalled
from unspool.errors import ConfigError, ShapeError


def unfold(
    cell: Any,
    inputs: Tensor,
    state: Tree = None,
    *,
    context: Tree = None,
    lengths: Tensor | Sequence[int] | None = None,
    reverse: bool = False,
    truncate: int | None = None,
    engine: str = "auto",
    checkpoint: int | None = None,
) -> tuple[Tensor, Tree]:
    """Unfold `cell` over time: the same parameters at every step::

        y_t, s_t = cell(x_t, s_{t-1}[, context]),    t = 1 … lengths[b]

    Everything is differentiable: outputs and final state with respect to inputs, initial state, context and
    parameters (backpropagation through time).

    Args:
        cell: a `Cell`, or anything with its contract (callable for one step, `initial_state`).
        inputs: `[B, T, I]`, floating point.
        state: initial state, as `cell.initial_state` makes it; that one if `None`.
        context: constant in time, a tensor or a tuple or dict of tensors with B rows each; handed to every step.
        lengths: `[B]`, whole numbers in 0 … T: row b ends there. Outputs past it are 0, its final state is the one
            at its last valid step (the initial one if its length is 0), and nothing that stands in the padding
            matters, not even NaN. Rows need no sorting, and ended rows cost nothing.
        reverse: start each row at its own last valid step and go back to its first. `outputs[:, t]` still belongs
            to `inputs[:, t]`; the final state is the one at t = 0.
        truncate: cut the gradient of the state every so many steps (truncated backpropagation through time); the
            state itself is carried on.
        engine: `"cpu"` runs the step as a program, `"reference"` is the plain loop over time that defines what every
            result means, `"auto"` picks; see `unspool.explain`.
        checkpoint: keep only the state between segments of so many steps, and compute the rest of a segment anew
            in the backward pass: less memory for about one more forward pass of time.

    Returns:
        outputs `[B, T, O]` and the final state, built like the initial one.

    Raises:
        ShapeError: inputs, lengths, state or context do not fit each other; the message says which.
        ConfigError: an option has a value that cannot work.

    Example:
        >>> cell = unspool.cells.GRUCell(3, 4)
        >>> y, h = unspool.unfold(cell, torch.randn(2, 7, 3), lengths=[7, 5])
        >>> y.shape, torch.equal(h[1], y[1, 4])
        (torch.Size([2, 7, 4]), True)
    """
    if torch.compiler.is_compiling() and engine != "reference":
        start = _own_state(cell, inputs.shape[0], inputs) if state is None else state
        options: dict[str, Any] = {"reverse": reverse, "truncate": truncate, "checkpoint": checkpoint}
        return traced.run(cell, inputs, start, context, _as_lengths(lengths, inputs), **options)
    _check_inputs(cell, inputs)
    for name, steps in (("truncate", truncate), ("checkpoint", checkpoint)):
        if steps is not None and not (isinstance(steps, int) and steps >= 1 and steps is not True):
            raise ConfigError(f"{name} is {steps!r}; expected a number of steps, at least 1, or None")
    batch, time = inputs.shape[:2]
    limits = None if lengths is None else _checked_lengths(lengths, batch, time, inputs.device)
    own = state is None
    if own:
        state = _own_state(cell, batch, inputs)
    check_rows("initial state" if own else "state", state, batch)
    check_rows("context", context, batch)
    chosen = recalled(cell, engine, inputs, state, context)
    if chosen is None:
        if not own:
            check_state(cell, state, inputs)
        chosen = choose(cell, engine, inputs, state, context)
    if time == 0:
        return inputs.new_zeros(batch, 0, _output_size(cell)), state
    longest = None if truncate is None else min(truncate, time)
    how: dict[str, Any] = {"reverse": reverse, "truncate": longest, "checkpoint": checkpoint}
    if chosen.program is None:
        return reference.run(cell, inputs, state, context, limits, **how)
    return compiled.run(chosen.program, cell, inputs, state, context, limits, **how)


def _check_inputs(cell: Any, inputs: Tensor) -> None:
    if isinstance(cell, type):
        raise ConfigError(f"{cell.__name__} is a class; expected a cell, {cell.__name__}(input_size, hidden_size)")
    if not isinstance(inputs, Tensor):
        raise ShapeError(
            f"inputs are a {type(inputs).__name__}; expected a torch.Tensor [B, T, I]: torch.as_tensor(inputs)"
        )
    if inputs.dim() != 3:
        raise ShapeError(
            f"inputs have shape {tuple(inputs.shape)}; expected [B, T, I] "
            "(batch, time, features); for one sequence use inputs.unsqueeze(0)"
        )
    if not (inputs.is_floating_point() or inputs.is_complex()):
        raise ShapeError(f"inputs are {inputs.dtype}; expected floating point. Embed symbols first: torch.nn.Embedding")
    wanted = getattr(cell, "input_size", inputs.shape[2])
    if inputs.shape[2] != wanted:
        raise ShapeError(
            f"inputs have {inputs.shape[2]} features (shape {tuple(inputs.shape)}), "
            f"but {step_name(cell)} was built for input_size={wanted}"
        )


def _checked_lengths(lengths: Tensor | Sequence[int], batch: int, time: int, device: torch.device) -> Tensor:
    try:
        limits = torch.as_tensor(lengths, device=device)
    except (TypeError, ValueError, RuntimeError) as error:
        found = type(lengths).__name__
        raise ShapeError(
            f"lengths are a {found} ({error}); expected whole numbers, one for each row of inputs"
        ) from error
    if limits.numel() and (limits.is_floating_point() or limits.is_complex() or limits.dtype == torch.bool):
        raise ShapeError(f"lengths are {limits.dtype}; expected whole numbers, the valid steps of each row")
    limits = limits.long().contiguous()  # the engine reads it where it lies
    if limits.shape != (batch,):
        raise ShapeError(f"lengths have shape {tuple(limits.shape)}; expected [{batch}], one for each row of inputs")
    if batch and not (int(limits.min()) >= 0 and int(limits.max()) <= time):
        raise ShapeError(
            f"lengths range from {int(limits.min())} to {int(limits.max())}; "
            f"expected 0 to {time}, the number of steps in inputs"
        )
    return limits


def _as_lengths(lengths: Tensor | Sequence[int] | None, inputs: Tensor) -> Tensor | None:
    return None if lengths is None else torch.as_tensor(lengths, device=inputs.device).long()


def _own_state(cell: Any, batch: int, inputs: Tensor) -> Tree:
    if not hasattr(cell, "initial_state"):
        raise ConfigError(
            f"{step_name(cell)} has no initial_state(batch, dtype=…, device=…), so there is no state to begin with; "
            "give one, unfold(cell, inputs, state), or use a cell of unspool.cells or a class derived from unspool.Cell"
        )
    return cell.initial_state(batch, dtype=inputs.dtype, device=inputs.device)


def _output_size(cell: Any) -> int:
    if not hasattr(cell, "output_size"):
        raise ConfigError(
            f"inputs have no step, and {step_name(cell)} has no output_size that says how wide its outputs would be; "
            "give inputs of at least one step, or give the cell an output_size"
        )
    return cell.output_size


def check_state(cell: Any, state: Tree, inputs: Tensor) -> None:
    """A state that was given is built like the cell's own, where the cell makes one."""
    check_rows("state", state, inputs.shape[0])
    if not hasattr(cell, "initial_state"):
        return
    expected = layout(cell.initial_state(0, dtype=inputs.dtype, device=inputs.device))
    if layout(state) != expected:
        raise ShapeError(
            f"the state is {layout(state)}; expected {expected}, as {step_name(cell)}.initial_state makes it"
        )


def check_rows(name: str, tree: Tree, batch: int) -> None:
    for value in tensors(tree):
        if value.dim() == 0 or value.shape[0] != batch:
            raise ShapeError(
                f"a tensor of the {name} has shape {tuple(value.shape)}; expected {batch} rows, one for each of inputs"
            )
