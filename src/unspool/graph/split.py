"""A traced step, split: what depends on parameters alone is computed once, not at every step."""

from __future__ import annotations

import operator
from collections.abc import Sequence

import torch
from torch import Tensor, fx

from unspool.graph.made_up import is_multiple

_aten = torch.ops.aten

VIEWS = frozenset(
    {
        _aten.alias.default, _aten.detach.default, _aten.view.default, _aten._unsafe_view.default,
        _aten.permute.default, _aten.t.default, _aten.transpose.int, _aten.expand.default, _aten.squeeze.default,
        _aten.squeeze.dim, _aten.squeeze.dims, _aten.unsqueeze.default, _aten.slice.Tensor, _aten.select.int,
        _aten.split.Tensor, _aten.split_with_sizes.default, _aten.unbind.int,
    }
)  # fmt: skip
"""Operations that only look at their input in another way."""


def split_once(graph: fx.GraphModule, captured: int, batch: int) -> tuple[fx.GraphModule | None, fx.GraphModule, int]:
    """Split `graph` into what depends on captured tensors alone and what depends on rows.

    Views stay with the rows (a packed product reads them at no cost). Returns the first part (`None` if it computes
    nothing), the second, and the number of weights that the one hands to the other.
    """
    nodes = list(graph.graph.nodes)
    holders = [node for node in nodes if node.op == "placeholder"]
    of_rows: set[fx.Node] = set(holders[captured:])
    for node in nodes:
        if node.op != "call_function":
            continue
        if any(argument in of_rows for argument in node.all_input_nodes) or _has_batch(node, batch):
            of_rows.add(node)
    computed = {n for n in nodes if n.op in ("call_function", "get_attr") and n not in of_rows and not is_view(n)}
    frontier: list[fx.Node] = []
    for node in nodes:
        if node in of_rows or node.op == "output":
            for argument in node.all_input_nodes:
                source = _root(argument) if argument not in of_rows else None
                if source is not None and source not in frontier:
                    frontier.append(source)
    if not any(node in computed for node in frontier):
        return None, graph, captured
    return _extract(graph, holders[:captured], frontier), _rest(graph, frontier, holders[captured:]), len(frontier)


def _has_batch(node: fx.Node, batch: int) -> bool:
    value = node.meta.get("val")
    shapes = [v.shape for v in (value if isinstance(value, (tuple, list)) else [value]) if isinstance(v, Tensor)]
    return any(is_multiple(size, batch) for shape in shapes for size in shape)


def is_view(node: fx.Node) -> bool:
    """Whether a node only looks at its input; one of several results of a computation is a value of its own."""
    if node.target is operator.getitem:
        return node.all_input_nodes[0].target in VIEWS
    return node.target in VIEWS


def _root(node: fx.Node) -> fx.Node:
    """What a chain of views looks at."""
    while node.op == "call_function" and is_view(node):
        node = node.all_input_nodes[0]
    return node


def _copy_into(target: fx.Graph, nodes: Sequence[fx.Node], made: dict[fx.Node, fx.Node]) -> None:
    for node in nodes:
        if node not in made:
            made[node] = target.node_copy(node, lambda old: made[old])


def _needed(graph: fx.GraphModule, ends: Sequence[fx.Node], stop: Sequence[fx.Node]) -> list[fx.Node]:
    seen: set[fx.Node] = set()
    queue = list(ends)
    while queue:
        node = queue.pop()
        if node not in seen and node not in stop:
            seen.add(node)
            queue += node.all_input_nodes
    return [node for node in graph.graph.nodes if node in seen]


def _extract(graph: fx.GraphModule, inputs: Sequence[fx.Node], ends: list[fx.Node]) -> fx.GraphModule:
    new = fx.Graph()
    made = {node: new.placeholder(f"captured_{index}") for index, node in enumerate(inputs)}
    _copy_into(new, _needed(graph, ends, inputs), made)
    new.output([made[node] for node in ends])
    return fx.GraphModule(graph, new)


def _rest(graph: fx.GraphModule, frontier: list[fx.Node], inputs: Sequence[fx.Node]) -> fx.GraphModule:
    new = fx.Graph()
    made = {}
    for index, node in enumerate([*frontier, *inputs]):
        made[node] = new.placeholder(f"given_{index}")
        made[node].meta.update(node.meta)
    output = next(node for node in graph.graph.nodes if node.op == "output")
    ends = output.all_input_nodes
    _copy_into(new, _needed(graph, ends, list(made)), made)
    new.output(fx.map_arg(output.args[0], lambda old: made[old]))
    return fx.GraphModule(graph, new)
