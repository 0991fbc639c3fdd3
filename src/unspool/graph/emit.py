"""A pass, written as the text that the C++ engine reads (`csrc/README.md` says what each line means)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from unspool.graph.ir import Node, Ref, merged, packed
from unspool.graph.plan import PHASES, PassPlan
from unspool.graph.rewrite import ordered
from unspool.graph.schedule import Item, Strip, in_register, scheduled, space
from unspool.graph.strip_text import Home, StripText, sizes_of, three, unrolled


@dataclass(frozen=True)
class PassProgram:
    """The text of a pass, and what belongs in each argument slot: `(kind, index)`."""

    text: str
    slots: tuple[tuple[str, int], ...]


def emitted(plan: PassPlan, dtype: str) -> PassProgram:
    """Write `plan` for elements of `dtype`, `"f32"` or `"f64"`."""
    return _Writer(plan, dtype).run()


class _Writer:
    def __init__(self, plan: PassPlan, dtype: str) -> None:
        self.plan, self.dtype = plan, dtype
        self.slots: dict[tuple[str, int], int] = {}
        self.tensors: dict[str, int] = {}
        self.packs: dict[str, int] = {}
        self.carry: list[str] = []
        self.homes: dict[Node, list[Home]] = {}
        self.body: list[str] = []
        self.folded = {node for _, node, _ in plan.folds}
        ends = [*plan.carries.values(), *plan.stores, *plan.sums, *self.folded]
        self.order = [node for node in ordered(ends) if node in plan.phase]
        self.here = set(self.order)
        self.users: dict[Node, list[tuple[Node, Ref]]] = {}
        for node in [*self.order, *plan.sums, *self.folded]:
            for ref in node.refs():
                self.users.setdefault(ref.node, []).append((node, ref))

    def run(self) -> PassProgram:
        items = {
            phase: scheduled([n for n in self.order if self.plan.phase[n] == phase], self._phase_nodes(phase))
            for phase in PHASES
        }
        for state in self._carried():
            self._carry(state)
        self._settle(items)
        for phase in PHASES:
            self._phase(phase, items[phase])
        self._fold()
        self._reduce()
        head = [f"unspool 1 {self.dtype} {'forward' if self.plan.forward else 'backward'}", f"args {len(self.slots)}"]
        packs = [f"pack {line}" for line in self.packs]
        text = "\n".join([*head, *self.tensors, *self.carry, *packs, *self.body]) + "\n"
        return PassProgram(text, tuple(self.slots))

    def _phase_nodes(self, phase: str) -> set[Node]:
        return {node for node in self.order if self.plan.phase[node] == phase}

    # Tensors

    def slot(self, kind: str, index: int) -> int:
        return self.slots.setdefault((kind, index), len(self.slots))

    def tensor(self, line: str) -> int:
        return self.tensors.setdefault(line, len(self.tensors))

    def _carried(self) -> list[int]:
        return sorted(self.plan.carries)

    def _carry(self, state: int) -> None:
        forward = self.plan.forward
        enter, leave = ("state", "final") if forward else ("dfinal", "dinitial")
        place = self._carried().index(state)
        width = self.plan.carries[state].width
        self.tensor(f"state {place} {width}")
        self.tensor(f"next {place} {width}")
        self.carry.append(f"carry {place} {self.slot(enter, state)} {self.slot(leave, state)}")

    def _input(self, node: Node) -> Home:
        kind, index, width = node.name, node.info.get("index", 0), node.width
        if node.op == "weight":
            tensor = self.tensor(f"param {self.slot('weight', index)} {width}")
        elif kind in ("x", "dy"):
            tensor = self.tensor(f"step {self.slot(kind, 0)} {width}")
        elif kind in ("context", "dcontext"):
            tensor = self.tensor(f"row {self.slot(kind, index)} {width}")
        elif kind == "dstate" or self.plan.forward:
            tensor = self.tensor(f"state {self._carried().index(index)} {width}")
        else:
            sequence = self._kept(*self.plan.states[index], width)
            first = self.tensor(f"row {self.slot('state', index)} {width}")
            tensor = self.tensor(f"prev {sequence} {first}")
        return Home(tensor, 0, packed(node.shape))

    def _kept(self, kind: str, index: int, width: int) -> int:
        word = "saved" if kind == "saved" else "step"
        return self.tensor(f"{word} {self.slot(kind, index)} {width}")

    def home(self, node: Node) -> Home:
        """Where to read `node`."""
        if node not in self.homes:
            if node.op in ("input", "weight"):
                self.homes[node] = [self._input(node)]
            else:
                kind, index = self.plan.kept[node]
                self.homes[node] = [Home(self._kept(kind, index, node.width), 0, packed(node.shape))]
        return self.homes[node][0]

    # Homes

    def _settle(self, items: dict[str, list[Item]]) -> None:
        """Give every node that must be in memory its homes: the first one is read, all are written."""
        place = {
            node: (phase, index) for phase in PHASES for index, item in enumerate(items[phase]) for node in _nodes(item)
        }
        for phase in PHASES:
            nodes = [node for item in items[phase] for node in _nodes(item)]
            spans = {node: span for node in nodes if (span := self._span(node, place)) is not None}
            live: list[tuple[int, int, int, int]] = []  # first item, last item, offset, width
            runs, heads = _runs(items[phase]), _heads(items[phase])
            for node in sorted(spans, key=lambda node: spans[node][0]):
                first, last = spans[node]
                if runs[first] != runs[last] or (first in heads and first != last):
                    # The engine does a run of items for a few rows, then for the next few: what leaves the run, or
                    # comes into it, must not share memory with anything in it. The head of a run may have been done
                    # for all rows, with the product before it.
                    first, last = runs[first][0], runs[last][1]
                live.append((first, last, _free(live, first, last, apart(node.width)), apart(node.width)))
            offsets = {node: row[2] for node, row in zip(sorted(spans, key=lambda n: spans[n][0]), live, strict=True)}
            for node in nodes:
                self.homes[node] = self._homes(node, phase, place, offsets.get(node))
        for node in self.order:
            if node.op == "pieces":
                self._send_pieces(node)

    def _span(self, node: Node, place: dict[Node, tuple[str, int]]) -> tuple[int, int] | None:
        """The items between which `node` needs scratch of its phase; `None` if it is kept somewhere anyway."""
        phase, index = place[node]
        if self._lasting(node, phase, place) or node in self.plan.carries.values():
            return None
        near = [(user, ref) for user, ref in self._readers(node) if user in place and place[user][0] == phase]
        last = max((place[user][1] for user, ref in near if self._needs_memory(node, user, ref, place)), default=-1)
        if last < 0:
            return None
        # What is joined from pieces is there as soon as the first of them is written.
        writers = [place[ref.node][1] for ref in node.refs() if self._direct(node, ref)] if node.op == "pieces" else []
        return min([index, *writers]), last

    def _lasting(self, node: Node, phase: str, place: dict[Node, tuple[str, int]]) -> bool:
        """Whether `node` is kept beyond its phase."""
        if any(kind == "saved" for kind, _ in self.plan.stores.get(node, [])):
            return True
        return any(user not in place or place[user][0] != phase for user, _ in self._readers(node))

    def _homes(self, node: Node, phase: str, place: dict[Node, tuple[str, int]], offset: int | None) -> list[Home]:
        """First where it is read."""
        dense, width = packed(node.shape), node.width
        words: list[str] = []
        stored = self.plan.stores.get(node, [])
        saved = [f"saved {self.slot(kind, slot)} {width}" for kind, slot in stored if kind == "saved"]
        words += saved
        if not saved and self._lasting(node, phase, place):
            words.append(f"{'rowbuf' if phase == 'rows' else 'chunk'} {width} # {len(self.tensors)}")
        if offset is not None:
            words.append(f"temp {offset} {width} {apart(width)}")
        words += [f"next {self._carried().index(s)} {width}" for s, value in self.plan.carries.items() if value is node]
        for kind, slot in stored:
            if kind != "saved":
                words.append(f"{'row' if kind == 'dcontext' else 'step'} {self.slot(kind, slot)} {width}")
        return [Home(self.tensor(word), 0, dense) for word in words]

    def _readers(self, node: Node) -> list[tuple[Node, Ref]]:
        """Who looks at `node`; who looks at what was joined from it writes it where it belongs, and reads nothing."""
        return [(user, ref) for user, ref in self.users.get(node, []) if not self._direct(user, ref)]

    def _direct(self, user: Node, ref: Ref) -> bool:
        source = ref.node
        return (
            user.op == "pieces" and source.op in ("map", "copy") and source in self.here and ref.dense
            and space(ref.shape) == space(source.shape) and self.plan.phase[source] == self.plan.phase.get(user)
        )  # fmt: skip

    def _needs_memory(self, node: Node, user: Node, ref: Ref, place: dict[Node, tuple[str, int]]) -> bool:
        if node.op not in ("map", "copy") or user.op not in ("map", "copy"):
            return True
        return place.get(node) != place.get(user) or not in_register(ref, user)

    def _send_pieces(self, node: Node) -> None:
        """A node that is a piece of `node`, and nothing but elementwise, is written right into it."""
        for start, ref in zip(node.info["starts"], node.refs(), strict=True):
            if self._direct(node, ref):
                for home in self.homes[node]:
                    self.homes[ref.node].append(self._piece(home, node, start, ref))

    def _piece(self, home: Home, node: Node, start: int, ref: Ref) -> Home:
        """The place of a piece in the home of the whole, with strides for each dimension of the piece."""
        offset = home.offset + start * home.strides[node.info["dim"]]
        strides = list(home.strides)
        shape = ref.node.shape
        if len(shape) != len(strides):  # the piece has dimensions of 1 more or less
            counted = iter(stride for stride, size in zip(strides, ref.shape, strict=True) if size != 1)
            strides = [0 if size == 1 else next(counted) for size in shape]
        return Home(home.tensor, offset, tuple(strides))

    # Phases

    def _phase(self, phase: str, items: list[Item]) -> None:
        if not items:
            return
        self.body.append(f"phase {phase}")
        for item in items:
            if isinstance(item, Strip):
                self._strip(item)
            else:
                getattr(self, f"_write_{item.op}")(item)

    def _fold(self) -> None:
        if self.plan.folds:
            self.body.append("phase fold")
        for index, node, walk in self.plan.folds:
            total = self.tensor(f"row {self.slot('dcontext', index)} {node.width}")
            self._matmul_line(node, Home(total, 0, walk), "accumulate")

    def _reduce(self) -> None:
        if self.plan.sums:
            self.body.append("phase reduce")
        for index, node in enumerate(self.plan.sums):
            slot = self.slot("sum", index)
            if node.op == "bgrad":
                (d,) = node.refs()
                tensor, offset, (ld, _) = self._look(d)
                self.body.append(f"bgrad {slot} 0 {d.shape[1]} {d.shape[0]} {tensor} {offset} {ld}")
                continue
            d, x = node.refs()
            groups, rows, columns = node.shape
            for group in range(groups):
                dt, do, (dg, dl, _) = self._look(d)
                xt, xo, (xg, xl, _) = self._look(x)
                self.body.append(
                    f"wgrad {slot} {group * rows * columns} {columns} {rows} {columns} {d.shape[1]} "
                    f"{dt} {do + group * dg} {dl} {xt} {xo + group * xg} {xl}"
                )

    def _look(self, ref: Ref) -> tuple[int, int, tuple[int, ...]]:
        """Tensor, offset and strides through which `ref` is read. All homes that are read through are dense."""
        home = self.home(ref.node)
        return home.tensor, home.offset + ref.offset, ref.strides

    # Instructions

    def _write_gemm(self, node: Node) -> None:
        a, w, *bias = node.refs()
        out = self._first(node)
        groups, rows, columns = node.shape
        weight = self.home(w.node).tensor
        for group in range(groups):
            pack = f"{weight} {w.offset + group * w.strides[0]} {w.shape[1]} {columns} {w.strides[1]} {w.strides[2]}"
            index = self.packs.setdefault(pack, len(self.packs))
            tensor, offset, (ag, al, _) = self._look(a)
            start = "zero"
            if bias:
                begin, at, _ = self._look(bias[0])
                start = f"bias {begin} {at}"
            self.body.append(
                f"gemm {index} {rows} {out.tensor} {out.offset + group * rows * columns} {columns} "
                f"{tensor} {offset + group * ag} {al} {start}"
            )
        self._copies(node)

    def _write_matmul(self, node: Node) -> None:
        self._matmul_line(node, self._first(node), "zero")
        self._copies(node)

    def _matmul_line(self, node: Node, out: Home, init: str) -> None:
        a, b = node.refs()
        batch, rows, columns = node.shape
        parts = [
            f"matmul {batch} {rows} {columns} {a.shape[2]} {init} {out.tensor} {out.offset}",
            *map(str, out.strides),
        ]
        for ref in (a, b):
            tensor, offset, strides = self._look(ref)
            parts += map(str, (tensor, offset, *strides))
        self.body.append(" ".join(parts))

    def _write_reduce(self, node: Node) -> None:
        (ref,) = node.refs()
        out = self._first(node)
        tensor, offset, strides = self._look(ref)
        sizes, steps = " ".join(map(str, ref.shape)), " ".join(map(str, strides))
        self.body.append(f"reduce {node.name} {sizes} {out.tensor} {out.offset} {tensor} {offset} {steps}")
        self._copies(node)

    def _write_pieces(self, node: Node) -> None:
        """Pieces that nobody wrote in place are copied; what no piece covers is zero."""
        dim, end = node.info["dim"], 0
        for start, ref in sorted(zip(node.info["starts"], node.refs(), strict=True), key=lambda part: part[0]):
            self._zero(node, end, start)
            end = start + ref.shape[dim]
            if not self._direct(node, ref):
                for home in self.homes[node]:
                    piece = Home(home.tensor, home.offset + start * home.strides[dim], home.strides)
                    self._move(ref, piece)
        self._zero(node, end, node.shape[dim])

    def _zero(self, node: Node, start: int, end: int) -> None:
        if start >= end:
            return
        dim = node.info["dim"]
        shape = (*node.shape[:dim], end - start, *node.shape[dim + 1 :])
        for home in self.homes[node]:
            sizes, (steps,) = merged(shape, home.strides)
            for lead, rest in unrolled(sizes):
                at = home.offset + start * home.strides[dim] + sum(i * s for i, s in zip(lead, steps, strict=False))
                line = three(steps[len(lead) :])
                self.body += [f"strip {sizes_of(rest)} 1 0 1", "imm 0.0", f"out 0 {home.tensor} {at} {line}"]

    def _first(self, node: Node) -> Home:
        """Where a product is written to: scratch or what is saved, which lie in the order of the rows."""
        return self.homes[node][0]

    def _copies(self, node: Node) -> None:
        own = self.homes[node][0]
        for home in self.homes[node][1:]:
            self._move(Ref(node, node.shape, packed(node.shape)), home, own)

    def _move(self, ref: Ref, to: Home, source: Home | None = None) -> None:
        source = source or self.home(ref.node)
        sizes, (read, write) = merged(ref.shape, ref.strides, to.strides)
        for lead, rest in unrolled(sizes):
            start = source.offset + ref.offset + sum(i * s for i, s in zip(lead, read, strict=False))
            at = to.offset + sum(i * s for i, s in zip(lead, write, strict=False))
            self.body += [
                f"strip {sizes_of(rest)} 1 0 1", f"in {source.tensor} {start} {three(read[len(lead) :])}",
                f"out 0 {to.tensor} {at} {three(write[len(lead) :])}",
            ]  # fmt: skip

    def _strip(self, strip: Strip) -> None:
        self.body += StripText(strip, self.homes, self.home).lines()


def _nodes(item: Item) -> list[Node]:
    return item.nodes if isinstance(item, Strip) else [item]


def _runs(items: list[Item]) -> list[tuple[int, int]]:
    """For each item the first and last of its run: products stand alone, what lies between two products together."""
    found: list[tuple[int, int]] = []
    products = [_is_product(item) for item in items]
    for alone, group in itertools.groupby(range(len(items)), key=products.__getitem__):
        run = list(group)
        found += [(index, index) if alone else (run[0], run[-1]) for index in run]
    return found


def _is_product(item: Item) -> bool:
    return isinstance(item, Node) and item.op == "gemm"


def _heads(items: list[Item]) -> set[int]:
    """What comes right after a product: written as strips, of which the engine may do the first with it."""
    return {
        index
        for index, (before, item) in enumerate(itertools.pairwise(items), 1)
        if _is_product(before) and not _is_product(item)
    }


def apart(width: int) -> int:
    """Numbers from row to row of scratch: rows that lie a whole number of KiB apart meet in few places of a cache."""
    return width + 16 if width >= 256 and width % 128 == 0 else width


def _free(live: list[tuple[int, int, int, int]], first: int, last: int, width: int) -> int:
    """The first offset where `width` numbers fit beside all that is live between two items."""
    taken = sorted((offset, offset + size) for start, end, offset, size in live if start <= last and first <= end)
    place = 0
    for start, stop in taken:
        if place + width <= start:
            break
        place = max(place, stop)
    return place
