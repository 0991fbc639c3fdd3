"""Rewrites of the row graph that let more of a step leave the loop, or run in fewer passes over memory."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from unspool.graph.ir import Node, Operand, Ref, packed, permuted, sliced, whole
from unspool.graph.rows import RowGraph


def roots(graph: RowGraph) -> list[Node]:
    """The nodes that a row graph is for."""
    ends = [ref.node for ref in graph.outputs]
    ends += [value.node for _, value in graph.gradients if isinstance(value, Ref)]
    return [*ends, *graph.sums.values()]


def ordered(ends: Iterable[Node]) -> list[Node]:
    """`ends` and all that they need, each after what it needs."""
    done: dict[int, Node] = {}
    result: list[Node] = []
    stack: list[tuple[Node, bool]] = [(node, False) for node in reversed(list(ends))]
    while stack:
        node, ready = stack.pop()
        if id(node) in done:
            continue
        if ready:
            done[id(node)] = node
            result.append(node)
            continue
        stack.append((node, True))
        stack += [(ref.node, False) for ref in reversed(node.refs()) if id(ref.node) not in done]
    return result


def uses(nodes: Iterable[Node]) -> dict[Node, list[tuple[Node, Ref]]]:
    """For each node, who looks at it, and through which reference."""
    found: dict[Node, list[tuple[Node, Ref]]] = {}
    for node in nodes:
        for ref in node.refs():
            found.setdefault(ref.node, []).append((node, ref))
    return found


Rule = Callable[[Node, dict[Node, list[tuple[Node, Ref]]]], "Ref | None"]
"""Gives what stands for a node from now on, of the same shape, dense; or `None`."""


def rewritten(graph: RowGraph, carried: list[int]) -> RowGraph:
    """Apply all rewrites, first those that open the way for others; `carried` are the inputs that are states."""
    for rule in (_joined_pads, _product_of_pieces, _biased, _thin, _thin_sum):
        graph = _apply(graph, rule)
    graph = _sliced_maps(_split_products(graph, carried))
    return _apply(graph, _multiply_add)


def _apply(graph: RowGraph, rule: Rule) -> RowGraph:
    nodes = ordered(roots(graph))
    users = uses(nodes)
    for root in roots(graph):
        users.setdefault(root, []).append((root, whole(root)))
    new: dict[Node, Node] = {}

    def moved(operand: Operand) -> Operand:
        return replace(operand, node=new.get(operand.node, operand.node)) if isinstance(operand, Ref) else operand

    for node in nodes:
        args = tuple(moved(a) for a in node.args)
        if any(a is not b for a, b in zip(args, node.args, strict=True)):
            node.args = args
        made = rule(node, users)
        if made is not None:
            new[node] = made.node
    return RowGraph(
        [replace(ref, node=new.get(ref.node, ref.node)) for ref in graph.outputs],
        [(i, replace(v, node=new.get(v.node, v.node)) if isinstance(v, Ref) else v) for i, v in graph.gradients],
        {traced: new.get(node, node) for traced, node in graph.sums.items()},
    )


def _joined_pads(node: Node, users: dict[Node, list[tuple[Node, Ref]]]) -> Ref | None:
    """The sum of two rows that are zero where the other is not is one row, put together."""
    if not (node.op == "map" and node.name == "add" and all(isinstance(a, Ref) for a in node.args)):
        return None
    one, other = node.refs()
    if not (one.node.op == other.node.op == "pieces" and one.dense and other.dense):
        return None
    dim = one.node.info["dim"]
    if other.node.info["dim"] != dim or one.node.shape != other.node.shape:
        return None
    halves = [zip(ref.node.info["starts"], ref.node.refs(), strict=True) for ref in (one, other)]
    parts = sorted(itertools.chain(*halves), key=lambda part: part[0])
    ends = [start + ref.shape[dim] for start, ref in parts]
    if any(end > start for end, (start, _) in zip(ends, parts[1:], strict=False)):
        return None
    starts, refs = tuple(start for start, _ in parts), tuple(ref for _, ref in parts)
    return whole(Node("pieces", one.node.shape, refs, "", {"dim": dim, "starts": starts}, node.line))


def _product_of_pieces(node: Node, users: dict[Node, list[tuple[Node, Ref]]]) -> Ref | None:
    """`[a ; b] W = a W_a + b W_b` where only one of a and b depends on what the loop carries: the other leaves it."""
    if node.op != "gemm":
        return None
    a, w = node.refs()[:2]
    pieces = a.node
    last = len(pieces.shape) - 1
    if pieces.op != "pieces" or pieces.info["dim"] != last or not a.dense or pieces.width != pieces.shape[last]:
        return None
    runs = _runs_of_pieces(pieces)
    if len(runs) == 1:
        return None
    total: Ref | None = None
    for start, parts in runs:
        left = _joined(parts, last)
        right = sliced(w, 1, start, left.shape[2])
        product = whole(Node("gemm", node.shape, (left, right), line=node.line))
        total = product if total is None else whole(Node("map", node.shape, (total, product), "add", line=node.line))
    return total


def _runs_of_pieces(pieces: Node) -> list[tuple[int, list[Ref]]]:
    """Neighbouring pieces that all depend on what the loop carries, or all do not."""
    runs: list[tuple[int, list[Ref]]] = []
    kind, end = None, 0
    backward = bool(inputs_of(pieces) & {"dy", "dstate"})
    for start, part in zip(pieces.info["starts"], pieces.refs(), strict=True):
        carried = ("dstate" if backward else "state") in inputs_of(part.node)
        if runs and carried == kind and start == end:
            runs[-1][1].append(part)
        else:
            runs.append((start, [part]))
        kind, end = carried, start + part.shape[-1]
    return runs


def inputs_of(node: Node) -> frozenset[str]:
    """The kinds of inputs that `node` depends on."""
    if node.op == "input":
        return frozenset({node.name})
    if "inputs" not in node.info:
        node.info["inputs"] = frozenset().union(*(inputs_of(ref.node) for ref in node.refs()))
    return node.info["inputs"]


def _joined(parts: list[Ref], dim: int) -> Ref:
    """`parts`, side by side along their last dimension, as `[1, 1, width]`."""
    if len(parts) == 1 and parts[0].strides[-1] == 1:
        (part,) = parts
        return Ref(part.node, (1, 1, part.shape[-1]), (0, 0, 1), part.offset)
    starts = tuple(sum(part.shape[-1] for part in parts[:place]) for place in range(len(parts)))
    width = sum(part.shape[-1] for part in parts)
    node = Node("pieces", (*parts[0].shape[:-1], width), tuple(parts), "", {"dim": dim, "starts": starts})
    return Ref(node, (1, 1, width), (0, 0, 1))


def _sliced_maps(graph: RowGraph) -> RowGraph:
    """Elementwise work of which only parts are looked at is done in parts, so that each stays in registers."""
    nodes = ordered(roots(graph))
    looked: dict[Node, list[Ref]] = {}
    for node in nodes:
        for ref in node.refs():
            looked.setdefault(ref.node, []).append(ref)
    for ref in (*graph.outputs, *(v for _, v in graph.gradients if isinstance(v, Ref))):
        looked.setdefault(ref.node, []).append(ref)
    new: dict[Ref, Ref] = {}

    def moved(operand: Any) -> Any:
        return new.get(operand, operand) if isinstance(operand, Ref) else operand

    for node in reversed(nodes):
        node.args = tuple(moved(a) for a in node.args)
        looks = dict.fromkeys(looked.get(node, ()))
        starts = {ref: _start(ref) for ref in looks}
        ranges = sorted((ref.offset, ref.offset + ref.width) for ref in looks)
        apart = all(one[1] <= other[0] for one, other in itertools.pairwise(ranges))
        if node.op != "map" or len(looks) < 2 or not apart or any(start is None for start in starts.values()):
            continue
        for ref in looks:
            args = tuple(_part(a, ref.shape, starts[ref] or ()) if isinstance(a, Ref) else a for a in node.args)
            made = whole(Node("map", ref.shape, args, node.name, line=node.line))
            new[ref] = replace(made, bdim=ref.bdim, post=ref.post)
            for argument in made.node.refs():
                looked.setdefault(argument.node, []).append(argument)
        for argument in node.refs():
            looked[argument.node].remove(argument)
    for node in ordered([*roots(graph), *(ref.node for ref in new.values())]):
        node.args = tuple(moved(a) for a in node.args)
    return RowGraph(
        [moved(ref) for ref in graph.outputs],
        [(i, moved(v) if isinstance(v, Ref) else v) for i, v in graph.gradients],
        graph.sums,
    )


def _start(ref: Ref) -> tuple[int, ...] | None:
    """The index of the first number, where `ref` is a run of its node's leading or only counted dimension."""
    node = ref.node
    counted = [place for place, size in enumerate(node.shape) if size != 1]
    if len(ref.shape) != len(node.shape) or len(counted) != 1:
        return None
    (place,) = counted
    if ref.strides[place] != 1 or any(size != 1 for d, size in enumerate(ref.shape) if d != place):
        return None
    return tuple(ref.offset if d == place else 0 for d in range(len(ref.shape)))


