"""A strip, written as the lines that the C++ engine reads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from unspool.graph.ir import Node, Ref, merged
from unspool.graph.schedule import Strip, in_register


@dataclass(frozen=True)
class Home:
    """Where a node's numbers are: a tensor of the program, an offset, and a stride for each dimension of the node."""

    tensor: int
    offset: int
    strides: tuple[int, ...]


class StripText:
    """One strip: inputs, constants, operations and outputs over a space that all of them walk with strides."""

    def __init__(self, strip: Strip, homes: dict[Node, list[Home]], home: Callable[[Node], Home]) -> None:
        self.strip, self.homes, self.home = strip, homes, home
        self.walks: list[tuple[int, ...]] = []
        self.inputs: dict[tuple[int, int, int], int] = {}
        self.imms: dict[str, int] = {}
        self.ops: list[tuple[str, list[tuple[str, int]]]] = []
        self.outs: list[tuple[tuple[str, int], int, int, int]] = []
        self.values: dict[Node, tuple[str, int]] = {}

    def lines(self) -> list[str]:
        """The lines, several strips where the space has more than three dimensions that count."""
        for node in self.strip.nodes:
            self.values[node] = self._operation(node)
            for home in self.homes[node]:
                walk = self._walk(self._counted(home.strides, node.shape))
                self.outs.append((self.values[node], home.tensor, home.offset, walk))
        sizes, steps = merged(self.strip.space, *self.walks) if self.strip.space else ([], [[] for _ in self.walks])
        return [line for lead, rest in unrolled(sizes) for line in self._text(lead, rest, steps)]

    def _counted(self, strides: Iterable[int], shape: Iterable[int]) -> tuple[int, ...]:
        return tuple(stride for stride, size in zip(strides, shape, strict=True) if size != 1)

    def _walk(self, strides: tuple[int, ...]) -> int:
        if strides not in self.walks:
            self.walks.append(strides)
        return self.walks.index(strides)

    def _operation(self, node: Node) -> tuple[str, int]:
        operands = [self._operand(argument, node) for argument in node.args]
        if node.op == "copy" or node.name == "mov":
            return operands[0]
        self.ops.append((node.name, operands))
        return "op", len(self.ops) - 1

    def _operand(self, argument: Ref | float, node: Node) -> tuple[str, int]:
        if not isinstance(argument, Ref):
            return self._imm(float(argument))
        source = argument.node
        if source in self.values and in_register(argument, node):
            return self.values[source]
        if source.op == "number":
            return self._imm(source.info["value"])
        home = self.home(source)
        strides = argument.strides
        key = home.tensor, home.offset + argument.offset, self._walk(self._counted(strides, argument.shape))
        return "in", self.inputs.setdefault(key, len(self.inputs))

    def _imm(self, value: float) -> tuple[str, int]:
        return "imm", self.imms.setdefault(repr(value), len(self.imms))

    def _text(self, lead: tuple[int, ...], rest: list[int], steps: list[list[int]]) -> list[str]:
        first = {"in": 0, "imm": len(self.inputs), "op": len(self.inputs) + len(self.imms)}
        body = [f"strip {sizes_of(rest)} {len(self.inputs) + len(self.imms)} {len(self.ops)} {len(self.outs)}"]
        for tensor, offset, walk in self.inputs:
            body.append(f"in {tensor} {offset + _at(lead, steps[walk])} {three(steps[walk][len(lead) :])}")
        body += [f"imm {value}" for value in self.imms]
        for name, operands in self.ops:
            body.append(" ".join(["op", name, *(str(first[kind] + index) for kind, index in operands)]))
        for (kind, index), tensor, offset, walk in self.outs:
            at = offset + _at(lead, steps[walk])
            body.append(f"out {first[kind] + index} {tensor} {at} {three(steps[walk][len(lead) :])}")
        return body


def _at(lead: tuple[int, ...], steps: list[int]) -> int:
    return sum(index * step for index, step in zip(lead, steps, strict=False))


def unrolled(sizes: list[int]) -> list[tuple[tuple[int, ...], list[int]]]:
    """An instruction walks three dimensions; each index into those before is an instruction of its own."""
    lead = sizes[: max(0, len(sizes) - 3)]
    return [(index, sizes[len(lead) :]) for index in itertools.product(*map(range, lead))]


def sizes_of(sizes: list[int]) -> str:
    """Three sizes, as words."""
    return " ".join(map(str, [1] * (3 - len(sizes)) + sizes))


def three(strides: list[int]) -> str:
    """Three strides, as words."""
    return " ".join(map(str, [0] * (3 - len(strides)) + list(strides)))
