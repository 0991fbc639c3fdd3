"""The cells of section `custom`: what a user might write, and no library has a kernel for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from unspool.cells import Cell, GRUCell, LayerNormGRUCell
from unspool.cells.state import Tree

HEADS = 4
SOURCE = 20
"""S, steps of the memory that the decoder attends to."""


class SLSTMCell(Cell):
    """LSTM with exponential gates and their stabiliser (Beck et al. 2024, https://arxiv.org/abs/2405.04517, eq. 8-17)::

    i, f, z, o = W x + b + U h
    m' = max(log σ(f) + m, i)
    i' = exp(i - m'),  f' = exp(log σ(f) + m - m')
    c' = f' ⊙ c + i' ⊙ tanh(z),  n' = f' ⊙ n + i'
    h' = σ(o) ⊙ c' / n'
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size,) * 4)
        self.x = nn.Linear(input_size, 4 * hidden_size)
        self.h = nn.Linear(hidden_size, 4 * hidden_size, bias=False)

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, c, n, m = state
        i, f, z, o = (self.x(x) + self.h(h)).chunk(4, -1)
        kept = logsigmoid(f) + m
        m = torch.maximum(kept, i)
        enter, keep = torch.exp(i - m), torch.exp(kept - m)
        c, n = keep * c + enter * torch.tanh(z), keep * n + enter
        h = torch.sigmoid(o) * c / n
        return h, (h, c, n, m)


class HeadsGRUCell(Cell):
    """GRU whose recurrent matrices are block-diagonal: `HEADS` heads that see each other through the inputs alone."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        size = hidden_size // HEADS
        self.x = nn.Linear(input_size, 3 * hidden_size)
        self.u = nn.Parameter(torch.randn(HEADS, size, 3 * size) / size**0.5)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        heads = h.unflatten(-1, (HEADS, -1))
        xr, xz, xn = self.x(x).unflatten(-1, (HEADS, -1)).chunk(3, -1)
        hr, hz, hn = torch.einsum("bnd,nde->bne", heads, self.u).chunk(3, -1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        n = torch.tanh(xn + r * hn)
        h = ((1 - z) * n + z * heads).flatten(-2)
        return h, h


class AttendingCell(Cell):
    """A decoder's step: additive attention over a memory with h as the query, then a GRU over [x ; what it found]."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.query = nn.Linear(hidden_size, hidden_size)
        self.v = nn.Linear(hidden_size, 1, bias=False)
        self.gru = GRUCell(input_size + hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor, context: Tree) -> tuple[Tensor, Tensor]:
        scores = self.v(torch.tanh(self.query(h).unsqueeze(1) + context["keys"])).squeeze(2)
        weights = torch.softmax(scores.masked_fill(~context["mask"], torch.finfo(scores.dtype).min), 1)
        found = torch.bmm(weights.unsqueeze(1), context["memory"]).squeeze(1)
        return self.gru(torch.cat([x, found], -1), h)


@dataclass(frozen=True)
class Own:
    """A cell, and the multiply-adds of its products for one row in one step, given I, H and S."""

    make: Callable[[int, int], Cell]
    products: Callable[[int, int, int], int]
    attends: bool = False


def _reset_before(input_size: int, hidden_size: int) -> Cell:
    return GRUCell(input_size, hidden_size, reset="before")


OWN = {
    "layer-norm GRU": Own(LayerNormGRUCell, lambda i, h, s: 3 * h * (i + h)),
    "sLSTM": Own(SLSTMCell, lambda i, h, s: 4 * h * (i + h)),
    "GRU, reset before": Own(_reset_before, lambda i, h, s: 3 * h * (i + h)),
    "GRU of 4 heads": Own(HeadsGRUCell, lambda i, h, s: 3 * h * (i + h // HEADS)),
    "attending GRU": Own(AttendingCell, lambda i, h, s: 3 * h * (i + 2 * h) + h * h + 2 * s * h, attends=True),
}


def context_of(own: Own, batch: int, hidden: int, source: int) -> Tree:
    """What the cell sees of a source: memory and keys `[B, S, H]`, and a mask `[B, S]` of lengths in S/2 … S."""
    if not own.attends:
        return None
    lengths = torch.randint(source // 2, source + 1, (batch, 1))
    memory, keys = torch.randn(batch, source, hidden), torch.randn(batch, source, hidden)
    return {"memory": memory, "keys": keys, "mask": torch.arange(source) < lengths}
