"""ATen operations on batches, made operations on one row: each rule knows where the batch dimension is."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx

from unspool.graph.constants import Constants
from unspool.graph.ir import Node, Ref, whole
from unspool.graph.maps import MAPS
from unspool.graph.pieces import Pieces
from unspool.graph.products import Products
from unspool.graph.reductions import Reductions
from unspool.graph.refuse import CannotLower
from unspool.graph.rows import RowGraph, Tail
from unspool.graph.split import is_view
from unspool.graph.trace import Joint, in_place
from unspool.graph.views import Views

_aten = torch.ops.aten


def convert(joint: Joint, name: str, lengths: Sequence[int] = ()) -> RowGraph:
    """Convert the joint graph of a step called `name`, for the given lengths of its contexts.

    Raises:
        CannotLower: an operation that no rule covers, or one that mixes rows.
    """
    return _Converter(joint, name, lengths).run()


class _Converter(Constants, Views, Pieces, Reductions, Products):
    """Goes through a traced graph, and finds the rule for each of its nodes by its name."""

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
