"""What a step reads besides its arguments: parameters, buffers, tensors of a closure; and what else it depends on."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

PLAIN = frozenset({int, float, str, bool, bytes, complex, type(None), torch.dtype, torch.device, torch.Size})
BY_IDENTITY = (type, types.FunctionType, types.BuiltinFunctionType, types.MethodType, types.ModuleType)
GROUPS = ("_parameters", "_buffers", "_modules")
EMPTY = frozenset(name for name, value in vars(nn.Module()).items() if name not in GROUPS and not value)
"""What a module without hooks keeps for itself: `_is_full_backward_hook`, `_forward_hooks` …"""


@dataclass(frozen=True)
class Inventory:
    """All that a cell holds: its tensors by path, and a fingerprint of everything else.

    Two cells with equal fingerprints take the same steps, but for the numbers in their tensors.
    """

    tensors: dict[str, Tensor]
    fingerprint: tuple[Any, ...]


def inventory(cell: object) -> Inventory:
    """Walk through `cell`: modules, plain objects, lists, tuples and dicts.

    Example:
        >>> held = inventory(torch.nn.Linear(2, 3))
        >>> sorted(held.tensors)
        ['bias', 'weight']
        >>> held.fingerprint == inventory(torch.nn.Linear(2, 3)).fingerprint
        True
    """
    tensors: dict[str, Tensor] = {}
    marks: list[Any] = []
    _walk(cell, "", tensors, marks, {})
    return Inventory(tensors, tuple(marks))


def _walk(value: Any, path: str, tensors: dict[str, Tensor], marks: list[Any], seen: dict[int, str]) -> None:
    kind = type(value)
    if kind in PLAIN:
        marks.append((path, kind, value))
    elif isinstance(value, BY_IDENTITY):
        marks.append((path, value))
        if kind is types.FunctionType and id(value) not in seen:
            seen[id(value)] = path
            _walk_code(value, path, tensors, marks, seen)
    elif id(value) in seen:
        marks.append((path, "as", seen[id(value)]))
    elif isinstance(value, Tensor):
        seen[id(value)] = path
        tensors[path] = value
        marks.append((path, value.shape, value.dtype, value.requires_grad))
    else:
        seen[id(value)] = path
        marks.append((path, kind))
        code = _step_of(kind)
        if code is not None and id(code) not in seen:
            seen[id(code)] = path
            _walk_code(code, path, tensors, marks, seen)
        within = f"{path}." if path else ""
        for name, part in _parts(value):
            inner, of = within + name, type(part)
            if of in PLAIN:  # most parts are, and this runs in every call
                marks.append((inner, of, part))
            else:
                _walk(part, inner, tensors, marks, seen)


def _walk_code(function: Any, path: str, tensors: dict[str, Tensor], marks: list[Any], seen: dict[int, str]) -> None:
    """What a function of a user's reads besides its arguments: names of its module, and of functions around it."""
    if (function.__module__ or "").partition(".")[0] in ("torch", "unspool"):
        return
    read = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            read[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    for name, value in read.items():
        small = isinstance(value, (list, tuple, dict)) and len(value) <= 64
        if small or type(value) in PLAIN or isinstance(value, (Tensor, types.FunctionType)):
            _walk(value, f"{path}<{name}>", tensors, marks, seen)
        else:
            marks.append((path, name, id(value)))


@functools.lru_cache(maxsize=4096)
def _step_of(kind: type) -> Any:
    """The function that is an object's step, if it is a plain one."""
    found = getattr(kind, "forward" if issubclass(kind, nn.Module) else "__call__", None)
    return found if isinstance(found, types.FunctionType) else None


@functools.lru_cache(maxsize=4096)
def _names(code: types.CodeType) -> tuple[str, ...]:
    """The global names that a function, and the functions within it, may read."""
    inner = (name for part in code.co_consts if isinstance(part, types.CodeType) for name in _names(part))
    return tuple(dict.fromkeys((*code.co_names, *inner)))


def _parts(value: Any) -> Iterable[tuple[str, Any]]:
    """The named parts of a value; of one that cannot be looked into, its identity stands for it."""
    if isinstance(value, nn.Module):
        own = vars(value)
        parts = [item for group in GROUPS for item in own[group].items()]
        return parts + [
            (name, part) for name, part in own.items() if name not in GROUPS and not (name in EMPTY and not part)
        ]
    if isinstance(value, dict):
        return [(repr(key), part) for key, part in value.items()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return [(str(place), part) for place, part in enumerate(value)]
    if hasattr(value, "__dict__"):
        return vars(value).items()
    return [("id", id(value))]


def map_arguments(function: Callable[[Tensor], Any], value: Any) -> Any:
    """Apply `function` to the tensors among the arguments of a call, in lists, tuples and dicts too."""
    if isinstance(value, Tensor):
        return function(value)
    if type(value) in (list, tuple):
        return type(value)(map_arguments(function, part) for part in value)
    if type(value) is dict:
        return {key: map_arguments(function, part) for key, part in value.items()}
    return value


class Watch(TorchFunctionMode):
    """Collects, in order, the tensors that calls read and that neither were given nor made by a call."""

    def __init__(self, given: list[Tensor]) -> None:
        super().__init__()
        self.known: dict[int, Tensor] = {id(value): value for value in given}
        self.captured: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        map_arguments(self._read, args)
        map_arguments(self._read, kwargs or {})
        made = func(*args, **(kwargs or {}))
        map_arguments(self._keep, made)
        return made

    def _read(self, value: Tensor) -> None:
        if id(value) not in self.known:
            self.captured.append(value)
            self._keep(value)

    def _keep(self, value: Tensor) -> None:
        # Kept alive, so that no later tensor gets the same id.
        self.known[id(value)] = value


class Swap(TorchFunctionMode):
    """Lets calls read other tensors in place of those captured; results made without gradient are detached."""

    def __init__(self, captured: list[Tensor], stand_ins: list[Tensor]) -> None:
        super().__init__()
        self.captured = captured  # keeps the ids valid
        self.table = {id(old): new for old, new in zip(captured, stand_ins, strict=True)}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        made = func(*map_arguments(self._other, args), **map_arguments(self._other, kwargs or {}))
        if torch.is_grad_enabled():
            return made
        return map_arguments(lambda value: value.detach() if value.is_floating_point() else value, made)

    def _other(self, value: Tensor) -> Tensor:
        return self.table.get(id(value), value)
