"""From a cell to its programs: trace, convert, rewrite, plan, write; once for each structure."""

from __future__ import annotations

import json
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, fx

from unspool.cells.base import step_name
from unspool.cells.state import Tree, kinds, layout, map_tensors
from unspool.graph.capture import Inventory, inventory
from unspool.graph.convert import convert
from unspool.graph.emit import PassProgram, emitted
from unspool.graph.plan import planned
from unspool.graph.refuse import CannotLower
from unspool.graph.rewrite import rewritten, roots
from unspool.graph.tail import seen_as, tail_module
from unspool.graph.trace import Joint, Signature, Step, find_step, trace_joint
from unspool.graph.verify import verify_graph, verify_plan

DTYPES = {torch.float32: "f32", torch.float64: "f64"}
MOST = 256
"""Structures that are remembered."""


@dataclass(frozen=True)
class Compiled:
    """The programs of a structure with contexts of some lengths.

    `once` computes the weights from the captured tensors (`None`: they are the same). `tail` turns sums
    over rows, and the weights, into the gradients of the weights named in `learned`. `program` is all that the engine
    needs, as JSON. `places` lists, for each pass and phase, what is computed there; `kept` the numbers that each
    row-step keeps for the backward pass, beside its output.
    """

    once: fx.GraphModule | None
    tail: fx.GraphModule | None
    learned: tuple[int, ...]
    program: str
    places: dict[str, dict[str, tuple[str, ...]]]
    kept: int


@dataclass
class Traced:
    """A structure, traced; its programs differ by the lengths of its contexts.

    `captured`: what the step reads besides its arguments, as paths into the cell, or the tensor itself where no path
    leads to it.
    """

    name: str
    joint: Joint
    captured: tuple[str | Tensor, ...]
    signature: Signature
    dtype: str
    programs: OrderedDict[tuple[int, ...], Compiled] = field(default_factory=OrderedDict)

    def sized(self, signature: Signature) -> Compiled:
        """The programs for the lengths of the contexts in `signature`."""
        lengths = signature.freed()[1]
        if lengths not in self.programs:
            try:
                self.programs[lengths] = _program(self, signature, lengths)
            except (KeyError, IndexError, AssertionError, ValueError, ArithmeticError) as error:
                # A mistake of the compiler's; it costs speed, never the call.
                raise CannotLower(
                    f"the compiler failed on it ({type(error).__name__}: {error}); please report it"
                ) from error
            if len(self.programs) > MOST:
                self.programs.popitem(last=False)
        return self.programs[lengths]


Key = tuple[Any, ...]

_one_at_a_time = threading.RLock()
if hasattr(os, "register_at_fork"):  # a fork waits for the trace of another thread, which no child would ever end
    give = _one_at_a_time.release
    os.register_at_fork(before=_one_at_a_time.acquire, after_in_parent=give, after_in_child=give)

_known: OrderedDict[Key, Traced | CannotLower] = OrderedDict()
_Known = tuple[Key, Compiled, tuple[str | Tensor, ...]]
_last: WeakKeyDictionary[Any, _Known] = WeakKeyDictionary()
"""What the last call of a cell was (if it is no module, of its class), and its programs: most are like the last."""


def compiled(cell: Any, x: Tensor, state: Tree, context: Tree) -> tuple[Compiled, list[Tensor]]:
    """The programs for one call, and the tensors that the cell holds, in the order in which they take them.

    Raises:
        CannotLower: no program can say what the step does.
    """
    held = inventory(cell)
    known = _recalled(cell, held, x, state, context)
    if known is None:
        with _one_at_a_time:  # tracing patches PyTorch for its time
            program, captured = _found(cell, held, Signature.of(x, state, context), x, state, context)
        known = _last[_who(cell)] = _key(held, x, state, context), program, captured
    return known[1], _taken(held, known[2])


def recalled(cell: Any, x: Tensor, state: Tree, context: Tree) -> tuple[Compiled, list[Tensor]] | None:
    """What `compiled` gives, if the last call of the cell was like this one."""
    held = inventory(cell)
    known = _recalled(cell, held, x, state, context)
    return None if known is None else (known[1], _taken(held, known[2]))


def _who(cell: Any) -> Any:
    return cell if isinstance(cell, torch.nn.Module) else type(cell)


def _recalled(cell: Any, held: Inventory, x: Tensor, state: Tree, context: Tree) -> _Known | None:
    last = _last.get(_who(cell))
    return None if last is None or last[0] != _key(held, x, state, context) else last


def _key(held: Inventory, x: Tensor, state: Tree, context: Tree) -> Key:
    """All that a call's programs depend on; cheap, since every call asks."""
    given = x.shape[2:], x.dtype, x.requires_grad, kinds(state, False), kinds(context, True)
    return held.fingerprint, given, torch.is_grad_enabled()


def _taken(held: Inventory, captured: tuple[str | Tensor, ...]) -> list[Tensor]:
    return [held.tensors[source] if isinstance(source, str) else source for source in captured]


