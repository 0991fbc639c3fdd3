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
from unspool.engine.check import check
from unspool.errors import ConfigError
from unspool.graph.compile import Compiled, compiled
from unspool.graph.refuse import BreaksContract, CannotLower

ENGINES = ("auto", "cpu", "reference")


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
        raise ConfigError(f"engine={engine!r} cannot run {step_name(cell)} in this version; expected one of {ENGINES}")
    if engine == "reference":
        return Choice("reference", "asked for")
    why = _unfit([x, *tensors(state), *tensors(context)])
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


def _unfit(values: list[Tensor]) -> str | None:
    """Why these tensors, here and now, cannot go to the CPU engine; `None` if they can."""
    devices = {value.device.type for value in values}
    if devices != {"cpu"}:
        return f"tensors are on {', '.join(sorted(devices))}; the cpu engine takes those on the CPU"
    if any(type(value) not in (Tensor, torch.nn.Parameter) for value in values):
        return "a tensor is of a subclass of torch.Tensor"
    if any(value.is_conj() or value.is_neg() or value.layout != torch.strided for value in values):
        return "a tensor is sparse, or a conjugate or negative view"
    if peek_interpreter_stack() is not None:
        return "a torch.func transform is active (grad, vmap, jvp, …); the reference is exact under all of them"
    if any(forward_ad.unpack_dual(value).tangent is not None for value in values if _dual()):
        return "forward-mode differentiation is active; the reference is exact under it"
    if torch.compiler.is_compiling() or torch._C._get_tracing_state() is not None:
        return "the call is being traced"
    if torch.is_autocast_enabled("cpu"):
        return "autocast is active, which mixes floating-point types"
    return None


def _dual() -> bool:
    return forward_ad._current_level >= 0


_said: set[str] = set()


def _say_once(message: str) -> None:
    if message not in _said:
        _said.add(message)
        warnings.warn(message, stacklevel=4)
