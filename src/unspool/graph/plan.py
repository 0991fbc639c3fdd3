"""Where each operation of a step runs: before the loop, in it or after it; and what the backward pass keeps."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from unspool.graph.ir import Node, Ref, packed, whole
from unspool.graph.rewrite import ordered, roots
from unspool.graph.rows import RowGraph

PHASES = ("rows", "before", "loop", "after")
CHEAP = ("map", "copy", "pieces", "number")


@dataclass
class PassPlan:
    """One pass over time.

    `phase`: the phase of every node that is computed. `stores`: slots, `(kind, index)`, that a node is written to.
    `carries`: for each state the node that leaves a step. `kept`: nodes read from memory instead of being computed,
    and the slot that holds them. `sums`: nodes without rows. `folds`: products that sum, over the steps of a row, into
    a gradient of context: its index, the product, and the strides of the product's dimensions in it.
    """

    forward: bool
    phase: dict[Node, str] = field(default_factory=dict)
    stores: dict[Node, list[tuple[str, int]]] = field(default_factory=dict)
    carries: dict[int, Node] = field(default_factory=dict)
    kept: dict[Node, tuple[str, int]] = field(default_factory=dict)
    sums: list[Node] = field(default_factory=list)
    folds: list[tuple[int, Node, tuple[int, ...]]] = field(default_factory=list)
    states: dict[int, tuple[str, int]] = field(default_factory=dict)
    """In a backward pass: for each state looked at, the slot that holds the sequence of its new values."""

    def described(self) -> dict[str, tuple[str, ...]]:
        """What is computed in each phase, in order."""
        found: dict[str, list[str]] = {phase: [] for phase in PHASES}
        for node, phase in self.phase.items():
            found[phase].append(node.describe())
        found["after"] += [node.describe() for node in (*(product for _, product, _ in self.folds), *self.sums)]
        return {phase: tuple(lines) for phase, lines in found.items()}


@dataclass
class Plan:
    """Both passes of a step, and the widths of what the forward pass keeps for the backward pass."""

    forward: PassPlan
    forward_only: PassPlan
    backward: PassPlan | None
    saved: list[int]


def planned(graph: RowGraph, weights: int, states: int, contexts: int) -> Plan:
    """Plan the passes of `graph`, whose wanted inputs count weights, then x, states and contexts."""
    outputs = [_own(ref) for ref in graph.outputs]
    if not graph.gradients:
        forward = _forward(outputs, {})
        return Plan(forward, forward, None, [])
    return _Planner(graph, outputs, weights, states).run()


def _own(ref: Ref) -> Node:
    """A node of its own that holds what `ref` looks at."""
    node = ref.node
    if ref.dense and node.op not in ("input", "weight", "number"):
        return node
    return Node("copy", ref.shape, (replace(ref, bdim=None, post=1),), line=node.line)


def depends(nodes: Iterable[Node]) -> dict[Node, frozenset[str]]:
    """The kinds of inputs that each of `nodes` (in order) depends on."""
    found: dict[Node, frozenset[str]] = {}
    for node in nodes:
        if node.op == "input":
            found[node] = frozenset({node.name})
        else:
            found[node] = frozenset().union(*(found[ref.node] for ref in node.refs()))
    return found


def computed(nodes: Iterable[Node]) -> list[Node]:
    return [node for node in nodes if node.op not in ("input", "weight", "number")]


def _forward(outputs: list[Node], saved: dict[Node, int]) -> PassPlan:
    plan = PassPlan(True)
    own = _copied([*outputs, *saved])
    outputs, saved = [own[node] for node in outputs], {own[node]: index for node, index in saved.items()}
    ends = [*outputs, *saved]
    nodes = ordered(ends)
    inputs = depends(nodes)
    feeding = {id(node) for node in ordered(outputs[1:])}
    for node in computed(nodes):
        kinds = inputs[node]
        if kinds <= {"context"}:
            plan.phase[node] = "rows"
        elif "state" not in kinds:
            plan.phase[node] = "before"
        else:
            plan.phase[node] = "loop" if id(node) in feeding else "after"
    plan.stores.setdefault(outputs[0], []).append(("y", 0))
    plan.carries = dict(enumerate(outputs[1:]))
    for node, index in saved.items():
        plan.stores.setdefault(node, []).append(("saved", index))
    _keep_states_in_the_loop(plan, nodes)
    _sink(plan, nodes, set(outputs[1:]))
    _raise_maps(plan, nodes)
    _end_in_the_loop(plan)
    return plan


def _copied(ends: list[Node]) -> dict[Node, Node]:
    """The graph below `ends` once more: a plan may change it."""
    made: dict[Node, Node] = {}
    for node in ordered(ends):
        args = tuple(replace(a, node=made[a.node]) if isinstance(a, Ref) else a for a in node.args)
        made[node] = Node(node.op, node.shape, args, node.name, dict(node.info), node.line)
    return made


def _keep_states_in_the_loop(plan: PassPlan, nodes: list[Node]) -> None:
    """After the loop a state that came into a step is gone: what looks at it there looks at a copy."""
    name = "state" if plan.forward else "dstate"
    copies: dict[Node, Node] = {}
    for node in nodes:
        if plan.phase.get(node) != "after" and node.op not in ("wgrad", "bgrad"):
            continue
        for place, ref in enumerate(node.args):
            if isinstance(ref, Ref) and ref.node.op == "input" and ref.node.name == name:
                source = ref.node
                if source not in copies:
                    copies[source] = Node("copy", source.shape, (whole(source),))
                    plan.phase[copies[source]] = "loop"
                args = list(node.args)
                args[place] = replace(ref, node=copies[source])
                node.args = tuple(args)


def _end_in_the_loop(plan: PassPlan) -> None:
    """Only the loop hands a state on, and what is the same for all steps is no sequence: there a copy is made."""

    def copied(node: Node) -> Node:
        made = Node("copy", node.shape, (whole(node),), line=node.line)
        plan.phase[made] = "loop"
        return made

    plan.carries = {s: node if plan.phase.get(node) == "loop" else copied(node) for s, node in plan.carries.items()}
    for node in list(plan.stores):
        if plan.phase[node] == "rows":
            plan.stores[copied(node)] = plan.stores.pop(node)


def _sink(plan: PassPlan, nodes: list[Node], carried: set[Node]) -> None:
    """Elementwise work before the loop moves to where it is used, unless it makes the loop read more."""
    users: dict[Node, list[Node]] = {}
    for node in nodes:
        for ref in node.refs():
            users.setdefault(ref.node, []).append(node)
    for node in reversed(nodes):
        if plan.phase.get(node) != "before" or node.op not in ("map", "copy", "pieces"):
            continue
        where = {plan.phase[user] for user in users.get(node, []) if user in plan.phase}
        if (
            "before" in where
            or (not where and node not in carried)
            or any(user.op.endswith("grad") for user in users.get(node, []))
        ):
            continue
        read = {ref.node for ref in node.refs() if plan.phase.get(ref.node) == "before"}
        if sum(source.width for source in read) <= node.width:
            plan.phase[node] = "loop" if "loop" in where or node in carried else "after"


def _raise_maps(plan: PassPlan, nodes: list[Node]) -> None:
    """Work of each row after the loop that would read more than it writes is done in the loop, while all is at hand."""
    summed = {ref.node for total in plan.sums for ref in total.refs()}  # those are in memory in any case
    for node in nodes:
        if plan.phase.get(node) == "after" and node.op == "pieces":
            # What is made in the loop is put together there too, as it is written.
            if all(ref.node.op in ("map", "copy") and plan.phase.get(ref.node) == "loop" for ref in node.refs()):
                plan.phase[node] = "loop"
            continue
        if plan.phase.get(node) != "after" or node.op not in ("map", "copy", "matmul"):
            continue
        sources = {ref.node for ref in node.refs() if plan.phase.get(ref.node) == "loop"}
        if any(plan.phase.get(ref.node) == "after" for ref in node.refs()):
            continue
        fresh = [source for source in sources if source not in plan.stores and source not in summed]
        if sources and sum(source.width for source in fresh) >= node.width:
            plan.phase[node] = "loop"


class _Planner:
    def __init__(self, graph: RowGraph, outputs: list[Node], weights: int, states: int) -> None:
        self.graph, self.outputs, self.weights, self.states = graph, outputs, weights, states
        self.order = ordered([*outputs, *roots(graph)])
        self.inputs = depends(self.order)
        self.gradient = lambda node: bool(self.inputs[node] & {"dy", "dstate"})

    def run(self) -> Plan:
        used = self._looked_at()
        saved, sequences = self._choose(used)
        forward_saves = {**{node: index for index, node in enumerate(saved)}}
        widths = [node.width for node in saved]
        for state in sequences:
            node = self.outputs[1 + state]
            if node is not self.outputs[0] and node not in forward_saves:
                forward_saves[node] = len(widths)
                widths.append(node.width)
        backward = self._backward(forward_saves, sequences)
        return Plan(_forward(self.outputs, forward_saves), _forward(self.outputs, {}), backward, widths)

    def _looked_at(self) -> set[Node]:
        """Values of the forward pass that the backward pass looks at; of a part only that part, as a copy."""
        seen: dict[tuple[Node, tuple[int, ...], tuple[int, ...], int], Node] = {}
        used: set[Node] = set()
        for node in self.order:
            if not self.gradient(node):
                continue
            args = list(node.args)
            for place, ref in enumerate(args):
                if not isinstance(ref, Ref) or self.gradient(ref.node) or ref.node.op in ("weight", "number"):
                    continue
                source = ref.node
                distinct = [size if stride else 1 for size, stride in zip(ref.shape, ref.strides, strict=True)]
                part = Ref(source, tuple(distinct), ref.strides, ref.offset)
                if source.op == "gemm" and part.width < source.width:
                    key = source, part.shape, part.strides, part.offset
                    if key not in seen:
                        seen[key] = Node("copy", part.shape, (part,), line=source.line)
                        self.inputs[seen[key]] = self.inputs[source]
                    own = whole(seen[key])
                    strides = tuple(new if old else 0 for new, old in zip(own.strides, ref.strides, strict=True))
                    args[place] = replace(ref, node=seen[key], strides=strides, offset=0)
                    source = seen[key]
                used.add(source)
            node.args = tuple(args)
        self.order = ordered([*self.outputs, *seen.values(), *roots(self.graph)])
        return used

    def _choose(self, used: set[Node]) -> tuple[list[Node], list[int]]:
        """Which values to save, and which states' sequences; everything else is computed again."""
        after = {node: index for index, node in reversed(list(enumerate(self.outputs[1:])))}
        needed = set(used)
        saved: list[Node] = []
        sequences: set[int] = set()
        for node in self._inputs_named("state", needed):
            sequences.add(node.info["index"])
        for node in reversed(self.order):
            if node not in needed or node.op in ("input", "weight", "number") or self.inputs[node] <= {"context"}:
                continue
            if node is self.outputs[0]:
                continue
            if node in after and after[node] in sequences:
                continue
            fresh = self._behind(node, needed, sequences, after)
            if node.op in CHEAP and (not fresh or sum(source.width for source in fresh) < node.width):
                for ref in node.refs():
                    needed.add(ref.node)
                    if ref.node.op == "input" and ref.node.name == "state":
                        sequences.add(ref.node.info["index"])
            else:
                saved.append(node)
        return saved, sorted(sequences)

    def _inputs_named(self, name: str, nodes: Iterable[Node]) -> list[Node]:
        return [node for node in nodes if node.op == "input" and node.name == name]

    def _behind(self, node: Node, needed: set[Node], sequences: set[int], after: dict[Node, int]) -> set[Node]:
        """What must be kept to compute `node` again, together with elementwise work before it that is as wide."""
        found: set[Node] = set()
        for source in self._fresh(node, needed, sequences, after):
            wide = source.op in CHEAP and source.width >= node.width
            found |= self._fresh(source, needed, sequences, after) if wide else {source}
        return found

    def _fresh(self, node: Node, needed: set[Node], sequences: set[int], after: dict[Node, int]) -> set[Node]:
        """What `node` is computed from that is not kept anyway."""
        found: set[Node] = set()
        for ref in node.refs():
            source = ref.node
            if source.op in ("weight", "number") or source in needed or source is self.outputs[0]:
                continue
            if source.op == "input":
                state = source.name == "state" and source.info["index"] not in sequences
                if state and self.outputs[1 + source.info["index"]] is not self.outputs[0]:
                    found.add(source)
                continue
            if self.inputs[source] <= {"context"} or (source in after and after[source] in sequences):
                continue
            found.add(source)
        return found

    def _backward(self, saves: dict[Node, int], sequences: list[int]) -> PassPlan:
        plan = PassPlan(False)
        plan.kept = {node: ("saved", index) for node, index in saves.items()}
        plan.kept.setdefault(self.outputs[0], ("y", 0))
        for state in sequences:
            node = self.outputs[1 + state]
            plan.states[state] = plan.kept[node]
        self._ends(plan)
        ends = [*plan.carries.values(), *plan.stores, *plan.sums, *(node for _, node, _ in plan.folds)]
        nodes = _until(ends, plan.kept)
        carried = {id(node) for node in _until(plan.carries.values(), plan.kept)}
        inputs = depends(ordered(ends))
        for node in computed(nodes):
            if node in plan.kept:
                continue
            kinds = inputs[node]
            if node.op in ("wgrad", "bgrad"):
                continue
            if kinds <= {"context"}:
                plan.phase[node] = "rows"
            elif "dstate" not in kinds:
                plan.phase[node] = "before"
            else:
                plan.phase[node] = "loop" if id(node) in carried else "after"
        totals = [node for node, slots in plan.stores.items() if slots[0][0] == "dcontext"]
        for total in totals:
            plan.phase[total] = "after"
            self._into_loop(plan, total)
        _keep_states_in_the_loop(plan, nodes)
        for _, product, _ in plan.folds:
            del plan.phase[product]
        _sink(plan, nodes, {*plan.carries.values(), *totals})
        _raise_maps(plan, nodes)
        _end_in_the_loop(plan)
        return plan

    def _into_loop(self, plan: PassPlan, node: Node) -> None:
        for source in ordered([node]):
            if plan.phase.get(source) == "after":
                plan.phase[source] = "loop"

    def _ends(self, plan: PassPlan) -> None:
        found = {index: value for index, value in self.graph.gradients if isinstance(value, Ref)}
        first = self.weights
        if first in found:
            plan.stores.setdefault(_own(found[first]), []).append(("dx", 0))
        for state in range(self.states):
            index = first + 1 + state
            if any(index == wanted for wanted, _ in self.graph.gradients):
                value = found.get(index)
                plan.carries[state] = _zeros(self.outputs[1 + state].shape) if value is None else _own(value)
        for index, value in found.items():
            if index > first + self.states:
                self._context(plan, index - first - 1 - self.states, value)
        plan.sums = list(self.graph.sums.values())

    def _context(self, plan: PassPlan, index: int, value: Ref) -> None:
        """A gradient of context: a product over all steps, or a sum that the loop adds to at every step."""
        walk = _walked(value)
        node = value.node
        alone = sum(ref.node is node for user in self.order for ref in user.refs()) == 0
        alone = alone and sum(isinstance(v, Ref) and v.node is node for _, v in self.graph.gradients) == 1
        if node.op == "matmul" and walk is not None and alone:
            plan.folds.append((index, node, walk))
            return
        total = whole(Node("input", value.shape, name="dcontext", info={"index": index}))
        added = Node("map", value.shape, (total, replace(value, bdim=None, post=1)), "add")
        plan.stores[added] = [("dcontext", index)]


