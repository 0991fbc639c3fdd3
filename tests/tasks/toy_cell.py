"""A cell as a user writes one."""

from __future__ import annotations

import torch
from torch import nn

import unspool


class Leaky(unspool.Cell):
    """A cell of the user's own."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.x, self.h = nn.Linear(input_size, hidden_size), nn.Linear(hidden_size, hidden_size)

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        h = 0.5 * h + 0.5 * torch.tanh(self.x(x) + self.h(h))
        return h, h
