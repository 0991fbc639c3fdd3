"""Programs on the CPU: the only file that imports the C++ extension."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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

    def filled(self, kind: str) -> list[int]:
        """The indices that the backward pass writes of a kind of gradient."""
        assert self.backward is not None
        return sorted(index for name, index in self.backward.slots if name == kind)


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
    return Programs(forward, alone, part("backward"), told["output"], saved=tuple(told["saved"]), **lists)


@dataclass(frozen=True)
class Span:
    """Which rows and steps a call covers, and in which direction."""

    batch: int
    time: int
    lengths: Tensor | None
    reverse: bool
    truncate: int | None
    checkpoint: int | None

    def segments(self) -> list[tuple[int, int]]:
        size = self.checkpoint or self.time
        return [(start, min(start + size, self.time)) for start in range(0, self.time, size)]

    def positions(self, start: int, stop: int) -> int:
        """Row-steps in the steps start … stop."""
        if self.lengths is None:
            return self.batch * (stop - start)
        return int((self.lengths.clamp(max=stop) - start).clamp(min=0).sum())

    def run(
        self,
        a_pass: Pass,
        given: dict[tuple[str, int], tuple[int, int, int]],
        start: int,
        stop: int,
        fresh: bool = False,
    ) -> None:
        lengths = 0 if self.lengths is None else self.lengths.data_ptr()
        a_pass.program.run(
            [given[slot] for slot in a_pass.slots],
            B=self.batch, T=self.time, tau0=start, tau1=stop, lengths=lengths, reverse=self.reverse,
            truncate=self.truncate or 0, threads=torch.get_num_threads(), fresh=fresh,
        )  # fmt: skip


def by_step(value: Tensor) -> tuple[int, int, int]:
    """A tensor `[B, T, …]` as the engine takes it."""
    return value.data_ptr(), value.stride(0), value.stride(1)


def by_row(value: Tensor) -> tuple[int, int, int]:
    """A tensor `[B, …]`, each row dense."""
    return value.data_ptr(), value.stride(0), 0


def flat(value: Tensor) -> tuple[int, int, int]:
    return value.data_ptr(), 0, 0


def lined(value: Tensor) -> Tensor:
    """`[B, T, F]` with contiguous features."""
    return value if value.stride(2) == 1 or value.shape[2] == 1 else value.contiguous()


def dense(value: Tensor, dtype: torch.dtype) -> Tensor:
    """`[B, …]` or a weight, all dense; a mask becomes numbers, 0 and 1."""
    return value if value.dtype == dtype and value.is_contiguous() else value.to(dtype).contiguous()


Given = dict[tuple[str, int], tuple[int, int, int]]


def inputs(x: Tensor, contexts: Sequence[Tensor], weights: Sequence[Tensor]) -> Given:
    """The slots of what both passes read."""
    given: Given = {("x", 0): by_step(x)}
    given |= {("context", index): by_row(value) for index, value in enumerate(contexts)}
    given |= {("weight", index): flat(value) for index, value in enumerate(weights)}
    return given


def stream(
    told: Programs, states: Sequence[Tensor], contexts: Sequence[Tensor], weights: Sequence[Tensor], batch: int
) -> Any:
    """A native stream that steps `states` where they lie, and reads contexts and weights where they lie."""
    given: Given = {(kind, 0): (0, 0, 0) for kind in ("x", "y")}
    given |= {("context", index): by_row(value) for index, value in enumerate(contexts)}
    given |= {("weight", index): flat(value) for index, value in enumerate(weights)}
    given |= _carried(states, states, "state", "final")
    slots = told.forward_only.slots
    places = [slots.index((kind, 0)) if (kind, 0) in slots else -1 for kind in ("x", "y")]
    args = [given[slot] for slot in slots]
    x, y = places
    return _engine.Stream(told.forward_only.program, args, x, y, batch, torch.get_num_threads())


def forward(
    told: Programs, x: Tensor, states: Sequence[Tensor], contexts: Sequence[Tensor], weights: Sequence[Tensor],
    span: Span, keep: bool, room: int | None = None,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:  # fmt: skip
    """Outputs `[B, T, O]`, final states, and what the backward pass needs: saved values, one tensor of `room` row-steps
    (as many as there are, in memory that is used again, if `None`), or with `checkpoint` the states at the segments'
    starts."""
    make = x.new_empty if span.lengths is None else x.new_zeros
    y = make(span.batch, span.time, told.output)
    given = inputs(x, contexts, weights) | {("y", 0): by_step(y)}
    segments = span.segments()
    whole = len(segments) == 1
    steps = span.positions(0, span.time)
    saved = None
    if keep and whole:
        # An operator's result is defined all over: where rows end early, also what no row-step fills.
        fill = x.new_empty if span.lengths is None else x.new_zeros
        saved = _room(told, x, steps) if room is None else fill(room * sum(told.saved))
    starts: list[Tensor] = []
    chosen = told.forward if keep and whole else told.forward_only
    for start, stop in segments:
        finals = [torch.empty_like(value) for value in states]
        kept = {} if saved is None else _saved(told, saved, steps)
        span.run(chosen, given | _carried(states, finals, "state", "final") | kept, start, stop)
        starts += states if keep and not whole else []
        states = finals
    return y, list(states), starts if saved is None else [saved]


def _room(told: Programs, like: Tensor, positions: int) -> Tensor:
    """Memory for the saved values of so many row-steps, which goes from step to step: fresh pages cost time."""
    count = positions * sum(told.saved)
    if count == 0:
        return like.new_empty(count)
    return torch.from_dlpack(_engine.room(count, like.dtype == torch.float32))


def _saved(told: Programs, room: Tensor, positions: int) -> Given:
    """The slots of saved values, each `[positions, width]`, one after the other in `room`."""
    given: Given = {}
    at = room.data_ptr()
    for index, width in enumerate(told.saved):
        given["saved", index] = at, 0, 0
        at += positions * width * room.element_size()
    return given


def _slots(kind: str, values: Sequence[Tensor]) -> Given:
    return {(kind, index): flat(value) for index, value in enumerate(values)}


def _carried(enter: Sequence[Tensor], leave: Sequence[Tensor], before: str, after: str) -> Given:
    given: Given = {(before, index): by_row(value) for index, value in enumerate(enter)}
    return given | {(after, index): by_row(value) for index, value in enumerate(leave)}


@dataclass(frozen=True)
class Gradients:
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
    wants_x = ("dx", 0) in told.backward.slots
    dx = (
        None
        if not wants_x
        else (torch.empty_like if span.lengths is None else torch.zeros_like)(x, memory_format=torch.contiguous_format)
    )
    dcontexts = {index: x.new_zeros(span.batch, *told.contexts[index]) for index in told.filled("dcontext")}
    sums = [x.new_empty(shape) for shape in told.sums]
    nothing = x.new_zeros(max([told.output, *(math.prod(shape) for shape in told.states)], default=1))
    given = inputs(x, contexts, weights) | _slots("sum", sums) | {("y", 0): by_step(y)}
    given |= {("dcontext", index): by_row(value) for index, value in dcontexts.items()}
    given[("dy", 0)] = flat(nothing) if dy is None else by_step(dy)
    given |= {} if dx is None else {("dx", 0): by_step(dx)}
    carried = told.filled("dinitial")
    enter: dict[int, Tensor | None] = {index: dfinals[index] for index in carried}
    leave: dict[int, Tensor] = {}
    segments = span.segments()
    for number, (start, stop) in reversed(list(enumerate(segments))):
        begin = states
        if len(segments) == 1:
            (saved,) = kept
        else:
            begin = kept[number * len(states) : (number + 1) * len(states)]
            saved = _again(told, given, begin, span, start, stop, x)
        leave = {index: x.new_empty(span.batch, *told.states[index]) for index in carried}
        mine: Given = {("state", index): by_row(value) for index, value in enumerate(begin)}
        mine |= {("dfinal", i): flat(nothing) if v is None else by_row(v) for i, v in enter.items()}
        mine |= {("dinitial", index): by_row(value) for index, value in leave.items()}
        last = number == len(segments) - 1  # the first to run: it makes the sums, the others add to them
        mine |= _saved(told, saved, span.positions(start, stop))
        span.run(told.backward, given | mine, start, stop, fresh=last)
        enter = dict(leave)
    return Gradients(dx, leave, dcontexts, sums)


def _again(
    told: Programs, given: Given, begin: Sequence[Tensor], span: Span, start: int, stop: int, like: Tensor
) -> Tensor:
    """Run a segment forward once more, for what its backward pass needs; its outputs are known already."""
    positions = span.positions(start, stop)
    saved = _room(told, like, positions)
    finals = [torch.empty_like(value) for value in begin]
    scratch = like.new_empty(max(1, span.batch), told.output)
    aside: Given = {("y", 0): (scratch.data_ptr(), scratch.stride(0), 0)}
    kept = _saved(told, saved, positions)
    span.run(told.forward, given | aside | _carried(begin, finals, "state", "final") | kept, start, stop)
    return saved


def isa() -> str:
    """The instruction set of the kernels in use: `base`, `avx2` or `avx512`."""
    return _engine.isa()


def fma_peak(seconds: float) -> float:
    """The most float32 operations a second that the calling thread reached in `seconds` of multiply-adds alone."""
    return _engine.fma_peak(seconds)
