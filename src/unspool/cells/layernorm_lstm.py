"""The long short-term memory unit with layer normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells.base import Cell, dropped
from unspool.cells.init import recurrent_, uniform_


class LayerNormLSTMCell(Cell):
    """LSTM with layer normalisation (Ba et al. 2016, https://arxiv.org/abs/1607.06450, equations 20 to 22)::

        [i, f, g, o] = LN_x(W x) + LN_h(U h)           LN over all 4H values of a row, gain and bias learned
        c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g)
        h' = σ(o) ⊙ tanh(LN_c(c'))

    State: `(h, c)`.

    Args:
        input_size: I.
        hidden_size: H.
        forget_bias: start value of the forget gate's bias (in LN_x).
        recurrent_init: `"orthogonal"`, `"uniform"` or `"identity"`, for each gate's U.
        initial_state: `"zeros"` or `"learned"`.

    Example:
        >>> cell = unspool.cells.LayerNormLSTMCell(3, 4)
        >>> y, (h, c) = cell(torch.randn(2, 3), cell.initial_state(2))
        >>> torch.equal(y, h)
        True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        forget_bias: float = 1.0,
        recurrent_init: str = "orthogonal",
        initial_state: str = "zeros",
    ) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size), initial_state=initial_state)
        self.x = nn.Linear(input_size, 4 * hidden_size, bias=False)
        self.h = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.norm_x = nn.LayerNorm(4 * hidden_size)
        self.norm_h = nn.LayerNorm(4 * hidden_size)
        self.norm_c = nn.LayerNorm(hidden_size)
        uniform_(self.x, hidden_size)
        uniform_(self.h, hidden_size)
        recurrent_(self.h.weight, recurrent_init, gates=4)
        with torch.no_grad():
            self.norm_x.bias[hidden_size : 2 * hidden_size] = forget_bias

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor], *, mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state
        i, f, g, o = (self.norm_x(self.x(x)) + self.norm_h(self.h(dropped(h, mask)))).chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(self.norm_c(c))
        return h, (h, c)