def _part(ref: Ref, shape: tuple[int, ...], start: tuple[int, ...]) -> Ref:
    offset = ref.offset + sum(s * stride for s, stride in zip(start, ref.strides, strict=True))
    return replace(ref, shape=shape, offset=offset)


def _biased(node: Node, users: dict[Node, list[tuple[Node, Ref]]]) -> Ref | None:
    """A product that only ever goes into a sum with a weight begins with that weight."""
    if not (node.op == "map" and node.name == "add" and all(isinstance(a, Ref) for a in node.args)):
        return None
    for product, bias in (node.refs(), node.refs()[::-1]):
        source = product.node
        lone = product.dense and len(users.get(source, ())) <= 1
        if source.op == "gemm" and len(source.args) == 2 and lone and not _is_thin(source):
            size = source.shape[2]
            flat = bias.node.op == "weight" and bias.shape[-1] == size and bias.strides[-1] == 1
            if flat and source.shape[0] == 1 and all(stride == 0 for stride in _others(bias)):
                start = Ref(bias.node, (size,), (1,), bias.offset)
                made = Node("gemm", source.shape, (*source.args, start), line=source.line)
                return _as(made, node.shape)
    return None


def _is_thin(product: Node) -> bool:
    """Whether a product has one column, or sums one number: the engine's tiles would be empty for the most part."""
    return product.shape[2] == 1 or product.refs()[0].shape[2] == 1


