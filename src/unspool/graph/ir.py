"""The graph of a step for one row: nodes, and references that look at a node's numbers through strides.

A `Node` holds, for each row, `shape` numbers, dense. A `Ref` looks at a node: `shape` and `strides` (in numbers, 0 for
broadcasting, negative for flipping) from `offset`. The batch dimension is not among them: a traced tensor of shape
`[…, pre·B·post, …]` is a `Ref` whose dimension `bdim` counts `pre·post`. Where `bdim` is `None` there are no rows: a
weight, the same for all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias


@dataclass(eq=False)
class Node:
    """One operation. `op` is one of `OPS`; `name` says which micro-operation, reduction or input it is."""

    op: str
    shape: tuple[int, ...]
    args: tuple[Operand, ...] = ()
    name: str = ""
    info: dict[str, Any] = field(default_factory=dict)
    line: str = ""

    @property
    def width(self) -> int:
        return math.prod(self.shape)

    def refs(self) -> list[Ref]:
        return [argument for argument in self.args if isinstance(argument, Ref)]

    def __repr__(self) -> str:
        return f"{self.op}:{self.name}{list(self.shape)}"

    def describe(self) -> str:
        """For people: what it computes, how large, from which line."""
        sizes = "×".join(str(size) for size in self.shape if size != 1) or "1"
        if self.op in ("gemm", "wgrad"):
            left, right = (ref.shape for ref in self.refs()[:2])
            sizes = f"{left[2]}→{right[2]}" if self.op == "gemm" else f"{left[2]}×{right[2]}"
        words = {"gemm": "linear", "wgrad": "weight gradient", "bgrad": "bias gradient", "pieces": "cat"}
        return f"{self.name or words.get(self.op, self.op)} {sizes}{self.line}"


OPS = {
    "input": "x, state, context, dy or dstate, of one row; info: which",
    "weight": "a tensor without rows; info: index",
    "number": "a constant; info: value",
    "map": "an elementwise micro-operation on broadcast operands",
    "reduce": "sum, max or min over the middle one of three dimensions",
    "gemm": "[groups, sub-rows, K] times a weight [groups, K, N], plus a bias",
    "matmul": "[batch, M, K] times [batch, K, N], both of the row",
    "pieces": "several references side by side along a dimension, zeros between",
    "copy": "a reference made dense",
    "wgrad": "without rows: the sum over rows of d^T x, [groups, M, N]",
    "bgrad": "without rows: the sum over rows, [N]",
}


@dataclass(frozen=True)
class Ref:
    """A view of a node's numbers."""

    node: Node
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    bdim: int | None = None
    post: int = 1

    @property
    def width(self) -> int:
        return math.prod(self.shape)

    @property
    def dense(self) -> bool:
        """Whether it is the whole node, in order."""
        return self.offset == 0 and self.width == self.node.width and self.strides == packed(self.shape, self.strides)


Operand: TypeAlias = Ref | float


def packed(shape: Sequence[int], like: Sequence[int] | None = None) -> tuple[int, ...]:
    """Row-major strides of `shape`; where a dimension is 1 the stride does not matter: that of `like` stands."""
    strides, step = [], 1
    for place in range(len(shape) - 1, -1, -1):
        strides.append(like[place] if like is not None and shape[place] == 1 else step)
        step *= shape[place]
    return tuple(reversed(strides))


def whole(node: Node, bdim: int | None = None, post: int = 1) -> Ref:
    """The node itself."""
    return Ref(node, node.shape, packed(node.shape), 0, bdim, post)


def permuted(ref: Ref, order: Sequence[int]) -> Ref:
    return replace(
        ref,
        shape=tuple(ref.shape[d] for d in order),
        strides=tuple(ref.strides[d] for d in order),
        bdim=None if ref.bdim is None else list(order).index(ref.bdim),
    )


def sliced(ref: Ref, dim: int, start: int, length: int, step: int = 1) -> Ref:
    shape, strides = list(ref.shape), list(ref.strides)
    shape[dim] = length
    strides[dim] *= step
    return replace(ref, shape=tuple(shape), strides=tuple(strides), offset=ref.offset + start * ref.strides[dim])


def dropped(ref: Ref, dim: int) -> Ref:
    """Without dimension `dim`, of which only index 0 is looked at."""
    bdim = ref.bdim if ref.bdim is None or ref.bdim < dim else ref.bdim - 1
    return replace(
        ref, shape=ref.shape[:dim] + ref.shape[dim + 1 :], strides=ref.strides[:dim] + ref.strides[dim + 1 :], bdim=bdim
    )


def inserted(ref: Ref, dim: int) -> Ref:
    """With a dimension of size 1 at `dim`."""
    bdim = ref.bdim if ref.bdim is None or ref.bdim < dim else ref.bdim + 1
    return replace(
        ref,
        shape=(*ref.shape[:dim], 1, *ref.shape[dim:]),
        strides=(*ref.strides[:dim], 0, *ref.strides[dim:]),
        bdim=bdim,
    )


def broadcast(ref: Ref, shape: Sequence[int]) -> Ref:
    """Stretched to `shape`; new dimensions come first."""
    new = len(shape) - len(ref.shape)
    strides = [0] * new
    for have, want, stride in zip(ref.shape, shape[new:], ref.strides, strict=True):
        strides.append(stride if have == want else 0)
    bdim = None if ref.bdim is None else ref.bdim + new
    return replace(ref, shape=tuple(shape), strides=tuple(strides), bdim=bdim)


def merged(shape: Sequence[int], *strides: Sequence[int]) -> tuple[list[int], list[list[int]]]:
    """Join neighbouring dimensions of `shape` that every one of `strides` walks as one; dimensions of 1 vanish.

    >>> merged((2, 3, 4), (12, 4, 1), (24, 8, 2))
    ([24], [[1], [2]])
    """
    sizes: list[int] = []
    steps: list[list[int]] = [[] for _ in strides]
    for place, size in enumerate(shape):
        if size == 1:
            continue
        if sizes and all(walk[-1] == own[place] * size for walk, own in zip(steps, strides, strict=True)):
            sizes[-1] *= size
            for walk, own in zip(steps, strides, strict=True):
                walk[-1] = own[place]
        else:
            sizes.append(size)
            for walk, own in zip(steps, strides, strict=True):
                walk.append(own[place])
    return sizes, steps


def reshaped(ref: Ref, shape: Sequence[int]) -> tuple[int, ...] | None:
    """Strides that see `ref`'s numbers, in order, as `shape`; `None` if no strides do."""
    if math.prod(shape) == 0:
        return packed(shape)
    sizes, (steps,) = merged(ref.shape, ref.strides)
    strides: list[int] = [0] * len(shape)
    place = len(sizes) - 1
    left, step = (sizes[place], steps[place]) if sizes else (1, 1)
    for dim in range(len(shape) - 1, -1, -1):
        if shape[dim] == 1:
            continue
        while left == 1 and place > 0:
            place -= 1
            left, step = sizes[place], steps[place]
        if left % shape[dim]:
            return None
        strides[dim] = step
        step *= shape[dim]
        left //= shape[dim]
    return tuple(strides)
