"""`explain`: which engine runs a cell, why, and what it does inside and outside the loop over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from unspool.cells.base import step_name
from unspool.cells.state import Tree
from unspool.engine.choose import Choice, choose
from unspool.errors import ConfigError

PLACES = {"rows": "once a call", "before": "before the loop", "loop": "in the loop", "after": "after the loop"}
FORWARD = {
    "rows": "needs context and parameters alone",
    "before": "needs no state, so all steps at once",
    "loop": "the next state needs it",
    "after": "feeds no state, so all steps at once",
}
BACKWARD = {
    "rows": "needs context and parameters alone",
    "before": "needs no gradient of a state, so all steps at once",
    "loop": "the gradient of the state before needs it",
    "after": "feeds no gradient of a state, so all steps at once",
}
"""Why an operation is where it is."""

Phases = dict[str, tuple[str, ...]]
"""What is computed in each phase: `rows` (once a call), `before` the loop, in the `loop`, `after` it."""


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; `str()` of it is for people.

    `forward` and `backward` list every operation where it runs, `kept` counts the numbers that each step of each row
    keeps for the backward pass, beside its output.
    """

    cell: str
    engine: str
    reason: str
    forward: Phases
    backward: Phases
    kept: int
    itemsize: int

    def __str__(self) -> str:
        rows = [f"{self.cell} runs on the {self.engine} engine ({self.reason})"]
        if self.engine == "reference":
            return "\n".join([*rows, "in the loop: the whole step"])
        for name, phases, reasons in (("forward", self.forward, FORWARD), ("backward", self.backward, BACKWARD)):
            for phase, what in phases.items():
                if what:
                    rows.append(f"{name}, {PLACES[phase]} ({reasons[phase]}): {', '.join(what)}")
        rows.append(f"kept for the backward pass: {self.kept * self.itemsize} bytes a step of a row, and its output")
        return "\n".join(rows)


def explain(
    cell: Any, inputs: Tensor | None = None, state: Tree = None, *, context: Tree = None, engine: str = "auto"
) -> Explanation:
    """Say how `unfold(cell, inputs, state, context=context, engine=engine)` runs.

    Args:
        cell: as in `unfold`.
        inputs: `[B, T, I]`; for a cell that has an `input_size`, zeros if `None`.
        state: as in `unfold`.
        context: as in `unfold`.
        engine: as in `unfold`.

    Raises:
        ConfigError: what was given is no cell, or cannot be run as asked.

    Example:
        >>> print(unspool.explain(unspool.cells.ElementwiseCell(3, 3)))  # doctest: +ELLIPSIS
        ElementwiseCell runs on the cpu engine (its step became a program)
        forward, in the loop (the next state needs it): ...
        backward, ...
        kept for the backward pass: 0 bytes a step of a row, and its output
    """
    if isinstance(cell, type):
        raise ConfigError(f"{cell.__name__} is a class; expected a cell, {cell.__name__}(input_size, hidden_size)")
    if state is None and not hasattr(cell, "initial_state"):
        raise ConfigError(
            f"{step_name(cell)} has no initial_state, so it is a layer, or a cell without a state of its own: explain "
            "one of its cells, such as net.layers[0][0] of a Recurrent, or give a state"
        )
    if inputs is None:
        if not hasattr(cell, "input_size"):
            raise ConfigError(f"{step_name(cell)} has no input_size; give explain an example of its inputs, [B, T, I]")
        inputs = torch.zeros(1, 1, cell.input_size, requires_grad=True)
    if state is None:
        state = cell.initial_state(inputs.shape[0], dtype=inputs.dtype, device=inputs.device)
    with torch.enable_grad():
        chosen = choose(cell, engine, inputs, state, context)
    return _explained(step_name(cell), chosen, inputs.element_size())


def _explained(name: str, chosen: Choice, itemsize: int) -> Explanation:
    if chosen.program is None:
        return Explanation(name, chosen.engine, chosen.reason, {}, {}, 0, itemsize)
    found, _ = chosen.program
    places = found.places
    return Explanation(
        name, chosen.engine, chosen.reason, places["forward"], places.get("backward", {}), found.kept, itemsize
    )