def _found(
    cell: Any, held: Inventory, signature: Signature, x: Tensor, state: Tree, context: Tree
) -> tuple[Compiled, tuple[str | Tensor, ...]]:
    """The programs, from memory or by a trace; and what they take of the cell."""
    freed, lengths = signature.freed()
    kind = held.fingerprint, layout(state), _built(context), torch.is_grad_enabled()
    # A trace that does not go with other lengths is known by those that it has.
    found = _known.get((*kind, signature)) or _known.get((*kind, freed, len(set(lengths))))
    if found is None:
        found, free = _traced(cell, held, x, state, context)
        _remember((*kind, freed, len(set(lengths))) if free else (*kind, signature), found)
    try:
        return _sized(found, signature)
    except CannotLower as error:
        if isinstance(found, CannotLower):
            raise
        if not found.joint.lengths:
            _remember((*kind, signature), error)
            raise
    # What it does with its contexts goes with lengths of its own, not with any.
    found, _ = _traced(cell, held, x, state, context, free=False)
    try:
        made = _sized(found, signature)
    except CannotLower as error:
        _remember((*kind, signature), error)
        raise
    _remember((*kind, signature), found)
    return made


def _sized(found: Traced | CannotLower, signature: Signature) -> tuple[Compiled, tuple[str | Tensor, ...]]:
    if isinstance(found, CannotLower):
        raise found
    return found.sized(signature), found.captured


def _remember(key: Key, found: Traced | CannotLower) -> None:
    _known[key] = found
    if len(_known) > MOST:
        _known.popitem(last=False)


def _built(tree: Tree) -> str:
    """How a context is put together, whatever its sizes."""
    return layout(map_tensors(lambda value: value.new_zeros(0), tree))


def _traced(
    cell: Any, held: Inventory, x: Tensor, state: Tree, context: Tree, free: bool = True
) -> tuple[Traced | CannotLower, bool]:
    """Trace a step; and whether the trace holds for any lengths of its contexts, which it shall if `free`."""
    try:
        # A trace saves tensors for a backward pass of its own; hooks of the caller's are not for those.
        with torch.autograd.graph.saved_tensors_hooks(_same, _same):
            step = find_step(cell, x, state, context)
            dtype = _dtype(step)
            joint = trace_joint(step, torch.is_grad_enabled(), free)
    except CannotLower as error:
        return error, False
    paths = {id(value): path for path, value in reversed(list(held.tensors.items()))}
    captured = tuple(paths.get(id(value), value) for value in step.captured)
    return Traced(step_name(cell), joint, captured, step.signature, dtype), joint.lengths > 0


def _same(value: Tensor) -> Tensor:
    return value


def forget() -> None:
    """Forget every structure, for measurements of the first call."""
    _known.clear()
    _last.clear()


def _program(traced: Traced, signature: Signature, lengths: tuple[int, ...]) -> Compiled:
    joint = traced.joint
    rows = convert(joint, traced.name, lengths)
    verify_graph(roots(rows), "conversion")
    rows = rewritten(rows, [joint.weights + 1 + index for index in range(joint.states)])
    verify_graph(roots(rows), "rewriting")
    tail = tail_module(joint, rows) if joint.cotangents else None
    plan = planned(rows, joint.weights, joint.states, joint.contexts)
    verify_plan(plan)
    program = {
        "dtype": traced.dtype,
        "output": rows.outputs[0].width,
        "states": [list(shape) for shape, *_ in signature.states],
        "saved": plan.saved,
        "forward": _written(emitted(plan.forward, traced.dtype)),
        "forward_only": _written(emitted(plan.forward_only, traced.dtype)),
        "backward": None if plan.backward is None else _written(emitted(plan.backward, traced.dtype)),
        "sums": [list(seen_as(node).meta["val"].shape) for node in rows.sums],
        "contexts": [list(shape) for shape, *_ in signature.contexts],
    }
    learned = tuple(index for index in joint.wanted if index < joint.weights)
    passes = {"forward": plan.forward} | ({} if plan.backward is None else {"backward": plan.backward})
    places = {name: part.described() for name, part in passes.items()}
    return Compiled(joint.once, tail, learned, json.dumps(program), places, sum(plan.saved))


def _written(program: PassProgram) -> dict[str, Any]:
    return {"text": program.text, "slots": [list(slot) for slot in program.slots]}


def _dtype(step: Step) -> str:
    """The one floating-point type of all that the step sees."""
    found = {value.dtype for value in step.captured if value.is_floating_point()}
    found |= {dtype for _, dtype, _ in step.signature.all() if dtype != torch.bool}
    if len(found) != 1 or not found <= set(DTYPES):
        raise CannotLower(
            f"{step_name(step.cell)} sees {', '.join(sorted(map(str, found)))}; expected float32 alone or float64 alone"
        )
    return DTYPES[found.pop()]
