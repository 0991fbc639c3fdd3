"""A step that is run to look at it leaves nothing behind."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from unspool.cells.base import step_name
from unspool.graph.capture import BY_IDENTITY, PLAIN
from unspool.graph.refuse import CannotLower


@contextmanager
def unchanged(cell: Any) -> Iterator[None]:
    """Whatever `cell` does to its attributes, lists and buffers, and to the random numbers of the process, is undone.

    Raises:
        CannotLower: it did change something of its own: a program would not.
    """
    held, buffers = _held(cell)
    drawn, also_drawn = torch.get_rng_state(), random.getstate()
    try:
        yield
    finally:
        torch.set_rng_state(drawn)
        random.setstate(also_drawn)
        changed = [_restored(value, before) for value, before in held]
        changed += [_as_before(value, version, before) for value, version, before in buffers]
    if any(changed):
        raise CannotLower(f"{step_name(cell)} changes an attribute of its own in a step; carry it in the state")


Held = list[tuple[Any, Any]]
Buffers = list[tuple[Tensor, int, Tensor]]


def _held(cell: Any) -> tuple[Held, Buffers]:
    """The dicts, lists and sets of a cell, each with a copy; its tensors, but for parameters, with version and copy."""
    held: Held = []
    buffers: Buffers = []
    seen: set[int] = set()
    waiting = [cell]
    while waiting:
        value = waiting.pop()
        if type(value) in PLAIN or isinstance(value, BY_IDENTITY) or id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            if not isinstance(value, nn.Parameter) and not value.is_inference():
                buffers.append((value, value._version, value.detach().clone()))
        elif isinstance(value, dict):
            held.append((value, dict(value)))
            waiting += value.values()
        elif isinstance(value, (list, set)):
            held.append((value, value.copy()))
            waiting += value
        elif isinstance(value, (tuple, frozenset)):
            waiting += value
        elif hasattr(value, "__dict__"):
            waiting.append(vars(value))
    return held, buffers


def _restored(value: Any, before: Any) -> bool:
    """Put a container back; whether there was anything to put back."""
    if isinstance(value, dict):
        same = list(value) == list(before) and all(_same(value[key], before[key]) for key in before)
    elif isinstance(value, list):
        same = len(value) == len(before) and all(map(_same, value, before))
    else:
        same = value == before
    if not same:
        value.clear()
        value.extend(before) if isinstance(value, list) else value.update(before)
    return not same


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and type(one) in PLAIN and one == other)


def _as_before(value: Tensor, version: int, before: Tensor) -> bool:
    if value._version == version:
        return False
    with torch.no_grad():
        value.copy_(before)
    return True