def _thin(node: Node, users: dict[Node, list[tuple[Node, Ref]]]) -> Ref | None:
    """A product with a vector is elementwise, or an inner product for each row."""
    if node.op != "gemm" or len(node.args) != 2 or not _is_thin(node):
        return None
    a, w = node.refs()
    if a.shape[2] == 1:
        left = Ref(a.node, node.shape, (*a.strides[:2], 0), a.offset)
        right = Ref(w.node, node.shape, (w.strides[0], 0, w.strides[2]), w.offset)
        return whole(Node("map", node.shape, (left, right), "mul", line=node.line))
    column = replace(w, strides=(*w.strides[:2], 0))
    return whole(Node("matmul", node.shape, (a, column), line=node.line))


def _thin_sum(node: Node, users: dict[Node, list[tuple[Node, Ref]]]) -> Ref | None:
    """A sum over rows and sub-rows of products with one number: over its sub-rows each row sums for itself.

    What is multiplied, one matrix for each row, then need not outlive the step.
    """
    if node.op != "wgrad" or node.shape[0] != 1 or 1 not in node.shape[1:]:
        return None
    d, x = node.refs()
    if d.shape[1] == 1:
        return None
    one, many = (d, x) if node.shape[1] == 1 else (x, d)
    width = many.shape[2]
    product = Node("matmul", (1, 1, width), (permuted(one, (0, 2, 1)), many), line=node.line)
    return whole(Node("bgrad", (width,), (_as(product, (1, width)),), info={"groups": 1}, line=node.line))


def _others(ref: Ref) -> list[int]:
    return [stride for stride, size in zip(ref.strides[:-1], ref.shape[:-1], strict=True) if size != 1]


