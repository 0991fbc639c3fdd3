"""A cell that no library has, for `multi30k.py`: what a user might try on an afternoon."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool import Cell


class ReadBackCell(Cell):
    """An LSTM with one gate for keeping and for entering, that normalises its memory before it reads it back::

    k = σ(W_k x + U_k h + b_k)
    o = σ(W_o x + U_o h + b_o)
    v = tanh(W_v x + U_v h + b_v)
    c' = k ⊙ c + (1 - k) ⊙ v
    h' = o ⊙ tanh(LayerNorm(c'))
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.x = nn.Linear(input_size, 3 * hidden_size)
        self.h = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.norm = nn.LayerNorm(hidden_size)
        nn.init.constant_(self.x.bias[:hidden_size], 1.0)  # it keeps more than it takes in, to begin with

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state
        k, o, v = (self.x(x) + self.h(h)).chunk(3, -1)
        k = torch.sigmoid(k)
        c = k * c + (1 - k) * torch.tanh(v)
        h = torch.sigmoid(o) * torch.tanh(self.norm(c))
        return h, (h, c)
