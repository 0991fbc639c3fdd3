"""Cells of which one part makes the weights of another."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import unspool


class HyperLSTM(unspool.Cell):
    """Ha, Dai & Le 2017, "HyperNetworks": a small LSTM scales the rows of the weights of a large one."""

    def __init__(self, input_size: int, hidden_size: int, hyper: int = 6, embedding: int = 3) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size, hyper, hyper))
        self.hyper = nn.LSTMCell(input_size + hidden_size, hyper)
        self.z = nn.Linear(hyper, 3 * 4 * embedding)
        self.d = nn.Parameter(torch.randn(3, 4, embedding, hidden_size) / 10)
        self.x = nn.Linear(input_size, 4 * hidden_size, bias=False)
        self.h = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.bias = nn.Parameter(torch.zeros(4, hidden_size))

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, c, small_h, small_c = state
        small_h, small_c = self.hyper(torch.cat([x, h], 1), (small_h, small_c))
        z = self.z(small_h).view(-1, 3, 4, self.d.shape[2])
        d_x, d_h, d_b = torch.einsum("bkge,kgeh->kbgh", z, self.d)
        shape = (-1, 4, self.hidden_size)
        gates = d_x * self.x(x).view(shape) + d_h * self.h(h).view(shape) + d_b + self.bias
        i, f, g, o = gates.unbind(1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c, small_h, small_c)