def _as(node: Node, shape: tuple[int, ...]) -> Ref:
    """`node`, which holds the same numbers in the same order as one of `shape`."""
    return Ref(node, shape, packed(shape))


def _multiply_add(node: Node, users: dict[Node, list[tuple[Node, Ref]]]) -> Ref | None:
    """A product that only goes into a sum is rounded once, with the sum."""
    if node.op != "map" or node.name not in ("add", "sub"):
        return None
    first, second = node.args
    for product, other in ((first, second), (second, first)):
        if not (isinstance(product, Ref) and product.node.op == "map" and product.node.name == "mul" and product.dense):
            continue
        if product.node.shape != node.shape or len(users.get(product.node, ())) != 1:
            continue
        if node.name == "sub" and product is first:
            continue  # a·b - c would need a negated c
        a, b = product.node.args
        if node.name == "sub":
            if isinstance(b, float):
                b = -b
            elif isinstance(a, float):
                a = -a
            else:
                continue
        return whole(Node("map", node.shape, (a, b, other), "fma", line=node.line))
    return None


def _split_products(graph: RowGraph, carried: list[int]) -> RowGraph:
    """A product of which some columns go to the next state's gradient, others not, becomes several products.

    The others can then leave the loop.
    """
    gradients = [value for index, value in graph.gradients if index in carried and isinstance(value, Ref)]
    feeding = {id(node) for node in ordered(ref.node for ref in gradients)}
    nodes = ordered(roots(graph))
    looked: dict[Node, list[tuple[Ref, bool]]] = {}
    for node in nodes:
        for ref in node.refs():
            looked.setdefault(ref.node, []).append((ref, id(node) in feeding))
    for _, value in graph.gradients:
        if isinstance(value, Ref):
            looked.setdefault(value.node, []).append((value, any(value is ref for ref in gradients)))
    for ref in graph.outputs:
        looked.setdefault(ref.node, []).append((ref, True))
    table: dict[Node, list[tuple[int, int, Node]]] = {}
    for node in nodes:
        runs = _runs(looked.get(node, [])) if node.op == "gemm" and node.shape[:2] == (1, 1) else None
        if runs and len(runs) > 1:
            table[node] = [(start, stop, _columns(node, start, stop)) for start, stop in runs]

    def moved(operand: Any) -> Any:
        if not isinstance(operand, Ref) or operand.node not in table:
            return operand
        start, _, part = next(row for row in table[operand.node] if row[0] <= operand.offset < row[1])
        return replace(operand, node=part, offset=operand.offset - start)

    for node in [*nodes, *(part for parts in table.values() for *_, part in parts)]:
        node.args = tuple(moved(a) for a in node.args)
    return RowGraph(
        [moved(ref) for ref in graph.outputs],
        [(i, moved(v) if isinstance(v, Ref) else v) for i, v in graph.gradients],
        graph.sums,
    )


def _runs(looks: list[tuple[Ref, bool]]) -> list[tuple[int, int]] | None:
    """The ranges of numbers looked at, neighbours of one kind joined; `None` where ranges overlap in part."""
    runs: dict[tuple[int, int], bool] = {}
    for ref, feeds in looks:
        if any(stride < 0 for stride in ref.strides):
            return None
        last = ref.offset + sum((size - 1) * stride for size, stride in zip(ref.shape, ref.strides, strict=True))
        runs[ref.offset, last + 1] = runs.get((ref.offset, last + 1), False) or feeds
    result: list[tuple[int, int]] = []
    kinds: list[bool] = []
    for (start, stop), feeds in sorted(runs.items()):
        if result and start < result[-1][1]:
            return None
        if result and feeds == kinds[-1]:
            result[-1] = (result[-1][0], stop)
        else:
            result.append((start, stop))
            kinds.append(feeds)
    return result


def _columns(node: Node, start: int, stop: int) -> Node:
    a, w, *bias = node.refs()
    parts = (a, sliced(w, 2, start, stop - start), *(sliced(b, 0, start, stop - start) for b in bias))
    return Node("gemm", (1, 1, stop - start), parts, line=node.line)
