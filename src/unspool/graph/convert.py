"""ATen operations on batches, made operations on one row: each rule knows where the batch dimension is."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, fx

from unspool.graph.ir import (
    Node,
    Operand,
    Ref,
    broadcast,
    dropped,
    inserted,
    merged,
    packed,
    permuted,
    reshaped,
    sliced,
    whole,
)
from unspool.graph.maps import MAPS
from unspool.graph.refuse import CannotLower
from unspool.graph.trace import LENGTHS, Joint, in_place, is_multiple, is_view, line

_aten = torch.ops.aten


@dataclass(frozen=True)
class Tail:
    """A value without rows that depends on sums over rows: PyTorch computes it after the sums are complete."""

    node: fx.Node


@dataclass(frozen=True)
class RowGraph:
    """A step and its derivative for one row.

    `outputs`: y and the next states. `gradients`: for each wanted input of the joint graph a reference (rows), a
    `Tail` (weights), or `None` (no dependence). `sums`: the nodes without rows, by the traced node that they stand for.
    """

    outputs: list[Ref]
    gradients: list[tuple[int, Ref | Tail | None]]
    sums: dict[fx.Node, Node]


def convert(joint: Joint, name: str, lengths: Sequence[int] = ()) -> RowGraph:
    """Convert the joint graph of a step called `name`, for the given lengths of its contexts.

    Raises:
        CannotLower: an operation that no rule covers, or one that mixes rows.
    """
    return _Converter(joint, name, lengths).run()


class _Converter:
    def __init__(self, joint: Joint, name: str, lengths: Sequence[int]) -> None:
        self.lengths = dict(zip(LENGTHS, lengths[: joint.lengths], strict=False))
        self.joint, self.name, self.batch = joint, name, joint.batch
        self.env: dict[fx.Node, Any] = {}
        self.sums: dict[fx.Node, Node] = {}
        self.known: dict[tuple[Any, ...], Node] = {}
        self.at: fx.Node | None = None

    def run(self) -> RowGraph:
        holders = iter(self._inputs())
        result: list[Any] = []
        for node in self.joint.graph.graph.nodes:
            self.at = node
            if node.op == "placeholder":
                self.env[node] = next(holders)(node)
            elif node.op == "output":
                result = [None if value is None else self.env[value] for value in node.args[0]]
            elif node.op == "call_function":
                self.env[node] = self._call(node)
            else:
                raise self._refuse(f"reads {node.target}, which is not one of its inputs")
        outputs = 1 + self.joint.states
        return RowGraph(
            [self._output(value) for value in result[:outputs]],
            list(zip(self.joint.wanted, result[outputs:], strict=False)),
            self.sums,
        )

    def _output(self, value: Any) -> Ref:
        if not isinstance(value, Ref):
            raise CannotLower(f"{self.name} returns a value that sums over rows; rows must not be mixed in a step")
        return value

    def _refuse(self, why: str) -> CannotLower:
        assert self.at is not None
        return CannotLower(f"{self.name}{line(self.at)} {why}")

    # Inputs

    def _inputs(self) -> list[Callable[[fx.Node], Ref]]:
        joint = self.joint
        kinds = [("weight", i) for i in range(joint.weights)] + [("x", 0)]
        kinds += [("state", i) for i in range(joint.states)] + [("context", i) for i in range(joint.contexts)]
        kinds += [("dy", 0) if i == 0 else ("dstate", i - 1) for i in joint.cotangents]
        return [lambda node, kind=kind, index=index: self._input(node, kind, index) for kind, index in kinds]

    def _input(self, node: fx.Node, kind: str, index: int) -> Ref:
        shape = self._actual(node.meta["val"].shape)
        if kind == "weight":
            return whole(Node("weight", shape, name=f"weight {index}", info={"index": index}))
        value = Node("input", (1, *shape[1:]), name=kind, info={"index": index})
        return whole(value, 0, 1)

    # Calls

    def _call(self, node: fx.Node) -> Any:
        target = node.target
        if target is operator.getitem:
            return self._value(node.args[0])[node.args[1]]
        if any(isinstance(self.env.get(argument), Tail) for argument in node.all_input_nodes) or any(
            self._is_sum(argument) for argument in node.all_input_nodes
        ):
            return self._tail(node)
        if in_place(node):
            return self._in_place(node)
        return self._applied(target, node)

    def _in_place(self, node: fx.Node) -> Any:
        """An operation that writes into its first argument, which from here on stands for the result."""
        target = node.target
        assert isinstance(target, torch._ops.OpOverload)
        packet, written = getattr(_aten, target._opname.removesuffix("_"), None), node.args[0]
        assert isinstance(written, fx.Node)
        if packet is None or any(map(is_view, [written, *written.users])):
            raise self._refuse(f"writes into a view of a tensor ({target._opname}); compute a new one")
        made = self._applied(getattr(packet, target._overloadname), node)
        self.env[written] = made
        return made

    def _applied(self, target: Any, node: fx.Node) -> Any:
        args = [self._value(argument) for argument in node.args]
        kwargs = {key: self._value(value) for key, value in node.kwargs.items()}
        if target in MAPS:
            names = {key: value for key, value in kwargs.items() if key in ("alpha", "rounding_mode", "min", "max")}
            names = {{"min": "low", "max": "high"}.get(key, key): value for key, value in names.items()}
            return MAPS[target](self._map, *args, **names)
        rule = getattr(self, f"_{'_'.join(str(target).split('.')[:2])}", None)
        if rule is None:
            raise self._refuse(f"uses {str(target).removeprefix('aten.')}, which the compiler does not know")
        return rule(*args, **kwargs)

    def _is_sum(self, node: fx.Node) -> bool:
        value = self.env.get(node)
        return isinstance(value, Ref) and value.node.op in ("wgrad", "bgrad")

    LINEAR = frozenset(
        {
            "alias", "detach", "t", "permute", "transpose", "view", "_unsafe_view", "reshape", "expand", "squeeze",
            "unsqueeze", "slice", "select", "neg", "add", "sub", "mul", "div", "sum", "cat", "clone", "_to_copy",
            "slice_backward", "select_backward", "split", "split_with_sizes", "mm", "addmm", "bmm",
        }
    )  # fmt: skip
    """What may be done to a sum over rows instead of to what is summed."""

    def _tail(self, node: fx.Node) -> Tail:
        name = str(node.target).removeprefix("aten.").split(".")[0]
        values = [self.env[argument] for argument in node.all_input_nodes]
        if any(isinstance(value, Ref) and value.node.op not in ("wgrad", "bgrad", "weight") for value in values):
            raise self._refuse("mixes rows: a sum over the batch goes back into the step")
        if name not in self.LINEAR:
            raise self._refuse(f"applies {name} to a sum over rows")
        return Tail(node)

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, fx.Node):
            return self.env[argument]
        if isinstance(argument, (list, tuple)):
            return type(argument)(self._value(part) for part in argument)
        return self._number_of(argument)

    def _number_of(self, argument: Any) -> Any:
        """A number that counts a made-up length counts the actual one."""
        if isinstance(argument, (int, float)) and not isinstance(argument, bool):
            for made_up, actual in self.lengths.items():
                if argument and argument % made_up == 0:
                    return type(argument)(argument // made_up * actual)
        return argument

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

    # Elementwise

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

    def _aten_full(self, size: Any, value: float, **_: Any) -> Ref:
        return self._filled(value)

    def _aten_zeros(self, size: Any, **_: Any) -> Ref:
        return self._filled(0)

    def _aten_ones(self, size: Any, **_: Any) -> Ref:
        return self._filled(1)

    def _aten_new_zeros(self, ref: Ref, size: Any, **_: Any) -> Ref:
        return self._filled(0)

    _aten_zeros_like = _aten_new_zeros_like = lambda self, ref, **_: self._filled(0)

    def _aten_new_ones(self, ref: Ref, size: Any, **_: Any) -> Ref:
        return self._filled(1)

    def _aten_ones_like(self, ref: Ref, **_: Any) -> Ref:
        return self._filled(1)

    def _aten_full_like(self, ref: Ref, value: float, **_: Any) -> Ref:
        return self._filled(value)

    def _aten_new_full(self, ref: Ref, size: Any, value: float, **_: Any) -> Ref:
        return self._filled(value)

    def _aten_empty(self, *_: Any, **__: Any) -> Ref:
        return self._filled(0)

    _aten_empty_like = _aten_new_empty = _aten_empty

    def _aten_fill(self, ref: Ref, value: float | Ref) -> Ref:
        return self._aten_copy(ref, value) if isinstance(value, Ref) else self._filled(value)

    def _aten_scalar_tensor(self, value: float, **_: Any) -> Ref:
        return self._filled(value)

    # Views

    def _aten_detach(self, ref: Ref, *_: Any, **__: Any) -> Ref:
        return ref

    _aten_alias = _aten_clone = _aten_lift_fresh_copy = _aten_detach

    def _aten_copy(self, ref: Ref, other: Ref, *_: Any) -> Ref:
        """`other`, in the shape of what it is written over."""
        return replace(broadcast(other, ref.shape), bdim=ref.bdim, post=ref.post)

    def _aten__to_copy(self, ref: Ref, **options: Any) -> Ref:
        assert self.at is not None
        before, after = self.at.all_input_nodes[0].meta["val"].dtype, self.at.meta["val"].dtype
        if before == after or (before == torch.bool and after.is_floating_point):
            return ref
        if after == torch.bool:
            return self._map("ne", ref, 0.0)
        if before == torch.bool or {before, after} <= {torch.int32, torch.int64}:
            return ref
        raise self._refuse(f"turns {before} into {after}")

    def _aten_t(self, ref: Ref) -> Ref:
        return permuted(ref, range(len(ref.shape))[::-1])

    def _aten_permute(self, ref: Ref, dims: list[int]) -> Ref:
        return permuted(ref, [d % len(ref.shape) for d in dims])

    def _aten_transpose(self, ref: Ref, one: int, other: int) -> Ref:
        order = list(range(len(ref.shape)))
        one, other = one % len(order), other % len(order)
        order[one], order[other] = order[other], order[one]
        return permuted(ref, order)

    def _aten_unsqueeze(self, ref: Ref, dim: int) -> Ref:
        return inserted(ref, dim % (len(ref.shape) + 1))

    def _aten_squeeze(self, ref: Ref, dims: Any = None) -> Ref:
        size = self._traced_shape(ref)
        chosen = range(len(size)) if dims is None else [dims] if isinstance(dims, int) else dims
        for dim in sorted({d % len(size) for d in chosen}, reverse=True):
            if size[dim] == 1:
                ref = dropped(ref, dim)
        return ref

    def _traced_shape(self, ref: Ref) -> tuple[int, ...]:
        return tuple(size * self.batch if dim == ref.bdim else size for dim, size in enumerate(ref.shape))

    def _aten_expand(self, ref: Ref, size: Any, **_: Any) -> Ref:
        shape, bdim, post = self._without_batch(self._size())
        if ref.bdim is not None:
            return replace(broadcast(ref, shape), post=ref.post)
        return replace(broadcast(ref, shape), bdim=bdim, post=post)

    def _aten_view(self, ref: Ref, size: Any) -> Ref:
        shape, bdim, inner = self._without_batch(self._size())
        post = 1
        if ref.bdim is not None:
            if bdim is None:
                raise self._refuse("loses its batch dimension")
            suffix = ref.post * math.prod(ref.shape[ref.bdim + 1 :])
            post, rest = divmod(suffix, math.prod(shape[bdim + 1 :]) or 1)
            if rest or (inner % post if post else True):
                raise self._refuse("mixes rows: it cuts the batch dimension in pieces")
        strides = reshaped(ref, shape)
        if strides is None:
            ref = self._copy(ref)
            strides = reshaped(ref, shape)
            assert strides is not None
        return Ref(ref.node, shape, strides, ref.offset, bdim, post)

    _aten__unsafe_view = _aten_reshape = _aten_view

    def _real(self, ref: Ref) -> Ref:
        """A constant, in memory: only elementwise operations take it as it is."""
        return self._copy(ref) if ref.node.op == "number" else ref

    def _copy(self, ref: Ref) -> Ref:
        return whole(self._node("copy", ref.shape, (replace(ref, bdim=None, post=1),)), ref.bdim, ref.post)

    def _aten_slice(self, ref: Ref, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Ref:
        dim %= len(ref.shape)
        size = self._traced_shape(ref)[dim]
        first, last, step = slice(start, end, step).indices(size)
        if dim == ref.bdim:
            if (first, last, step) != (0, size, 1):
                raise self._refuse("mixes rows: it takes some rows of the batch")
            return ref
        return sliced(ref, dim, first, max(0, -(-(last - first) // step)), step)

    def _aten_select(self, ref: Ref, dim: int, index: int) -> Ref:
        dim %= len(ref.shape)
        if dim == ref.bdim:
            raise self._refuse("mixes rows: it takes one row of the batch")
        return dropped(sliced(ref, dim, index % ref.shape[dim], 1), dim)

    def _aten_split_with_sizes(self, ref: Ref, sizes: list[int], dim: int = 0) -> tuple[Ref, ...]:
        dim %= len(ref.shape)
        if dim == ref.bdim:
            raise self._refuse("mixes rows: it splits the batch")
        starts = [sum(sizes[:place]) for place in range(len(sizes))]
        return tuple(sliced(ref, dim, start, size) for start, size in zip(starts, sizes, strict=True))

    def _aten_split(self, ref: Ref, size: int, dim: int = 0) -> tuple[Ref, ...]:
        total = ref.shape[dim]
        return self._aten_split_with_sizes(ref, [min(size, total - start) for start in range(0, total, size)], dim)

    # Pieces that may be written into, because nobody looks at the whole any more.
    _aten_unsafe_split, _aten_unsafe_split_with_sizes = _aten_split, _aten_split_with_sizes

    def _aten_unbind(self, ref: Ref, dim: int = 0) -> tuple[Ref, ...]:
        dim %= len(ref.shape)
        return tuple(self._aten_select(ref, dim, index) for index in range(ref.shape[dim]))

    def _aten_flip(self, ref: Ref, dims: list[int]) -> Ref:
        for dim in (d % len(ref.shape) for d in dims):
            if dim == ref.bdim:
                raise self._refuse("mixes rows: it reverses the batch")
            ref = sliced(ref, dim, ref.shape[dim] - 1, ref.shape[dim], -1)
        return ref

    # Rearrangements

    def _aten_roll(self, ref: Ref, shifts: Any, dims: Any = ()) -> Ref:
        shifts, dims = ([value] if isinstance(value, int) else value for value in (shifts, dims))
        for shift, dim in zip(shifts, (d % len(ref.shape) for d in dims), strict=True):
            size = ref.shape[dim]
            if dim == ref.bdim:
                raise self._refuse("mixes rows: it rolls the batch")
            last = shift % size
            parts = [(0, sliced(ref, dim, size - last, last)), (last, sliced(ref, dim, 0, size - last))]
            ref = self._pieces(ref.shape, dim, parts if last else parts[1:], ref.bdim, ref.post)
        return ref

    def _pieces(
        self, shape: tuple[int, ...], dim: int, parts: list[tuple[int, Ref]], bdim: int | None, post: int
    ) -> Ref:
        parts = [(start, self._real(ref)) for start, ref in parts if ref.node.info.get("value") != 0]
        bare = tuple(replace(ref, bdim=None, post=1) for _, ref in parts)
        return whole(self._node("pieces", shape, bare, dim=dim, starts=tuple(start for start, _ in parts)), bdim, post)

    def _aten_cat(self, refs: list[Ref], dim: int = 0) -> Ref:
        refs = [ref for ref in refs if not (len(ref.shape) == 1 and ref.shape[0] == 0)]
        dim %= len(refs[0].shape)
        rows = [ref for ref in refs if ref.bdim is not None]
        if not rows:
            raise self._refuse("joins tensors without rows")
        # Whole batches one after another are as good as parts of each row, if all are batches.
        along = dim == rows[0].bdim and len(rows) < len(refs)
        if along or any((ref.bdim, ref.post) != (rows[0].bdim, rows[0].post) for ref in rows):
            raise self._refuse("mixes rows: it joins tensors along the batch")
        parts, start = [], 0
        for ref in refs:
            parts.append((start, ref))
            start += ref.shape[dim]
        shape = (*rows[0].shape[:dim], start, *rows[0].shape[dim + 1 :])
        return self._pieces(shape, dim, parts, rows[0].bdim, rows[0].post)

    def _aten_slice_backward(self, ref: Ref, sizes: Any, dim: int, start: int, end: int, step: int) -> Ref:
        dim %= len(ref.shape)
        if dim == ref.bdim:
            return ref
        shape, _, _ = self._without_batch(self._size())
        first = slice(start, end).indices(shape[dim])[0]
        if step == 1:
            return self._pieces(shape, dim, [(first, ref)], ref.bdim, ref.post)
        if first >= step or ref.shape[dim] * step != shape[dim]:
            raise self._refuse("slices a part with a step, whose derivative the compiler does not know")
        spread = (*shape[:dim], ref.shape[dim], step, *shape[dim + 1 :])
        made = self._pieces(spread, dim + 1, [(first, inserted(ref, dim + 1))], None, 1)
        return Ref(made.node, shape, packed(shape), 0, ref.bdim, ref.post)

    def _aten_select_backward(self, ref: Ref, sizes: Any, dim: int, index: int) -> Ref:
        shape, bdim, _ = self._without_batch(self._size())
        dim %= len(shape)
        return self._pieces(shape, dim, [(index % shape[dim], inserted(ref, dim))], bdim, ref.post)

    def _aten_constant_pad_nd(self, ref: Ref, pad: list[int], value: float = 0) -> Ref:
        for place in range(len(pad) // 2):
            dim, (before, after) = len(ref.shape) - 1 - place, pad[2 * place : 2 * place + 2]
            if before == after == 0:
                continue
            if value != 0 or dim == ref.bdim:
                raise self._refuse("pads with something else than zeros, or pads the batch")
            ref = sliced(ref, dim, max(0, -before), ref.shape[dim] + min(0, before) + min(0, after))
            before, after = max(0, before), max(0, after)
            shape = (*ref.shape[:dim], before + ref.shape[dim] + after, *ref.shape[dim + 1 :])
            ref = self._pieces(shape, dim, [(before, ref)], ref.bdim, ref.post)
        return ref

    def _aten_slice_scatter(
        self, ref: Ref, part: Ref, dim: int = 0, start: Any = None, end: Any = None, step: int = 1
    ) -> Ref:
        dim %= len(ref.shape)
        first, last, step = slice(start, end, step).indices(self._traced_shape(ref)[dim])
        if dim == ref.bdim or step != 1:
            if dim == ref.bdim and (first, last) == (0, self._traced_shape(ref)[dim]):
                return part
            raise self._refuse("writes into some rows, or with a step")
        length = ref.shape[dim]
        parts = [(0, sliced(ref, dim, 0, first)), (first, part), (last, sliced(ref, dim, last, length - last))]
        kept = [(at, piece) for at, piece in parts if piece.shape[dim]]
        return self._pieces(ref.shape, dim, kept, ref.bdim if ref.bdim is not None else part.bdim, part.post)

    def _aten_select_scatter(self, ref: Ref, part: Ref, dim: int, index: int) -> Ref:
        dim %= len(ref.shape)
        index %= ref.shape[dim]
        return self._aten_slice_scatter(ref, inserted(part, dim), dim, index, index + 1)

    # Reductions

    def _aten_sum(self, ref: Ref, dims: Any = None, keepdim: bool = False, **_: Any) -> Ref:
        return self._reduction("sum", ref, dims, keepdim)

    def _aten_mean(self, ref: Ref, dims: Any = None, keepdim: bool = False, **_: Any) -> Ref:
        chosen = self._dims(ref, dims)
        if ref.bdim in chosen:
            raise self._refuse("mixes rows: it takes a mean over the batch")
        return self._map("mul", self._reduction("sum", ref, dims, keepdim), 1 / math.prod(ref.shape[d] for d in chosen))

    def _moments(self, ref: Ref, dims: list[int], correction: float) -> tuple[Ref, Ref, Ref]:
        """Distance from the mean, mean, and mean square distance; `dims` stay as dimensions of 1."""
        if ref.bdim in dims:
            raise self._refuse("mixes rows: it takes a mean over the batch")
        count = math.prod(ref.shape[d] for d in dims)
        mean = self._map("mul", self._reduced("sum", ref, dims), 1 / count)
        distance = self._map("sub", ref, mean)
        total = self._reduced("sum", self._map("mul", distance, distance), dims)
        return (
            distance,
            mean,
            self._map("mul", total, 1 / max(0, count - correction) if count > correction else math.inf),
        )

    def _aten_var(self, ref: Ref, dims: Any = None, *, correction: float | None = 1, keepdim: bool = False) -> Ref:
        chosen = self._dims(ref, dims)
        made = self._moments(ref, chosen, 1 if correction is None else correction)[2]
        if not keepdim:
            for dim in reversed(chosen):
                made = dropped(made, dim)
        return made

    def _aten_var_mean(
        self, ref: Ref, dims: Any = None, *, correction: float | None = 1, keepdim: bool = False
    ) -> tuple[Ref, Ref]:
        return self._aten_var(ref, dims, correction=correction, keepdim=keepdim), self._aten_mean(ref, dims, keepdim)

    def _aten_native_layer_norm(self, ref: Ref, shape: Any, weight: Any, bias: Any, eps: float) -> tuple[Ref, ...]:
        dims = list(range(len(ref.shape) - len(shape), len(ref.shape)))
        distance, mean, variance = self._moments(ref, dims, 0)
        scale = self._map("rsqrt", self._map("add", variance, float(eps)))
        made = self._map("mul", distance, scale)
        made = made if weight is None else self._map("mul", made, weight)
        made = made if bias is None else self._map("add", made, bias)
        return made, mean, scale

    def _prims_broadcast_in_dim(self, ref: Ref, shape: Any, dims: list[int]) -> Ref:
        for place in range(len(shape)):
            if place not in dims:
                ref = inserted(ref, place)
        return self._aten_expand(ref, shape)

    def _prims_convert_element_type(self, ref: Ref, dtype: torch.dtype) -> Ref:
        return self._aten__to_copy(ref)

    def _aten_amax(self, ref: Ref, dims: Any = (), keepdim: bool = False) -> Ref:
        return self._reduction("max", ref, dims, keepdim)

    def _aten_amin(self, ref: Ref, dims: Any = (), keepdim: bool = False) -> Ref:
        return self._reduction("min", ref, dims, keepdim)

    def _dims(self, ref: Ref, dims: Any) -> list[int]:
        if dims is None or (isinstance(dims, (list, tuple)) and not dims):
            return list(range(len(ref.shape)))
        return sorted({d % len(ref.shape) for d in ([dims] if isinstance(dims, int) else dims)})

    def _reduction(self, name: str, ref: Ref, dims: Any, keepdim: bool) -> Ref:
        chosen = self._dims(ref, dims)
        over_rows = ref.bdim is not None and ref.bdim in chosen
        if over_rows and name != "sum":
            raise self._refuse(f"mixes rows: it takes the {name} over the batch")
        inner = [d for d in chosen if ref.shape[d] != 1]
        if over_rows:
            return self._over_rows(ref, chosen, inner, keepdim)
        made = self._reduced(name, ref, inner) if inner else ref
        if not keepdim:
            for dim in reversed(chosen):
                made = dropped(made, dim)
        return made

    def _reduced(self, name: str, ref: Ref, dims: list[int]) -> Ref:
        """Reduce `dims`, each of which stays as a dimension of 1."""
        ref = self._real(ref)
        kept = [d for d in range(len(ref.shape)) if d not in dims]
        view = permuted(ref, [*kept, *dims])
        outer, inner = view.shape[: len(kept)], view.shape[len(kept) :]
        folded = self._three(view, outer, inner)
        if folded is None:
            folded = self._three(self._copy(view), outer, inner)
            assert folded is not None
        shape = tuple(1 if d in dims else size for d, size in enumerate(ref.shape))
        return whole(self._node("reduce", shape, (folded,), name), ref.bdim, ref.post)

    def _three(self, view: Ref, outer: tuple[int, ...], inner: tuple[int, ...]) -> Ref | None:
        """`view` as [n1, n, n0], the middle one reduced; `None` where strides cannot say it."""
        sizes, (steps,) = merged(outer, view.strides[: len(outer)])
        count, (step,) = merged(inner, view.strides[len(outer) :])
        if len(sizes) > 2 or len(count) > 1:
            return None
        sizes, steps = [1] * (2 - len(sizes)) + sizes, [0] * (2 - len(steps)) + steps
        count, step = (count or [1]), (step or [1])
        # The last kept dimension runs innermost only where it is contiguous: whole lines are added then.
        if steps[1] == 1 and step[0] != 1:
            shape, strides = (sizes[0], count[0], sizes[1]), (steps[0], step[0], steps[1])
        elif sizes[0] == 1 or steps[0] == steps[1] * sizes[1]:
            shape, strides = (sizes[0] * sizes[1], count[0], 1), (steps[1], step[0], 0)
        else:
            shape, strides = (sizes[0], count[0], sizes[1]), (steps[0], step[0], steps[1])
        return Ref(view.node, shape, strides, view.offset)

    def _over_rows(self, ref: Ref, chosen: list[int], inner: list[int], keepdim: bool) -> Ref:
        assert self.at is not None
        product = self._product_summed(ref) if chosen == [0] and not keepdim else None
        if product is None:
            kept = tuple(size for d, size in enumerate(ref.shape) if d not in chosen)
            flat = self._subrows(self._real(ref), inner) if inner else self._unreduced(ref)
            (source, *_) = self.at.args
            if flat is None or (not inner and isinstance(source, fx.Node) and len(source.users) > 1):
                flat = self._flat(self._reduced("sum", ref, inner) if inner else ref)
            product = Node("bgrad", (math.prod(kept),), (flat,), info={"groups": 1}, line=line(self.at))
        self.sums[self.at] = product
        shape = self._size()
        return Ref(product, shape, packed(shape))

    def _subrows(self, ref: Ref, inner: list[int]) -> Ref | None:
        """`[sub-rows, N]`, so that `inner` is summed where the rows are; `None` where no layout says it."""
        rows_alone = [] if ref.bdim is None or ref.bdim in inner else [ref.bdim]
        if any(ref.shape[d] != 1 for d in rows_alone):
            return None
        kept = [d for d in range(len(ref.shape)) if d not in (*inner, *rows_alone)]
        order = [*rows_alone, *inner, *kept]
        rows, width = (math.prod(ref.shape[d] for d in dims) for dims in (inner, kept))
        view, node = permuted(ref, order), ref.node
        if view.strides != packed(view.shape, view.strides):
            if node.op != "map" or not ref.dense or ref.shape != node.shape:
                return None
            operands = tuple(permuted(a, order) if isinstance(a, Ref) else a for a in node.args)
            view = whole(self._node("map", view.shape, operands, node.name))
        return Ref(view.node, (rows, width), (width, 1), view.offset)

    def _unreduced(self, ref: Ref) -> Ref | None:
        """`[sub-rows, N]` of what `ref` has summed already within the row, so that it is summed but once."""
        node = ref.node
        if node.op != "reduce" or node.name != "sum" or not ref.dense:
            return None
        (view,) = node.refs()
        source = view.node
        if source.op != "map" or not view.dense:
            return None
        operands: list[Operand] = []
        for a in source.args:
            strides = reshaped(a, view.shape) if isinstance(a, Ref) else ()
            if strides is None:
                return None
            operands.append(
                permuted(replace(a, shape=view.shape, strides=strides, bdim=None), (1, 0, 2))
                if isinstance(a, Ref)
                else a
            )
        outer, size, inner = view.shape
        made = self._node("map", (size, outer, inner), tuple(operands), source.name)
        return Ref(made, (size, outer * inner), (outer * inner, 1))

    def _product_summed(self, ref: Ref) -> Node | None:
        """The sum over rows of a product of two matrices of a row is one product over all rows."""
        node = ref.node
        if node.op != "matmul" or not ref.dense or node.shape[0] != 1:
            return None
        left, right = node.refs()
        d, x = permuted(left, (0, 2, 1)), right
        return Node("wgrad", (1, *node.shape[1:]), (d, x), line=node.line)

    def _flat(self, ref: Ref) -> Ref:
        """As `[1, width]`, one number after another."""
        ref = self._real(ref)
        strides = reshaped(ref, (1, ref.width))
        if strides is None or (strides[1] != 1 and ref.width != 1):
            ref = self._copy(ref)
            strides = reshaped(ref, (1, ref.width))
            assert strides is not None
        return Ref(ref.node, (1, ref.width), strides, ref.offset)

    def _aten_cumsum(self, ref: Ref, dim: int, **_: Any) -> Ref:
        """Sums of 1, 2, 4, … neighbours, until all before are in."""
        dim %= len(ref.shape)
        if dim == ref.bdim:
            raise self._refuse("mixes rows: it sums over the batch")
        size, reach = ref.shape[dim], 1
        while reach < size:
            shifted = self._pieces(ref.shape, dim, [(reach, sliced(ref, dim, 0, size - reach))], ref.bdim, ref.post)
            ref = self._map("add", ref, shifted)
            reach *= 2
        return ref

    def _aten_max(self, ref: Ref, dim: int, keepdim: bool = False) -> tuple[Ref, None]:
        if self.at is not None and any(user.args[1] == 1 for user in self.at.users):
            raise self._refuse("uses the index of a maximum; take torch.amax, whose derivative needs none")
        return self._reduction("max", ref, [dim], keepdim), None

    # Products

    def _aten_mm(self, a: Ref, b: Ref) -> Ref:
        made = self._product(inserted(a, 0), inserted(b, 0))
        return dropped(made, 0)

    def _aten_addmm(self, bias: Ref, a: Ref, b: Ref, *, beta: float = 1, alpha: float = 1) -> Ref:
        made = self._aten_mm(a, b)
        made = made if alpha == 1 else self._map("mul", made, float(alpha))
        return self._map("add", made, bias if beta == 1 else self._map("mul", bias, float(beta)))

    def _aten_baddbmm(self, bias: Ref, a: Ref, b: Ref, *, beta: float = 1, alpha: float = 1) -> Ref:
        made = self._aten_bmm(a, b)
        made = made if alpha == 1 else self._map("mul", made, float(alpha))
        return self._map("add", made, bias if beta == 1 else self._map("mul", bias, float(beta)))

    def _aten_bmm(self, a: Ref, b: Ref) -> Ref:
        return self._product(a, b)

    def _product(self, a: Ref, b: Ref) -> Ref:
        """`[batch, M, K] @ [batch, K, N]`; where the rows of the network are decides what kind of product it is."""
        a, b = self._real(a), self._real(b)
        places = a.bdim, b.bdim
        for weight, ref in ((0, a), (1, b)):
            # A weight that was stretched over the rows is a weight still.
            if ref.node.op == "weight" and ref.bdim == 0 and ref.shape[0] == 1:
                places = (None, places[1]) if weight == 0 else (places[0], None)
        if places == (0, None):
            return self._with_weight(permuted(a, (0, 1, 2)), b)
        if places == (1, None):
            return self._with_weight(a, b)
        if places in ((None, 0), (None, 2)):
            flipped = self._product(permuted(b, (0, 2, 1)), permuted(a, (0, 2, 1)))
            return permuted(flipped, (0, 2, 1))
        if places == (2, 1):
            return self._summed_product(permuted(a, (0, 2, 1)), b)
        if places == (0, 0) and a.post == b.post:
            shape = (a.shape[0], a.shape[1], b.shape[2])
            bare = tuple(replace(ref, bdim=None, post=1) for ref in (a, b))
            return whole(self._node("matmul", shape, bare), 0, a.post)
        raise self._refuse("mixes rows: it multiplies the batch with itself")

    def _with_weight(self, a: Ref, w: Ref) -> Ref:
        """`[groups, sub-rows, K]` of the rows times `[groups, K, N]` of a weight; a batch of rows in dimension 0 has
        one weight for all of it."""
        if w.node.op != "weight":
            raise self._refuse("multiplies by a matrix that the backward pass makes of parameters")
        bdim, post = a.bdim, a.post
        if bdim == 0 and a.shape[0] != 1:
            raise self._refuse("multiplies parts of a row with a weight in a way that the compiler does not know")
        shape = (a.shape[0], a.shape[1], w.shape[2])
        bare = self._lined(a), replace(w, bdim=None, post=1)
        return whole(self._node("gemm", shape, bare), bdim, post)

    def _summed_product(self, d: Ref, x: Ref) -> Ref:
        """`Σ_rows d^T x`: `[groups, sub-rows, M]`, `[groups, sub-rows, N]`."""
        assert self.at is not None
        if d.post != x.post:
            raise self._refuse("mixes rows: it multiplies the batch with itself")
        node = Node("wgrad", (d.shape[0], d.shape[2], x.shape[2]), (self._lined(d), self._lined(x)), line=line(self.at))
        self.sums[self.at] = node
        return whole(node)

    def _lined(self, ref: Ref) -> Ref:
        """With its last dimension contiguous, and the one before it walked forwards."""
        if (ref.strides[2] != 1 and ref.shape[2] != 1) or (ref.strides[1] < 0 and ref.shape[1] != 1):
            ref = self._copy(ref)
        return replace(ref, bdim=None, post=1)


def tail_module(joint: Joint, rows: RowGraph) -> fx.GraphModule:
    """What turns the sums over rows into the gradients of the weights: `(*sums, *weights) -> gradients`."""
    new = fx.Graph()
    made: dict[fx.Node, fx.Node] = {}
    for index, node in enumerate(rows.sums):
        made[node] = new.placeholder(f"sum_{index}")
    holders = [node for node in joint.graph.graph.nodes if node.op == "placeholder"][: joint.weights]
    for index, node in enumerate(holders):
        made[node] = new.placeholder(f"weight_{index}")

    def copy(node: fx.Node) -> fx.Node:
        inner = node.args[0] if node.target is torch.ops.aten.t.default else None
        if isinstance(inner, fx.Node) and inner.target is torch.ops.aten.t.default:
            return copy(inner.all_input_nodes[0])  # turned, and turned back
        if node not in made:
            for argument in node.all_input_nodes:
                copy(argument)
            made[node] = new.node_copy(node, copy)
        return made[node]

    by_sum = {id(node): traced for traced, node in rows.sums.items()}
    ends: list[fx.Node | None] = []
    for index, value in rows.gradients:
        if index >= joint.weights:
            continue
        if value is None:
            ends.append(None)
        elif isinstance(value, Tail):
            ends.append(copy(value.node))
        elif id(value.node) in by_sum:
            ends.append(made[by_sum[id(value.node)]])
        else:
            raise CannotLower("the gradient of a parameter does not depend on any row")
    new.output(ends)
    return fx.GraphModule(torch.nn.Module(), new)


def floating(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()
