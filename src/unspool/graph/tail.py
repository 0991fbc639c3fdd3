"""What PyTorch computes when the sums over rows are complete."""

from __future__ import annotations

import torch
from torch import fx

from unspool.graph.refuse import CannotLower
from unspool.graph.rows import RowGraph, Tail
from unspool.graph.trace import Joint

_VIEWS = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default, torch.ops.aten.reshape.default)


def seen_as(total: fx.Node) -> fx.Node:
    """What a sum is looked at as, where only in one shape: it is made in that shape."""
    (user, *others) = total.users or (total,)
    return user if user.target in _VIEWS and not others else total


def tail_module(joint: Joint, rows: RowGraph) -> fx.GraphModule:
    """What turns the sums over rows into the gradients of the weights: `(*sums, *weights) -> gradients`."""
    new = fx.Graph()
    made: dict[fx.Node, fx.Node] = {}
    for index, node in enumerate(rows.sums):
        made[node] = made[seen_as(node)] = new.placeholder(f"sum_{index}")
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
