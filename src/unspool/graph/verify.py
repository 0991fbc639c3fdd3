"""What must hold after each pass of the compiler; a pass that breaks it is stopped here, not by wrong numbers."""

from __future__ import annotations

from collections.abc import Iterable

from unspool.graph.ir import OPS, Node, Ref
from unspool.graph.plan import PHASES, PassPlan, Plan
from unspool.graph.refuse import CannotLower
from unspool.graph.rewrite import ordered


def verify_graph(ends: Iterable[Node], after: str) -> None:
    """Every node is of a known kind, looks only at numbers that are there, and is shaped like what it looks at.

    Raises:
        CannotLower: the graph is broken; the message names the pass and the node.
    """
    for node in ordered(list(ends)):
        if node.op not in OPS:
            raise _broken(after, node, f"there is no operation {node.op!r}")
        for ref in node.refs():
            low, high = _reach(ref)
            if ref.width and not 0 <= low <= high < max(1, ref.node.width):
                raise _broken(
                    after, node, f"it looks at {low} … {high} of the {ref.node.width} numbers of {ref.node!r}"
                )
        if node.op == "map" and any(ref.shape != node.shape for ref in node.refs()):
            raise _broken(after, node, f"its operands are {[ref.shape for ref in node.refs()]}")
        if node.op == "copy" and node.refs()[0].width != node.width:
            raise _broken(after, node, f"it copies {node.refs()[0].width} numbers into {node.width}")


def verify_plan(plan: Plan) -> None:
    """In each pass, what a phase reads is there by then, and every output, state and sum is made.

    Raises:
        CannotLower: the plan is broken; the message names the node.
    """
    for name, part in (("forward", plan.forward), ("forward_only", plan.forward_only), ("backward", plan.backward)):
        if part is not None:
            _verify_pass(name, part)
    kept = set() if plan.backward is None else {i for kind, i in plan.backward.kept.values() if kind == "saved"}
    stored = {i for slots in plan.forward.stores.values() for kind, i in slots if kind == "saved"}
    if not kept <= stored or len(plan.saved) < len(stored):
        raise CannotLower(
            f"the plan is broken: the backward pass reads {sorted(kept)}, the forward keeps {sorted(stored)}"
        )


def _verify_pass(name: str, plan: PassPlan) -> None:
    folded = [node for _, node, _ in plan.folds]
    ends = [*plan.carries.values(), *plan.stores, *plan.sums, *folded]
    rank = {phase: index for index, phase in enumerate(PHASES)}
    for node in _computed(ends, plan):
        late = node in plan.sums or node in folded
        if node not in plan.phase and not late:
            raise _broken(name, node, "it is needed and computed nowhere")
        for ref in node.refs():
            other = plan.phase.get(ref.node)
            if other is not None and not late and rank[other] > rank[plan.phase[node]]:
                raise _broken(name, node, f"it runs in {plan.phase[node]!r}, before {ref.node!r} in {other!r}")
    if plan.forward and not any(("y", 0) in slots for slots in plan.stores.values()):
        raise CannotLower(f"the plan is broken: the {name} pass writes no output")


def _computed(ends: Iterable[Node], plan: PassPlan) -> list[Node]:
    """What the pass computes of `ends` and of all that they need; what is kept from the forward pass is only read."""
    found: dict[Node, None] = {}
    waiting = list(ends)
    while waiting:
        node = waiting.pop()
        if node in found or node in plan.kept or node.op in ("input", "weight", "number"):
            continue
        found[node] = None
        waiting += [ref.node for ref in node.refs()]
    return list(found)


def _reach(ref: Ref) -> tuple[int, int]:
    """The first and the last number of its node that `ref` looks at."""
    low = high = ref.offset
    for size, stride in zip(ref.shape, ref.strides, strict=True):
        step = (size - 1) * stride
        low, high = low + min(0, step), high + max(0, step)
    return low, high


def _broken(where: str, node: Node, why: str) -> CannotLower:
    return CannotLower(f"the graph is broken after {where}, at {node!r}{node.line}: {why}; please report this step")
