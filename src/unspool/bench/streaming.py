"""Section `stream`: steps as they come, from Python, without gradient."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from unspool.bench.case import Bench, Case, Section, compare, seeded
from unspool.bench.lengths import same_weights
from unspool.cells import LSTMCell
from unspool.layers.stream import stream

CHUNK = 64
Run = Callable[[], dict[str, Tensor]]


def section(bench: Bench) -> Section:
    title = "stream: an LSTM with state, B=1 H=64, no gradient; times are of one push"
    return Section("stream", title, [compare(case(size, bench), bench) for size in (1, CHUNK)])


def case(chunk: int, bench: Bench, hidden: int = 64) -> Case:
    """A sequence pushed in chunks of so many steps; each run begins anew, so setting up is in its time."""
    seeded()
    pushes = 20 if bench.quick else 2000 if chunk == 1 else 100
    judge = nn.LSTM(hidden, hidden, batch_first=True)
    cell = same_weights(LSTMCell(hidden, hidden), judge)
    x = torch.randn(1, pushes * chunk, hidden)
    peers: dict[str, Run] = {"torch.nn.LSTM": _layer(judge, x, chunk)}
    if chunk == 1:
        peers["torch.nn.LSTMCell"] = _cell(_as_cell(judge), x)
    return Case(
        f"chunks of {chunk}" if chunk > 1 else "step by step",
        {"B": 1, "T": chunk, "I": hidden, "H": hidden},
        ours={"unspool": _stream(cell, x, chunk)},
        peers=peers,
        truth=_layer(copy.deepcopy(judge).double(), x, x.shape[1]),
        units=pushes,
    )


def _as_cell(layer: nn.LSTM) -> nn.LSTMCell:
    made = nn.LSTMCell(layer.input_size, layer.hidden_size)
    made.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})
    return made


def _stream(cell: Any, x: Tensor, chunk: int) -> Run:
    parts = x.unbind(1) if chunk == 1 else x.split(chunk, 1)
    joined = torch.stack if chunk == 1 else torch.cat

    @torch.no_grad()
    def run() -> dict[str, Tensor]:
        s = stream(cell, batch=1)
        return {"y": joined([s.push(part) for part in parts], 1)}

    return run


def _layer(net: Any, x: Tensor, chunk: int) -> Run:
    dtype = next(net.parameters()).dtype
    parts = x.to(dtype).split(chunk, 1)

    @torch.no_grad()
    def run() -> dict[str, Tensor]:
        outputs, state = [], None
        for part in parts:
            y, state = net(part, state)
            outputs.append(y)
        return {"y": torch.cat(outputs, 1)}

    return run


def _cell(net: nn.LSTMCell, x: Tensor) -> Run:
    parts = x.unbind(1)

    @torch.no_grad()
    def run() -> dict[str, Tensor]:
        outputs, state = [], None
        for part in parts:
            state = net(part, state)
            outputs.append(state[0])
        return {"y": torch.stack(outputs, 1)}

    return run
