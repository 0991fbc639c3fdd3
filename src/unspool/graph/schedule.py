"""The order of the work in a phase: elementwise nodes over the same numbers go together, in strips."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from unspool.graph.ir import Node, Ref


@dataclass
class Strip:
    """Elementwise nodes over one space, done number by number; what they hand to each other stays in registers."""

    space: tuple[int, ...]
    nodes: list[Node] = field(default_factory=list)


Item = Strip | Node


def space(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions that count."""
    return tuple(size for size in shape if size != 1)


def in_register(ref: Ref, user: Node) -> bool:
    """Whether `user` looks at each number of `ref.node` just where it computes its own."""
    return ref.dense and space(ref.shape) == space(ref.node.shape) == space(user.shape)


def scheduled(nodes: list[Node], here: set[Node]) -> list[Item]:
    """Order `nodes` (each after its arguments); those not in `here` are there from the start."""
    waiting = list(nodes)
    done: set[Node] = set()
    items: list[Item] = []

    def ready(node: Node) -> bool:
        return all(ref.node in done or ref.node not in here for ref in node.refs())

    while waiting:
        alone = [node for node in waiting if node.op not in ("map", "copy") and ready(node)]
        if alone:
            items += alone
            done.update(alone)
        else:
            strip = _widest(waiting, done, here, ready)
            items.append(strip)
            done.update(strip.nodes)
        waiting = [node for node in waiting if node not in done]
    return items


MOST = 48
"""Nodes of a strip: their registers must fit into the first-level cache."""


def _widest(waiting: list[Node], done: set[Node], here: set[Node], ready: Callable[[Node], bool]) -> Strip:
    """Of the strips that could be next, the one with the most nodes."""
    best: Strip | None = None
    shapes = dict.fromkeys(space(node.shape) for node in waiting if node.op in ("map", "copy") and ready(node))
    for shape in shapes:
        strip, inside = Strip(shape), set()
        for node in waiting:
            if len(strip.nodes) == MOST:
                break
            if node.op not in ("map", "copy") or space(node.shape) != shape:
                continue
            if all(
                r.node in done or r.node not in here or (r.node in inside and in_register(r, node)) for r in node.refs()
            ):
                strip.nodes.append(node)
                inside.add(node)
        if best is None or len(strip.nodes) > len(best.nodes):
            best = strip
    assert best is not None, "a graph without cycles always has a node that is ready"
    return best
