"""Sections `lstm`, `gru` and `rnn`: a training step of a drop-in beside `torch.nn`'s layer of the same name."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import nn

from unspool.bench.case import Bench, Case, Section, compare, seeded
from unspool.bench.step import GATES, grid, layer_step, operations
from unspool.layers.dropins import GRU, LSTM, RNN

PAIRS: dict[str, tuple[Callable[..., nn.RNNBase], Callable[..., nn.RNNBase]]] = {
    "lstm": (LSTM, nn.LSTM),
    "gru": (GRU, nn.GRU),
    "rnn": (RNN, nn.RNN),
}


def section(name: str) -> Callable[[Bench], Section]:
    """The section of one kind of layer."""

    def run(bench: Bench) -> Section:
        title = f"{name}: training step of unspool.{name.upper()} and torch.nn.{name.upper()}, [B, T, I] with I = H"
        return Section(name, title, [compare(case(name, *sizes), bench) for sizes in grid(bench.quick)])

    return run


def case(kind: str, time: int, batch: int, hidden: int) -> Case:
    """Outputs, final states and all gradients, from random states and under random cotangents."""
    seeded()
    ours, theirs = PAIRS[kind]
    judge = theirs(hidden, hidden, batch_first=True)
    own = ours(hidden, hidden, batch_first=True)
    own.load_state_dict(judge.state_dict())
    x = torch.randn(batch, time, hidden)
    state = [torch.randn(1, batch, hidden) for _ in range(2 if kind == "lstm" else 1)]
    cotangents = {"y": torch.randn_like(x), **{f"final {i}": torch.randn_like(v) for i, v in enumerate(state)}}
    name = f"torch.nn.{kind.upper()}"
    return Case(
        f"T={time} B={batch} H={hidden}",
        {"T": time, "B": batch, "I": hidden, "H": hidden},
        ours={"unspool": layer_step(own, x, state, cotangents)},
        peers={name: layer_step(judge, x, state, cotangents)},
        truth=layer_step(copy.deepcopy(judge).double(), x, state, cotangents),
        operations=operations(time * batch, GATES[kind], hidden, hidden),
    )
