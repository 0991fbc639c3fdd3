"""A pass that breaks the graph or the plan is stopped, and the message names the node."""

from __future__ import annotations

import pytest

import unspool
from unspool.graph import compile as door
from unspool.graph.ir import Node, Ref, whole
from unspool.graph.plan import Plan, planned
from unspool.graph.refuse import CannotLower
from unspool.graph.verify import verify_graph, verify_plan

X = Node("input", (4,), (), "x")


def test_a_sound_graph_passes() -> None:
    verify_graph([Node("map", (4,), (whole(X), whole(X)), "add")], "here")


@pytest.mark.parametrize(
    "node",
    [
        Node("mapp", (4,), (whole(X),), "neg"),
        Node("map", (4,), (Ref(X, (4,), (1,), 1),), "neg"),
        Node("map", (4,), (Ref(X, (4,), (-1,), 2),), "neg"),
        Node("map", (3,), (whole(X),), "neg"),
        Node("copy", (3,), (whole(X),)),
    ],
    ids=["kind", "beyond the end", "before the beginning", "shape", "width"],
)
def test_a_broken_graph_is_named(node: Node) -> None:
    with pytest.raises(CannotLower, match="broken after here"):
        verify_graph([Node("map", node.shape, (whole(node),), "abs")], "here")


@pytest.fixture
def plan(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan of a GRU, as the compiler makes it."""
    kept: list[Plan] = []

    def keeping(*args: object) -> Plan:
        kept.append(planned(*args))  # pyright: ignore[reportArgumentType]
        return kept[-1]

    door.forget()
    monkeypatch.setattr(door, "planned", keeping)
    unspool.explain(unspool.cells.GRUCell(3, 4))
    verify_plan(kept[-1])
    return kept[-1]


def test_a_phase_that_comes_too_early(plan: Plan) -> None:
    node = next(n for n, phase in plan.forward.phase.items() if phase == "loop" and n.op == "gemm")
    plan.forward.phase[node] = "after"
    with pytest.raises(CannotLower, match=r"runs in .*, before"):
        verify_plan(plan)


def test_a_node_that_nothing_computes(plan: Plan) -> None:
    assert plan.backward is not None
    node = next(n for n, phase in plan.backward.phase.items() if phase == "loop" and n.op == "gemm")
    del plan.backward.phase[node]
    with pytest.raises(CannotLower, match="computed nowhere"):
        verify_plan(plan)


def test_a_value_that_is_read_but_not_kept(plan: Plan) -> None:
    for node, slots in list(plan.forward.stores.items()):
        plan.forward.stores[node] = [slot for slot in slots if slot[0] != "saved"]
    with pytest.raises(CannotLower, match="backward pass reads"):
        verify_plan(plan)


def test_an_output_that_is_not_written(plan: Plan) -> None:
    for node, slots in list(plan.forward.stores.items()):
        plan.forward.stores[node] = [slot for slot in slots if slot[0] != "y"]
    with pytest.raises(CannotLower, match="writes no output"):
        verify_plan(plan)
