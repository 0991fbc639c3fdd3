"""The independently recurrent unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells.base import Cell, dropped
from unspool.cells.init import uniform_
from unspool.cells.rnn import activation


class IndRNNCell(Cell):
    """Independently recurrent unit (Li et al. 2018, https://arxiv.org/abs/1803.04831, equation 2)::

        h_t = act(W x_t + b + u ⊙ h_{t-1}),    W ∈ R^{H×I},  u ∈ R^H

    Args:
        input_size: I.
        hidden_size: H.
        nonlinearity: `"relu"` (the paper's) or `"tanh"`.
        initial_state: `"zeros"` or `"learned"`.

    Example:
        >>> h, _ = unspool.cells.IndRNNCell(3, 4)(torch.randn(2, 3), torch.zeros(2, 4))
        >>> h.shape
        torch.Size([2, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, nonlinearity: str = "relu", initial_state: str = "zeros"
    ) -> None:
        super().__init__(input_size, hidden_size, initial_state=initial_state)
        self.activation = activation(nonlinearity)
        self.x = nn.Linear(input_size, hidden_size)
        self.u = nn.Parameter(torch.empty(hidden_size))
        uniform_(self.x, hidden_size)
        nn.init.uniform_(self.u, 0, 1)  # the paper's choice for short and medium sequences

    def forward(self, x: Tensor, h: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = self.activation(self.x(x) + self.u * dropped(h, mask))
        return h, h
