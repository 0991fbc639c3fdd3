"""Published recurrent cells, each written as a user would write it: PyTorch and nothing else.

`PUBLISHED` names them all; `example` draws inputs, a state and a context for one of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import unspool
from published import dynamics, elman, gates, hyper, linear, lstms, memories
from unspool.cells.state import Tree, map_tensors

PUBLISHED: dict[str, Callable[[int, int], unspool.Cell]] = {
    "antisymmetric-rnn": dynamics.AntisymmetricRNN,
    "attention-decoder": memories.AttentionDecoder,
    "cfc": dynamics.CfC,
    "clockwork-rnn": elman.ClockworkRNN,
    "conv-lstm": memories.ConvLSTM,
    "cornn": dynamics.CoRNN,
    "coupled-lstm": lstms.CoupledLSTM,
    "deltanet": memories.DeltaNet,
    "exprnn": elman.ExpRNN,
    "fast-weights": memories.FastWeights,
    "fastgrnn": gates.FastGRNN,
    "fastrnn": elman.FastRNN,
    "group-gru": gates.GroupGRU,
    "gru-d": gates.GRUD,
    "hyper-lstm": hyper.HyperLSTM,
    "indrnn": elman.IndRNN,
    "janet": lstms.JANET,
    "layernorm-lstm": lstms.LayerNormLSTM,
    "lem": dynamics.LEM,
    "ligru": gates.LiGRU,
    "lipschitz-rnn": dynamics.LipschitzRNN,
    "lmu": dynamics.LMU,
    "ltc": dynamics.LTC,
    "luong-decoder": memories.LuongDecoder,
    "mamba": linear.Mamba,
    "matrix-lstm": memories.MatrixLSTM,
    "mgu": gates.MGU,
    "mingru": gates.MinGRU,
    "multiplicative-integration": elman.MultiplicativeIntegration,
    "multiplicative-lstm": lstms.MultiplicativeLSTM,
    "multiplicative-rnn": elman.MultiplicativeRNN,
    "mut1": gates.MUT1,
    "nested-lstm": lstms.NestedLSTM,
    "on-lstm": lstms.OrderedNeuronsLSTM,
    "orthogonal-rnn": elman.OrthogonalRNN,
    "peephole-lstm": lstms.PeepholeLSTM,
    "phased-lstm": lstms.PhasedLSTM,
    "projected-lstm": lstms.ProjectedLSTM,
    "qrnn": linear.QRNN,
    "ran": linear.RAN,
    "recurrent-highway": elman.RecurrentHighway,
    "rg-lru": linear.GriffinRGLRU,
    "rwkv": linear.RWKV,
    "scrn": elman.SCRN,
    "skip-rnn": elman.SkipRNN,
    "slstm": lstms.SLSTM,
    "sru": linear.SRU,
    "star": gates.STAR,
    "ugrnn": gates.UGRNN,
    "unicornn": dynamics.UnICORNN,
}
"""Name → factory(input_size, hidden_size). Sizes that suit all: I a multiple of 3, H one of 4."""

REMEMBERING = ("attention-decoder", "luong-decoder")
"""Cells that attend to the steps of a memory, their context."""


def example(
    name: str, batch: int, time: int, input_size: int, hidden_size: int, *, dtype: torch.dtype = torch.float64
) -> tuple[Any, Tensor, Tree, Tree]:
    """The cell `name`, inputs `[B, T, I]`, a state and a context: random, and all with gradient."""
    cell = PUBLISHED[name](input_size, hidden_size).to(dtype)
    with torch.no_grad():
        for parameter in cell.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    x = torch.randn(batch, time, input_size, dtype=dtype, requires_grad=True)
    state = map_tensors(torch.randn_like, cell.initial_state(batch, dtype=dtype))
    state = map_tensors(lambda v: v.requires_grad_(), _within_bounds(name, state))
    if name not in REMEMBERING:
        return cell, x, state, None
    memory = torch.randn(batch, 7, hidden_size, dtype=dtype, requires_grad=True)
    mask = torch.arange(7) < torch.randint(1, 8, (batch, 1))
    return cell, x, state, {"memory": memory, "mask": mask}


def _within_bounds(name: str, state: Tree) -> Tree:
    """A state as the cell itself could have made it: a step count that is whole, a sum of weights that is positive."""
    if name == "clockwork-rnn":
        return state[0], torch.randint_like(state[1], 8)
    if name == "skip-rnn":
        return state[0], torch.rand_like(state[1])
    if name == "slstm":
        h, c, n, m = state
        return h, c, 0.5 + n.abs(), m
    if name == "rwkv":
        top, bottom, largest, previous = state
        return top, 0.5 + bottom.abs(), largest, previous
    return state
