"""A call on the CPU engine as PyTorch operators, for `torch.compile` and `torch.export`.

`unspool::unfold` runs the forward program, `unspool::unfold_backward` the backward program; each takes the programs as
a string, as `graph.compile` writes them. Eager calls do not come here: they go past the dispatcher (`compiled.py`).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from unspool.engine import cpu

LIBRARY = torch.library.Library("unspool", "DEF")
OPTIONS = "Tensor? lengths, str program, bool reverse, int truncate, int checkpoint"
LIBRARY.define(
    "unfold(Tensor x, Tensor[] states, Tensor[] contexts, Tensor[] weights, "
    f"{OPTIONS}, bool keep) -> (Tensor, Tensor[], Tensor[])"
)
LIBRARY.define(
    "unfold_backward(Tensor? dy, Tensor?[] dfinals, Tensor x, Tensor[] states, Tensor[] contexts, Tensor[] weights, "
    f"Tensor y, Tensor[] kept, {OPTIONS}) -> (Tensor, Tensor[], Tensor[], Tensor[])"
)

tails: dict[str, tuple[tuple[int, ...], Any]] = {}
"""For each program: the weights that have a gradient, and the function from sums over rows to their gradients."""


def _span(x: Tensor, lengths: Tensor | None, reverse: bool, truncate: int, checkpoint: int) -> cpu.Span:
    lengths = None if lengths is None else lengths.contiguous()
    return cpu.Span(x.shape[0], x.shape[1], lengths, reverse, truncate or None, checkpoint or None)


def _ready(
    x: Tensor, states: list[Tensor], contexts: list[Tensor], weights: list[Tensor]
) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:
    def dense(values: list[Tensor]) -> list[Tensor]:
        return [cpu.dense(value, x.dtype) for value in values]

    return cpu.lined(x), dense(states), dense(contexts), dense(weights)


def _unfold(
    x: Tensor, states: list[Tensor], contexts: list[Tensor], weights: list[Tensor], lengths: Tensor | None,
    program: str, reverse: bool, truncate: int, checkpoint: int, keep: bool,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:  # fmt: skip
    told = cpu.programs(program)
    span = _span(x, lengths, reverse, truncate, checkpoint)
    y, finals, kept = cpu.forward(told, *_ready(x, states, contexts, weights), span, keep, x.shape[0] * x.shape[1])

    def own(values: list[Tensor]) -> list[Tensor]:
        """An operator returns nothing that it was given."""
        return [value.clone() if any(value is given for given in states) else value for value in values]

    return y, own(finals), own(kept)


def _unfold_fake(
    x: Tensor, states: list[Tensor], contexts: list[Tensor], weights: list[Tensor], lengths: Tensor | None,
    program: str, reverse: bool, truncate: int, checkpoint: int, keep: bool,
) -> tuple[Tensor, list[Tensor], list[Tensor]]:  # fmt: skip
    told = cpu.programs(program)
    rows, steps = x.shape[0], x.shape[1]
    y = cpu.outputs(x, told.output)
    finals = [x.new_empty(value.shape) for value in states]
    if not keep:
        return y, finals, []
    segments = -(-int(steps) // checkpoint) if checkpoint else 1
    if segments == 1:
        return y, finals, [x.new_empty(rows * steps * sum(told.saved))]
    return y, finals, [x.new_empty(value.shape) for _ in range(segments) for value in states]


def _backward(
    dy: Tensor | None, dfinals: list[Tensor | None], x: Tensor, states: list[Tensor], contexts: list[Tensor],
    weights: list[Tensor], y: Tensor, kept: list[Tensor], lengths: Tensor | None,
    program: str, reverse: bool, truncate: int, checkpoint: int,
) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:  # fmt: skip
    told = cpu.programs(program)
    ready = _ready(x, states, contexts, weights)
    found = cpu.backward(
        told, *ready, y, kept, None if dy is None else cpu.lined(dy),
        [None if value is None else cpu.dense(value, x.dtype) for value in dfinals],
        _span(x, lengths, reverse, truncate, checkpoint),
    )  # fmt: skip
    dx = x.new_empty(0) if found.x is None else found.x
    return dx, list(found.states.values()), list(found.contexts.values()), found.sums


def _backward_fake(
    dy: Tensor | None, dfinals: list[Tensor | None], x: Tensor, states: list[Tensor], contexts: list[Tensor],
    weights: list[Tensor], y: Tensor, kept: list[Tensor], lengths: Tensor | None,
    program: str, reverse: bool, truncate: int, checkpoint: int,
) -> tuple[Tensor, list[Tensor], list[Tensor], list[Tensor]]:  # fmt: skip
    told = cpu.programs(program)
    assert told.backward is not None
    dx = x.new_empty(x.shape if told.dx else (0,))
    return (
        dx,
        [x.new_empty(states[index].shape) for index in told.dinitials],
        [x.new_empty(x.shape[0], *told.contexts[index]) for index in told.dcontexts],
        [x.new_empty(shape) for shape in told.sums],
    )


LIBRARY.impl("unfold", _unfold, "CPU")
LIBRARY.impl("unfold_backward", _backward, "CPU")
torch.library.register_fake("unspool::unfold", _unfold_fake, lib=LIBRARY)
torch.library.register_fake("unspool::unfold_backward", _backward_fake, lib=LIBRARY)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, list[Tensor], list[Tensor]]) -> None:
    x, states, contexts, weights, lengths, *options, _ = inputs
    y, _, kept = output
    ctx.sizes = len(states), len(contexts), len(weights), len(kept)
    ctx.options = tuple(options)
    ctx.save_for_backward(x, *states, *contexts, *weights, *kept, y, lengths)


def _derivative(ctx: Any, dy: Tensor | None, dfinals: list[Tensor | None], _: Any) -> tuple[Any, ...]:
    x, *saved, y, lengths = ctx.saved_tensors
    groups: list[list[Tensor]] = []
    for size in ctx.sizes:
        groups.append(list(saved[:size]))
        saved = saved[size:]
    states, contexts, weights, kept = groups
    program = ctx.options[0]
    told = cpu.programs(program)
    dx, dstates, dcontexts, sums = torch.ops.unspool.unfold_backward(
        dy, dfinals, x, states, contexts, weights, y, kept, lengths, *ctx.options
    )
    assert told.backward is not None
    learned, tail = tails[program]
    dweights: list[Tensor | None] = [None] * len(weights)
    for index, value in zip(learned, tail(*sums, *weights), strict=True):
        dweights[index] = value

    def placed(written: tuple[int, ...], values: list[Tensor], size: int) -> list[Tensor | None]:
        by_index = dict(zip(written, values, strict=True))
        return [by_index.get(index) for index in range(size)]

    return (
        dx if told.dx else None,
        placed(told.dinitials, dstates, len(states)),
        placed(told.dcontexts, dcontexts, len(contexts)),
        dweights, None, None, None, None, None, None,
    )  # fmt: skip


torch.library.register_autograd("unspool::unfold", _derivative, setup_context=_remember, lib=LIBRARY)
