"""Whether two traces are the same step."""

from __future__ import annotations

from typing import Any

from torch import fx

from unspool.graph.made_up import BATCHES, LENGTHS, as_length, is_multiple


def alike(first: fx.GraphModule, second: fx.GraphModule, lengths: int) -> bool:
    """Whether traces at the first and second of `BATCHES` and of so many `LENGTHS` agree."""
    one, other = (_spelled(graph, BATCHES[i], LENGTHS[i][:lengths]) for i, graph in enumerate((first, second)))
    return one == other


def _spelled(graph: fx.GraphModule, batch: int, lengths: tuple[int, ...]) -> list[Any]:
    place = {node: index for index, node in enumerate(graph.graph.nodes)}

    def word(value: Any) -> Any:
        if isinstance(value, fx.Node):
            return "%", place[value]
        if is_multiple(value, batch):
            return "B", word(value // batch)
        if isinstance(value, (list, tuple)):
            return tuple(map(word, value))
        length = as_length(value, lengths)
        return value if length is None else ("L", *length)

    return [
        (
            node.op,
            str(node.target) if node.op == "call_function" else "",
            word(node.args),
            word(tuple(node.kwargs.items())),
        )
        for node in graph.graph.nodes
    ]


def counts_length(graph: fx.GraphModule, lengths: tuple[int, ...]) -> bool:
    """Whether a number in a trace counts one of `lengths`."""

    def counts(value: Any) -> bool:
        if isinstance(value, (list, tuple)):
            return any(map(counts, value))
        return as_length(value, lengths) is not None

    return any(counts((node.args, tuple(node.kwargs.values()))) for node in graph.graph.nodes)
