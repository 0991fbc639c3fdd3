"""What the rules that make a row graph have in common: nodes, constants, copies, and how a rule refuses."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, fx

from unspool.graph.ir import Node, Operand, Ref, broadcast, whole
from unspool.graph.made_up import LENGTHS, as_length, is_multiple
from unspool.graph.refuse import CannotLower
from unspool.graph.trace import Joint, line


class Builder:
    """A row graph in the making. `at` is the traced node in hand."""

    def __init__(self, joint: Joint, name: str, lengths: Sequence[int]) -> None:
        self.made_up, self.lengths = LENGTHS[0][: joint.lengths], lengths[: joint.lengths]
        self.joint, self.name, self.batch = joint, name, joint.batch
        self.env: dict[fx.Node, Any] = {}
        self.sums: dict[fx.Node, Node] = {}
        self.known: dict[tuple[Any, ...], Node] = {}
        self.at: fx.Node | None = None

    def _refuse(self, why: str) -> CannotLower:
        assert self.at is not None
        return CannotLower(f"{self.name}{line(self.at)} {why}")

    def _actual(self, shape: Sequence[int]) -> tuple[int, ...]:
        return tuple(self._number_of(size) for size in shape)

    def _size(self) -> tuple[int, ...]:
        """The traced shape of the node at hand."""
        assert self.at is not None
        return self._actual(self.at.meta["val"].shape)

    def _node(self, op: str, shape: tuple[int, ...], args: tuple[Operand, ...], name: str = "", **info: Any) -> Node:
        """A node, or the one that is the same already."""
        assert self.at is not None
        key = (op, shape, args, name, tuple(info.items()))
        if key not in self.known:
            self.known[key] = Node(op, shape, args, name, info, line(self.at))
        return self.known[key]

    def _map(self, name: str, *args: Any) -> Ref:
        operands: list[Operand] = [float(a) if isinstance(a, (int, float)) else a for a in args]
        operands = [self._number(a) if isinstance(a, Ref) else a for a in operands]
        refs = [a for a in operands if isinstance(a, Ref)]
        if not refs:
            return self._constant(name, operands)
        rank = max(len(ref.shape) for ref in refs)
        place = {(ref.bdim + rank - len(ref.shape), ref.post) for ref in refs if ref.bdim is not None}
        if len(place) > 1:
            raise self._refuse("mixes rows: it combines tensors whose batch dimensions are not the same")
        shape = [1] * rank
        for ref in refs:
            for dim, size in enumerate(ref.shape, rank - len(ref.shape)):
                if size != 1 and shape[dim] not in (1, size):
                    raise self._refuse("combines tensors of different shapes")
                shape[dim] = size if size != 1 else shape[dim]
        made = tuple(broadcast(a, shape) if isinstance(a, Ref) else a for a in operands)
        made = tuple(replace(a, bdim=None, post=1) if isinstance(a, Ref) else a for a in made)
        bdim, post = next(iter(place)) if place else (None, 1)
        return whole(self._node("map", tuple(shape), made, name), bdim, post)

    def _number(self, ref: Ref) -> Operand:
        """A constant stays a reference where its batch dimension counts, for the shape of the result."""
        return ref

    def _number_of(self, argument: Any) -> Any:
        """A number that counts a made-up length counts the actual one; so does a length with a few more or less."""
        found = as_length(argument, self.made_up)
        if found is None:
            return argument
        place, times, more = found
        return type(argument)(times * self.lengths[place] + more)

    def _constant(self, name: str, operands: list[Operand]) -> Ref:
        folded = {
            "mov": lambda a: a, "neg": operator.neg, "add": operator.add, "sub": operator.sub, "mul": operator.mul,
            "div": operator.truediv,
        }  # fmt: skip
        if name not in folded:
            raise self._refuse(f"computes {name} of numbers")
        return self._filled(folded[name](*operands))

    def _filled(self, value: float) -> Ref:
        """A tensor of one number, shaped as the node at hand."""
        shape, bdim, post = self._without_batch(self._size())
        node = self._node("number", (), (), value=float(value))
        return Ref(node, shape, (0,) * len(shape), 0, bdim, post)

    def _without_batch(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int | None, int]:
        places = [dim for dim, size in enumerate(shape) if is_multiple(size, self.batch)]
        if len(places) > 1:
            raise self._refuse(f"mixes rows: it makes a tensor of shape {self._spelled(shape)}")
        if not places:
            return shape, None, 1
        inner = shape[places[0]] // self.batch
        if inner != 1:
            return (*shape[: places[0]], inner, *shape[places[0] + 1 :]), places[0], inner
        return (*shape[: places[0]], 1, *shape[places[0] + 1 :]), places[0], 1

    def _spelled(self, shape: tuple[int, ...]) -> str:
        return str([f"{size // self.batch}*B" if is_multiple(size, self.batch) else size for size in shape])

    def _traced_shape(self, ref: Ref) -> tuple[int, ...]:
        return tuple(size * self.batch if dim == ref.bdim else size for dim, size in enumerate(ref.shape))

    def _real(self, ref: Ref) -> Ref:
        """A constant, in memory: only elementwise operations take it as it is."""
        return self._copy(ref) if ref.node.op == "number" else ref

    def _copy(self, ref: Ref) -> Ref:
        return whole(self._node("copy", ref.shape, (replace(ref, bdim=None, post=1),)), ref.bdim, ref.post)

    def _pieces(
        self, shape: tuple[int, ...], dim: int, parts: list[tuple[int, Ref]], bdim: int | None, post: int
    ) -> Ref:
        parts = [(start, self._real(ref)) for start, ref in parts if ref.node.info.get("value") != 0]
        bare = tuple(replace(ref, bdim=None, post=1) for _, ref in parts)
        return whole(self._node("pieces", shape, bare, dim=dim, starts=tuple(start for start, _ in parts)), bdim, post)


def floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
