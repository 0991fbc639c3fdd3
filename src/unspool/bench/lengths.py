"""Sections `ragged` and `long`: rows of different lengths, beside `torch.nn` on packed sequences.

Every contestant is given the padded batch and gives padded outputs; packing and unpacking are part of the peer's time,
as they are part of its user's. The truth is `torch.nn` in float64 on the padded batch: forwards in time, padding that
no cotangent reaches changes no gradient.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from unspool.bench.case import Bench, Case, Row, Section, compare, seeded
from unspool.bench.step import GATES, flat_weights, gradients, grid, leaf, operations
from unspool.cells import Cell, GRUCell, LSTMCell
from unspool.unfold import unfold

KINDS: dict[str, tuple[type[Cell], Callable[..., nn.RNNBase]]] = {"lstm": (LSTMCell, nn.LSTM), "gru": (GRUCell, nn.GRU)}
Run = Callable[[], dict[str, Tensor]]


def ragged(bench: Bench) -> Section:
    """Lengths uniform in T/4 … T; and how time follows their sum."""
    title = "ragged: LSTM training step, lengths uniform in [T/4, T], beside packed torch.nn.LSTM"
    found = Section("ragged", title)
    for time, batch, hidden in grid(bench.quick):
        row = compare(_case("lstm", time, batch, hidden, hidden, shortest=time // 4, full=True), bench)
        found.rows.append(_following(row, time * batch))
    found.notes.append("of the time: ours beside ours with full lengths; of the steps: the sum of lengths over T·B")
    return found


def long(bench: Bench) -> Section:
    """A thousand steps."""
    title = "long: training step, lengths uniform in [T/2, T], beside packed torch.nn"
    time, batch, inputs, hidden = (60, 8, 10, 32) if bench.quick else (1000, 32, 80, 128)
    found = Section("long", title)
    for kind in KINDS:
        found.rows.append(compare(_case(kind, time, batch, inputs, hidden, shortest=time // 2), bench))
    return found


def _following(row: Row, full: int) -> Row:
    if row.right:
        row.more = {
            "of the steps": row.sizes["steps"] / full,
            "of the time": row.seconds["unspool"].best / row.seconds["full lengths"].best,
        }
    return row


def _case(kind: str, time: int, batch: int, inputs: int, hidden: int, *, shortest: int, full: bool = False) -> Case:
    seeded()
    own, theirs = KINDS[kind]
    judge = theirs(inputs, hidden, batch_first=True)
    lengths = torch.randint(max(1, shortest), time + 1, (batch,))
    lengths[0] = time
    valid = (torch.arange(time) < lengths.unsqueeze(1)).unsqueeze(2)
    x, cotangent = torch.randn(batch, time, inputs) * valid, torch.randn(batch, time, hidden) * valid
    cell = same_weights(own(inputs, hidden), judge)
    steps = int(lengths.sum())
    return Case(
        f"{kind.upper()} T={time} B={batch} I={inputs} H={hidden}",
        {"T": time, "B": batch, "I": inputs, "H": hidden, "steps": steps},
        ours={"unspool": _unfolded(cell, x, lengths, cotangent)},
        peers={f"packed torch.nn.{kind.upper()}": _packed(judge, x, lengths, cotangent)},
        truth=_padded(copy.deepcopy(judge).double(), x, valid, cotangent),
        beside={"full lengths": _unfolded(cell, x, None, cotangent)} if full else {},
        operations=operations(steps, GATES[kind], inputs, hidden),
    )


NAMES = {
    "x.weight": "weight_ih_l0", "h.weight": "weight_hh_l0", "x.bias": "bias_ih_l0", "h.bias": "bias_hh_l0",
}  # fmt: skip
"""What a cell's parameters are called in `torch.nn`."""


def same_weights(cell: Cell, judge: nn.RNNBase) -> Cell:
    """`cell` with the weights of `judge`."""
    theirs = judge.state_dict()
    cell.load_state_dict({name: theirs[other] for name, other in NAMES.items()})
    return cell


def _unfolded(cell: Cell, x: Tensor, lengths: Tensor | None, cotangent: Tensor) -> Run:
    own = leaf(x)
    leaves = {"x": own, **{NAMES[name]: value for name, value in cell.named_parameters()}}
    return lambda: gradients({"y": unfold(cell, own, lengths=lengths)[0]}, leaves, {"y": cotangent})


def _packed(net: Any, x: Tensor, lengths: Tensor, cotangent: Tensor) -> Run:
    own = leaf(x)
    leaves = {"x": own, **flat_weights(net)}

    def step() -> dict[str, Tensor]:
        packed = pack_padded_sequence(own, lengths, batch_first=True, enforce_sorted=False)
        y, _ = pad_packed_sequence(net(packed)[0], batch_first=True, total_length=x.shape[1])
        return gradients({"y": y}, leaves, {"y": cotangent})

    return step


def _padded(net: Any, x: Tensor, valid: Tensor, cotangent: Tensor) -> Run:
    own = leaf(x, torch.float64)
    leaves = {"x": own, **flat_weights(net)}
    return lambda: gradients({"y": net(own)[0] * valid}, leaves, {"y": cotangent.double()})
