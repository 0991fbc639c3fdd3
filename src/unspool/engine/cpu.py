"""Programs on the CPU: the only file that imports the C++ extension."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

import unspool._engine as _engine  # pyright: ignore[reportMissingModuleSource]

Slots = tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Pass:
    """One pass over time: the program, parsed, and what belongs in each of its argument slots."""

    program: Any
    slots: Slots


@dataclass(frozen=True)
class Programs:
    """What the JSON text of a structure says."""

    forward: Pass
    forward_only: Pass
    backward: Pass | None
    output: int
    states: tuple[tuple[int, ...], ...]
    contexts: tuple[tuple[int, ...], ...]
    saved: tuple[int, ...]
    sums: tuple[tuple[int, ...], ...]
    dx: bool
    dinitials: tuple[int, ...]
    dcontexts: tuple[int, ...]
    """Which gradients the backward pass writes: of the inputs, of which initial states, of which contexts."""
    widest: int
    """Numbers a row of the output or of the largest state."""


@functools.lru_cache(maxsize=512)
def programs(text: str) -> Programs:
    """Parse the text of a structure; the same text is parsed once."""
    told = json.loads(text)

    def part(name: str) -> Pass | None:
        if told[name] is None:
            return None
        return Pass(_engine.Program(told[name]["text"]), tuple((kind, index) for kind, index in told[name]["slots"]))

    forward, alone = part("forward"), part("forward_only")
    assert forward is not None and alone is not None
    lists = {name: tuple(tuple(shape) for shape in told[name]) for name in ("states", "contexts", "sums")}
    backward = part("backward")

    def written(kind: str) -> tuple[int, ...]:
        return tuple(sorted(index for name, index in backward.slots if name == kind)) if backward else ()

    return Programs(
        forward, alone, backward, told["output"], saved=tuple(told["saved"]), **lists,
        dx=bool(written("dx")), dinitials=written("dinitial"), dcontexts=written("dcontext"),
        widest=max([told["output"], *map(math.prod, lists["states"])]),
    )  # fmt: skip


Place = tuple[int, int, int]
"""Where a tensor lies: its address, and how far apart its rows and its steps are, in numbers."""
Given = dict[str, list[Place]]
"""What is in the slots of each kind, in order."""


class Span(NamedTuple):
    """Which rows and steps a call covers, and in which direction."""

    batch: int
    time: int
    lengths: Tensor | None
    reverse: bool
    truncate: int | None
    checkpoint: int | None

    def segments(self) -> list[tuple[int, int]]:
        size = self.checkpoint or self.time
        if size >= self.time:
            return [(0, self.time)]
        return [(start, min(start + size, self.time)) for start in range(0, self.time, size)]

    def positions(self, start: int, stop: int) -> int:
        """Row-steps in the steps start … stop."""
        if self.lengths is None:
            return self.batch * (stop - start)
        return int((self.lengths.clamp(max=stop) - start).clamp(min=0).sum())

    def run(self, a_pass: Pass, given: Given, start: int, stop: int, fresh: bool = False) -> None:
        lengths = 0 if self.lengths is None else self.lengths.data_ptr()
        a_pass.program.run(
            [given[kind][index] for kind, index in a_pass.slots],
            B=self.batch, T=self.time, tau0=start, tau1=stop, lengths=lengths, reverse=self.reverse,
            truncate=self.truncate or 0, threads=torch.get_num_threads(), fresh=fresh,
        )  # fmt: skip


def by_step(value: Tensor) -> Place:
    """A tensor `[B, T, …]` as the engine takes it."""
    return value.data_ptr(), value.stride(0), value.stride(1)


def by_row(value: Tensor) -> Place:
    """A tensor `[B, …]`, each row dense."""
    return value.data_ptr(), value.stride(0), 0


def flat(value: Tensor) -> Place:
    return value.data_ptr(), 0, 0


def lined(value: Tensor) -> Tensor:
    """`[B, T, F]` with contiguous features."""
    return value if value.stride(2) == 1 or value.shape[2] == 1 else value.contiguous()


def dense(value: Tensor, dtype: torch.dtype) -> Tensor:
    """`[B, …]` or a weight, all dense; a mask becomes numbers, 0 and 1."""
    return value if value.dtype == dtype and value.is_contiguous() else value.to(dtype).contiguous()


def by_rows(values: Sequence[Tensor]) -> list[Place]:
    return [(value.data_ptr(), value.stride(0), 0) for value in values]


def inputs(x: Tensor, contexts: Sequence[Tensor], weights: Sequence[Tensor], y: Tensor) -> Given:
    """The slots that both passes have."""
    return {
        "x": [by_step(x)],
        "context": by_rows(contexts),
        "weight": [(value.data_ptr(), 0, 0) for value in weights],
        "y": [by_step(y)],
    }


def outputs(x: Tensor, width: int, zeros: bool = False) -> Tensor:
    """Room for outputs `[B, T, width]`: step after step where `x` lies so, else row after row."""
    make = x.new_zeros if zeros else x.new_empty
    batch, time = x.shape[:2]
    if x.stride(0) < x.stride(1):
        return make((time, batch, width)).transpose(0, 1)
    return make((batch, time, width))


def stream(
    told: Programs, states: Sequence[Tensor], contexts: Sequence[Tensor], weights: Sequence[Tensor], batch: int
) -> Any:
    """A native stream that steps `states` where they lie, and reads contexts and weights where they lie."""
    later: list[Place] = [(0, 0, 0)]
    held, read = by_rows(states), [flat(value) for value in weights]
    given: Given = {"x": later, "y": later, "context": by_rows(contexts), "weight": read, "state": held, "final": held}
    slots = told.forward_only.slots
    x, y = (slots.index((kind, 0)) if (kind, 0) in slots else -1 for kind in ("x", "y"))
    args = [given[kind][index] for kind, index in slots]
    return _engine.Stream(told.forward_only.program, args, x, y, batch, torch.get_num_threads())


def forward(
    told: Programs, x: Tensor, states: Sequence[Tensor], contexts: Sequence[Tensor], weights: Sequence[Tensor],
    span: Span, keep: bool, room: int | None = None,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:  # fmt: skip
    """Outputs `[B, T, O]`, final states, and what the backward pass needs: saved values, one tensor of `room` row-steps
    (as many as there are, in memory that is used again, if `None`), or with `checkpoint` the states at the segments'
    starts."""
    y = outputs(x, told.output, zeros=span.lengths is not None)
    given = inputs(x, contexts, weights, y)
    segments = span.segments()
    keeps = keep and len(segments) == 1
    saved: list[Tensor] = []
    if keeps:
        steps = span.positions(0, span.time)
        # An operator's result is defined all over: where rows end early, also what no row-step fills.
        fill = x.new_empty if span.lengths is None else x.new_zeros
        saved = [_room(told, x, steps) if room is None else fill(room * sum(told.saved))]
        given["saved"] = _saved(told, saved[0], steps)
    starts: list[Tensor] = []
    for start, stop in segments:
        finals = [torch.empty_like(value) for value in states]
        given["state"], given["final"] = by_rows(states), by_rows(finals)
        span.run(told.forward if keeps else told.forward_only, given, start, stop)
        starts += states if keep and not keeps else []
        states = finals
    return y, list(states), saved or starts


def _room(told: Programs, like: Tensor, positions: int) -> Tensor:
    """Memory for the saved values of so many row-steps, which goes from step to step: fresh pages cost time."""
    count = positions * sum(told.saved)
    if count == 0:
        return like.new_empty(count)
    return torch.from_dlpack(_engine.room(count, like.dtype == torch.float32))


def _saved(told: Programs, room: Tensor, positions: int) -> list[Place]:
    """The slots of saved values, each `[positions, width]`, one after the other in `room`."""
    places: list[Place] = []
    at, size = room.data_ptr(), positions * room.element_size()
    for width in told.saved:
        places.append((at, 0, 0))
        at += width * size
    return places


class Gradients(NamedTuple):
    """What a backward pass gives; `None` and absent entries where nothing depends on the input."""

    x: Tensor | None
    states: dict[int, Tensor]
    contexts: dict[int, Tensor]
    sums: list[Tensor]


def backward(
    told: Programs, x: Tensor, states: Sequence[Tensor], contexts: Sequence[Tensor], weights: Sequence[Tensor],
    y: Tensor, kept: Sequence[Tensor], dy: Tensor | None, dfinals: Sequence[Tensor | None], span: Span,
) -> Gradients:  # fmt: skip
    """The vector–Jacobian product of `forward`."""
    assert told.backward is not None
    make = torch.empty_like if span.lengths is None else torch.zeros_like
    dx = make(x, memory_format=torch.contiguous_format) if told.dx else None
    dcontexts = {index: x.new_zeros((span.batch, *told.contexts[index])) for index in told.dcontexts}
    sums = [x.new_empty(shape) for shape in told.sums]
    given = inputs(x, contexts, weights, y)
    given["sum"] = [(value.data_ptr(), 0, 0) for value in sums]
    given["dcontext"] = _placed(dcontexts, len(contexts))
    absent = dy is None or any(value is None for value in dfinals)
    nothing = x.new_zeros(told.widest if absent else 0)
    given["dy"] = [flat(nothing) if dy is None else by_step(dy)]
    given["dx"] = [] if dx is None else [by_step(dx)]
    enter: dict[int, Tensor | None] = {index: dfinals[index] for index in told.dinitials}
    leave: dict[int, Tensor] = {}
    segments = span.segments()
    for number, (start, stop) in reversed(list(enumerate(segments))):
        begin = states
        if len(segments) == 1:
            (saved,) = kept
        else:
            begin = kept[number * len(states) : (number + 1) * len(states)]
            saved = _again(told, given, begin, span, start, stop, x)
        leave = {index: x.new_empty((span.batch, *told.states[index])) for index in told.dinitials}
        given["state"] = by_rows(begin)
        given["dfinal"] = [flat(nothing) if (v := enter.get(i)) is None else by_row(v) for i in range(len(states))]
        given["dinitial"] = _placed(leave, len(states))
        given["saved"] = _saved(told, saved, span.positions(start, stop))
        last = number == len(segments) - 1  # the first to run: it makes the sums, the others add to them
        span.run(told.backward, given, start, stop, fresh=last)
        enter = dict(leave)
    return Gradients(dx, leave, dcontexts, sums)


def _placed(values: dict[int, Tensor], count: int) -> list[Place]:
    """Slots of a kind of which not all have a value."""
    return [by_row(values[index]) if index in values else (0, 0, 0) for index in range(count)]


def _again(
    told: Programs, given: Given, begin: Sequence[Tensor], span: Span, start: int, stop: int, like: Tensor
) -> Tensor:
    """Run a segment forward once more, for what its backward pass needs; its outputs are known already."""
    positions = span.positions(start, stop)
    saved = _room(told, like, positions)
    finals = [torch.empty_like(value) for value in begin]
    scratch = like.new_empty(max(1, span.batch), told.output)
    kept = _saved(told, saved, positions)
    aside: Given = {"y": [(scratch.data_ptr(), scratch.stride(0), 0)], "saved": kept}
    span.run(told.forward, given | aside | {"state": by_rows(begin), "final": by_rows(finals)}, start, stop)
    return saved


def isa() -> str:
    """The instruction set of the kernels in use: `base`, `avx2` or `avx512`."""
    return _engine.isa()


def fma_peak(seconds: float) -> float:
    """The most float32 operations a second that the calling thread reached in `seconds` of multiply-adds alone."""
    return _engine.fma_peak(seconds)
