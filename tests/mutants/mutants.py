"""The mutants, and the pytest plugin that brings one of them to life (`-p mutants`, its name in UNSPOOL_MUTANT).

A mutant of the adapter is a line of Python that is replaced as its module is imported; a mutant of a program is a
change to the text that `unspool.graph.compile` hands to the engine. No file is touched.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

import pytest

PACKAGE = Path(__file__).parents[2] / "src" / "unspool"


@dataclass(frozen=True)
class Source:
    """`old` becomes `new` where it first stands in the file of a module."""

    module: str
    old: str
    new: str


@dataclass(frozen=True)
class Text:
    """In the text of the passes whose name begins with `part`, a pattern becomes something else: `last` its last match,
    else its first, or with `every` all of them."""

    part: str
    pattern: str
    new: str | Callable[[re.Match[str]], str]
    last: bool = False
    every: bool = False

    def applied(self, text: str) -> str:
        found = list(re.finditer(self.pattern, text, re.MULTILINE))
        for match in reversed(found if self.every else found[-1:] if self.last else found[:1]):
            made = match.expand(self.new) if isinstance(self.new, str) else self.new(match)
            text = text[: match.start()] + made + text[match.end() :]
        return text


def less(group: int) -> Callable[[re.Match[str]], str]:
    """The number in a group, one smaller (but not 0)."""

    def new(match: re.Match[str]) -> str:
        start, stop = (edge - match.start() for edge in match.span(group))
        return match[0][:start] + str(max(1, int(match[group]) - 1)) + match[0][stop:]

    return new


def current(match: re.Match[str]) -> str:
    """A `prev` line says what the tensor says that it looks back on."""
    kinds = "(step|row|param|saved|chunk|rowbuf|temp|state|next|prev) "
    return [line for line in match.string.splitlines() if re.match(kinds, line)][int(match[1])]


CPU, COMPILED = "engine.cpu", "engine.compiled"
ALL = "forward", "backward"
IN = r"in (\d+) (\d+) (\d+ \d+ 1)\n"
MUTANTS: dict[str, Source | Text] = {
    # The adapter: rows and steps
    "segments end one step early": Source(
        CPU,
        "min(start + size, self.time)) for",
        "min(start + size, self.time) - 1) for",
    ),
    "a last segment of one step is lost": Source(CPU, "range(0, self.time, size)", "range(0, self.time - 1, size)"),
    "segments begin one step late": Source(CPU, "tau0=start,", "tau0=min(start + 1, stop),"),
    "time ends where the segment ends": Source(
        CPU,
        "T=self.time,",
        "T=max(stop, int(self.lengths.max()) if lengths and self.batch else 0),",
    ),
    "reverse is forgotten": Source(CPU, "reverse=self.reverse", "reverse=False"),
    "truncate is forgotten": Source(CPU, "truncate=self.truncate or 0", "truncate=0"),
    "truncate cuts a step late": Source(CPU, "truncate=self.truncate or 0", "truncate=(self.truncate or -1) + 1"),
    "lengths are forgotten": Source(CPU, "lengths=lengths,", "lengths=0,"),
    "positions: one row-step short": Source(CPU, "- start).clamp(min=0)", "- start - 1).clamp(min=0)"),
    "positions: rows that ended count": Source(CPU, "- start).clamp(min=0)", "- start).abs()"),
    "positions: one step short": Source(CPU, "self.batch * (stop - start)", "self.batch * (stop - start - 1)"),
    # The adapter: strides and memory
    "strides of rows and steps are swapped": Source(
        CPU,
        "value.stride(0), value.stride(1)",
        "value.stride(1), value.stride(0)",
    ),
    "rows all lie on the first": Source(CPU, "value.data_ptr(), value.stride(0), 0", "value.data_ptr(), 0, 0"),
    "features may lie apart": Source(
        CPU,
        "return value if value.stride(2) == 1 or value.shape[2] == 1 else value.contiguous()",
        "return value",
    ),
    "rows may lie apart inside": Source(
        CPU,
        "return value if value.dtype == dtype and value.is_contiguous() else value.to(dtype).contiguous()",
        "return value",
    ),
    "outputs of padding are left as they are": Source(
        CPU,
        "zeros=span.lengths is not None)",
        "zeros=False)",
    ),
    "gradients of padding are left as they are": Source(
        CPU,
        "torch.empty_like if span.lengths is None else torch.zeros_like",
        "torch.empty_like",
    ),
    "sums begin anywhere": Source(CPU, "fresh=last)", "fresh=False)"),
    "sums begin anew in every segment": Source(CPU, "fresh=last)", "fresh=True)"),
    "gradients of contexts begin anywhere": Source(
        CPU,
        "x.new_zeros((span.batch, *told.contexts",
        "x.new_empty((span.batch, *told.contexts",
    ),
    # The adapter: what goes in which slot
    "states and finals are swapped": Source(
        CPU,
        'given["state"], given["final"] = by_rows(states)',
        'given["final"], given["state"] = by_rows(states)',
    ),
    "carried slots are shifted": Source(
        CPU,
        'given["final"] = by_rows(states), by_rows(finals)',
        'given["final"] = by_rows(states), [*by_rows(finals)[1:], *by_rows(finals)[:1]]',
    ),
    "saved values of a shorter call": Source(
        "engine.cpu", "_saved(told, saved[0], steps)", "_saved(told, saved[0], steps - 1)"
    ),
    "saved values share memory": Source("engine.cpu", "at += width * size", "at += width * room.element_size()"),
    "sides of a thin sum are exchanged": Source(
        "graph.rewrite", "if node.shape[1] == 1 else (x, d)", "if node.shape[1] != 1 else (x, d)"
    ),
    "a product with a column reads a row": Source(
        "graph.rewrite", "column = replace(w, strides=(*w.strides[:2], 0))", "column = replace(w, strides=(0, 0, 0))"
    ),
    "a product by one number reads the first": Source(
        "graph.rewrite", "(w.strides[0], 0, w.strides[2]), w.offset", "(w.strides[0], 0, 0), w.offset"
    ),
    "what the head of a run leaves shares memory with the run": Source(
        "graph.emit", "runs[first] != runs[last] or (first in heads and first != last)", "runs[first] != runs[last]"
    ),
    "a length with one more is not known": Source("graph.made_up", "MORE = 64", "MORE = 0"),
    "a number that counts no length goes with any": Source(
        "graph.alike", "LENGTHS[i][:lengths]", "LENGTHS[0][:lengths]"
    ),
    "sums are reversed": Source(CPU, "0, 0) for value in sums]", "0, 0) for value in sums[::-1]]"),
    "weights are rotated": Source(
        CPU,
        '"weight": [(value.data_ptr(), 0, 0) for value in weights]',
        '"weight": [(value.data_ptr(), 0, 0) for value in [*weights[1:], *weights[:1]]]',
    ),
    "the gradient of outputs is forgotten": Source(
        CPU,
        "flat(nothing) if dy is None else by_step(dy)",
        "flat(nothing)",
    ),
    "the gradient of final states is forgotten": Source(
        CPU,
        "flat(nothing) if (v := enter.get(i)) is None else by_row(v)",
        "flat(nothing)",
    ),
    "the program that keeps nothing runs": Source(
        CPU,
        "told.forward if keeps else",
        "told.forward_only if keeps else",
    ),
    # The adapter: segments
    "each segment begins as the first": Source(
        CPU,
        "        states = finals\n",
        "        states = finals if stop == span.time else states\n",
    ),
    "a segment's start is its end": Source(CPU, "starts += states if", "starts += finals if"),
    "each segment is computed again from the first": Source(
        CPU,
        "kept[number * len(states) : (number + 1) * len(states)]",
        "kept[: len(states)]",
    ),
    "segments go backward in forward order": Source(CPU, "reversed(list(enumerate(segments)))", "enumerate(segments)"),
    "no gradient goes from segment to segment": Source(CPU, "        enter = dict(leave)\n", ""),
    # The call
    "states and contexts are split one early": Source(
        COMPILED,
        "first = 1 + self.states",
        "first = max(1, self.states)",
    ),
    "masks go in as they are": Source(
        COMPILED, "cpu.dense(value, dtype) for value in contexts", "value.contiguous() for value in contexts"
    ),
    "weights may be strided": Source(
        COMPILED, "cpu.dense(value, dtype) for value in self.weights", "value for value in self.weights"
    ),
    "gradients of outputs may be strided": Source(COMPILED, "cpu.lined(grads[0])", "grads[0]"),
    "gradients of final states may be strided": Source(COMPILED, "cpu.dense(g, x.dtype) for", "g for"),
    "inputs may be strided": Source(COMPILED, "return cpu.lined(x),", "return x,"),
    "states may be strided": Source(
        COMPILED, "cpu.dense(value, dtype) for value in states", "value for value in states"
    ),
    "gradients of states are shifted": Source(
        COMPILED,
        "found.states.get(index) for",
        "found.states.get((index + 1) % call.states) for",
    ),
    "gradients of contexts are dropped": Source(COMPILED, "found.contexts.get(index) for", "None for"),
    "gradients of learned weights come first": Source(
        COMPILED,
        "zip(own.learned, own.tail.forward(*sums, *weights), strict=True)",
        "enumerate(own.tail.forward(*sums, *weights))",
    ),
    "gradients are wanted of the neighbour": Source(COMPILED, "ctx.needs_input_grad[1:]", "ctx.needs_input_grad[:-1]"),
    "second derivatives are those of a constant": Source(
        COMPILED,
        "if torch.is_grad_enabled():\n            return None",
        "if False:\n            return None",
    ),
    "by reference, reverse is forgotten": Source(
        COMPILED,
        '{"reverse": reverse, "truncate": truncate',
        '{"reverse": False, "truncate": truncate',
    ),
    "by reference, lengths are forgotten": Source(
        COMPILED,
        "_refilled(context, contexts), lengths, **options",
        "_refilled(context, contexts), None, **options",
    ),
    "by reference, truncate is forgotten": Source(
        COMPILED, '"truncate": truncate, "checkpoint"', '"truncate": None, "checkpoint"'
    ),
    "by reference, the state is another": Source(
        COMPILED, "run(cell, x, _refilled(state, states)", "run(cell, x, _refilled(state, states[::-1])"
    ),
    # Programs, forward
    "two gates are swapped": Text(
        "forward", rf"{IN}((?:in .*\n)*?)in \1 (?!\2 )(\d+) \3\n", r"in \1 \5 \3\n\4in \1 \2 \3\n"
    ),
    "sigmoid is tanh": Text("forward", "op sigmoid", "op tanh"),
    "tanh is relu": Text("forward", "op tanh", "op relu", last=True),
    "a difference has the other sign": Text("forward", r"op sub (\d+) (\d+)", r"op sub \2 \1"),
    "a sum is a difference": Text("forward", "op add", "op sub"),
    "fma: a factor is the summand": Text("forward", r"op fma (\d+) (\d+) (\d+)", r"op fma \1 \3 \2", last=True),
    "a square matrix is transposed": Text("forward", r"^pack (\d+ \d+) (\d+) \2 (\d+) (\d+)", r"pack \1 \2 \2 \4 \3"),
    "a product leaves out its last term": Text("forward", r"^pack \d+ \d+ (\d+) ", less(1)),
    "the last product leaves out its last term": Text("forward", r"^pack \d+ \d+ (\d+) ", less(1), last=True),
    "a product leaves out its last column": Text("forward", r"^pack \d+ \d+ \d+ (\d+) ", less(1)),
    "a bias is left out": Text("forward", r"bias \d+ \d+$", "zero"),
    "a product adds to what lies there": Text("forward", r"^(gemm .*) zero$", r"\1 accumulate"),
    "a strip ends one early": Text("forward", r"^strip \d+ \d+ (\d+) ", less(1), last=True),
    "a reduction ends one early": Text("forward", r"^reduce sum \d+ (\d+) ", less(1), last=True),
    "a sum is a maximum": Text("forward", "^reduce sum", "reduce max"),
    "a constant is another": Text("forward", r"^imm 1e-05", "imm 2e-05"),
    "scratch is shared": Text("forward", r"^temp \d+ ", "temp 0 ", every=True),
    "carried values are swapped on entry": Text(
        "forward", r"^carry 0 (\d+) (\d+)\ncarry 1 (\d+) (\d+)", r"carry 0 \3 \2\ncarry 1 \1 \4"
    ),
    "a carried value begins as zero": Text("forward", r"^carry 0 \d+", "carry 0 -1"),
    "the next state is another value": Text("forward", r"^out \d+ 1 ", "out 0 1 "),
    # Programs, backward
    "the state before is the state after": Text("backward", r"^prev (\d+) \d+", current),
    "the last state before is the state after": Text("backward", r"^prev (\d+) \d+", current, last=True),
    "saved slots are swapped": Text(
        "backward", r"^saved (\d+) (\d+)\n((?:.*\n)*?)saved (\d+) \2$", r"saved \4 \2\n\3saved \1 \2"
    ),
    "the derivative of sigmoid is that of tanh": Text("backward", "op dsigmoid", "op dtanh"),
    "the derivative of tanh is that of sigmoid": Text("backward", "op dtanh", "op dsigmoid", last=True),
    "a derivative has no factor": Text("backward", r"op mul (\d+) (\d+)", r"op mov \1", last=True),
    "a gradient has the other sign": Text("backward", "op neg", "op mov"),
    "gradients are not added up": Text("backward", r"op add (\d+) (\d+)", r"op mov \1"),
    "only the carried gradient counts": Text("backward", r"op add (\d+) (\d+)", r"op mov \2"),
    "a gradient's matrix is transposed": Text(
        "backward", r"^pack (\d+ \d+) (\d+) \2 (\d+) (\d+)", r"pack \1 \2 \2 \4 \3"
    ),
    "a gradient's product leaves out its last term": Text("backward", r"^pack \d+ \d+ (\d+) ", less(1)),
    "a carried gradient begins as zero": Text("backward", r"^carry 0 \d+", "carry 0 -1"),
    "a sum over steps misses its last row": Text("backward", r"^wgrad \d+ \d+ \d+ (\d+) ", less(1)),
    "a sum over steps misses its last column": Text("backward", r"^wgrad \d+ \d+ \d+ \d+ (\d+) ", less(1), last=True),
    "a sum of biases misses its last column": Text("backward", r"^bgrad \d+ \d+ (\d+) ", less(1)),
    "a sum of biases is left out": Text("backward", r"^bgrad .*\n", "", last=True),
    "a sum over steps is left out": Text("backward", r"^wgrad .*\n", ""),
    "a context's gradient is its last step's": Text(
        "backward", r"^(phase fold\n(?:.*\n)*?matmul .*) accumulate ", r"\1 zero "
    ),
    "a context's gradient is left out": Text("backward", r"^phase fold\n(?:matmul .*\n)+", ""),
    "time runs the wrong way": Text("backward", r"^(unspool 1 f\d\d) backward", r"\1 forward"),
}


class Changed(SourceFileLoader):
    """Loads a module whose source differs in one place."""

    def __init__(self, name: str, path: str, mutant: Source) -> None:
        super().__init__(name, path)
        self.mutant = mutant

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        if self.mutant.old not in source:
            raise RuntimeError(f"{self.path} holds no {self.mutant.old!r} any more: mend the mutant in {__file__}")
        return compile(source.replace(self.mutant.old, self.mutant.new, 1), self.path, "exec")


class Finder(MetaPathFinder):
    def __init__(self, mutant: Source) -> None:
        self.mutant = mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != f"unspool.{self.mutant.module}":
            return None
        file = str(PACKAGE / f"{self.mutant.module.replace('.', '/')}.py")
        return spec_from_file_location(fullname, file, loader=Changed(fullname, file, self.mutant))


def change_programs(mutant: Text) -> None:
    from unspool.graph import compile as compiling

    module: Any = compiling
    original = module._program

    def program(*args: Any) -> Any:
        made = original(*args)
        told = json.loads(made.program)
        for name in (name for name in told if name.startswith(mutant.part) and name.startswith(ALL)):
            if told[name] is not None:
                told[name]["text"] = mutant.applied(told[name]["text"])
        return replace(made, program=json.dumps(told))

    module._program = program


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Before any conftest imports what is to be changed."""
    mutant = MUTANTS.get(os.environ.get("UNSPOOL_MUTANT", ""))
    if isinstance(mutant, Source):
        sys.meta_path.insert(0, Finder(mutant))
    elif mutant is not None:
        change_programs(mutant)
