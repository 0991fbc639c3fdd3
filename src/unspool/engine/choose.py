"""Which engine runs a cell, and why."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch._C._functorch import peek_interpreter_stack
from torch.autograd import forward_ad

from unspool.cells.base import step_name
from unspool.cells.state import Tree, tensors
from unspool.engine.check import agreed, check
from unspool.errors import ConfigError, one_of
from unspool.graph.compile import Compiled, compiled
from unspool.graph.compile import recalled as recall
from unspool.graph.refuse import BreaksContract, CannotLower

ENGINES = ("auto", "cpu", "reference")
PLAIN = (Tensor, torch.nn.Parameter)


class Choice(NamedTuple):
    """The engine that runs, and the reason in a sentence."""

    engine: str
    reason: str
    program: tuple[Compiled, list[Tensor]] | None = None
    """For the CPU engine: the programs, and the tensors that the cell holds, in their order."""


def choose(cell: Any, engine: str, x: Tensor, state: Tree, context: Tree) -> Choice:
    """Decide by the cell, dtypes, devices and active transforms, never by batch size, length or number of threads.

    Raises:
        ConfigError: the engine does not exist, or it was asked for by name and cannot run this cell; it is never
            replaced in silence.

    Example:
        >>> cell = unspool.cells.GRUCell(3, 4)
        >>> choose(cell, "auto", torch.randn(2, 5, 3), torch.zeros(2, 4), None).engine
        'cpu'
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine={engine!r} cannot run {step_name(cell)} in this version; expected {one_of(ENGINES)}")
    if engine == "reference":
        return Choice("reference", "asked for")
    why = unfit([x, *tensors(state), *tensors(context)])
    if why is None:
        try:
            found = compiled(cell, x, state, context)
            check(cell, found, x, state, context)
            return Choice("cpu", "asked for" if engine == "cpu" else "its step became a program", found)
        except CannotLower as error:
            why = str(error)
            if engine == "auto" and not isinstance(error, BreaksContract):
                _say_once(f"{step_name(cell)} runs on the reference loop: {why}")
    if engine == "cpu":
        raise ConfigError(f"engine='cpu' cannot run {step_name(cell)}: {why}. Use engine='auto' or 'reference'")
    return Choice("reference", why)


def recalled(cell: Any, engine: str, x: Tensor, state: Tree, context: Tree) -> Choice | None:
    """What `choose` finds, if the last call of the cell was like this one in all but its numbers and its rows: then
    state and context are built as they should be, and the program is known to be right."""
    if engine not in ("auto", "cpu") or unfit([x, *tensors(state), *tensors(context)]) is not None:
        return None
    found = recall(cell, x, state, context)
    if found is None or not agreed(cell, found[0]):
        return None
    return Choice("cpu", "as the call before", found)


def unfit(values: list[Tensor]) -> str | None:
    """Why these tensors, here and now, cannot go to the CPU engine; `None` if they can."""
    for value in values:
        if not value.is_cpu:
            devices = {value.device.type for value in values}
            return f"tensors are on {', '.join(sorted(devices))}; the cpu engine takes those on the CPU"
        if type(value) not in PLAIN:
            return "a tensor is of a subclass of torch.Tensor"
        if value.is_conj() or value.is_neg() or value.layout is not torch.strided:
            return "a tensor is sparse, or a conjugate or negative view"
    if peek_interpreter_stack() is not None:
        return "a torch.func transform is active (grad, vmap, jvp, …); the reference is exact under all of them"
    if forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(value).tangent is not None for value in values):
        return "forward-mode differentiation is active; the reference is exact under it"
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return "the call is being traced"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is active, which mixes floating-point types"
    return None


_said: set[str] = set()


def _say_once(message: str) -> None:
    if message not in _said:
        _said.add(message)
        warnings.warn(message, stacklevel=4)