def _walked(ref: Ref) -> tuple[int, ...] | None:
    """If `ref` is its node with dimensions in another order: the strides of the node's dimensions in `ref`, dense."""
    node = ref.node
    if ref.offset or ref.width != node.width:
        return None
    own, seen = packed(node.shape), packed(ref.shape)
    walk: list[int] = []
    for size, stride in zip(node.shape, own, strict=True):
        found = [s for n, t, s in zip(ref.shape, ref.strides, seen, strict=True) if (n, t) == (size, stride)]
        if size != 1 and not found:
            return None
        walk.append(found[0] if size != 1 else 0)
    return tuple(walk)


def _zeros(shape: tuple[int, ...]) -> Node:
    number = Node("number", (), info={"value": 0.0})
    return Node("copy", shape, (Ref(number, shape, (0,) * len(shape)),))


def _until(ends: Iterable[Node], stop: dict[Node, tuple[str, int]]) -> list[Node]:
    """`ends` and what they need, in order, but not what nodes in `stop` need."""
    seen: set[int] = set()
    result: list[Node] = []
    stack = [(node, False) for node in reversed(list(ends))]
    while stack:
        node, ready = stack.pop()
        if ready:
            result.append(node)
            continue
        if id(node) in seen:
            continue
        seen.add(id(node))
        stack.append((node, True))
        if node not in stop:
            stack += [(ref.node, False) for ref in node.refs()]
    return result
