"""The gated recurrent unit with layer normalisation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells.base import Cell, dropped
from unspool.cells.init import recurrent_, uniform_


class LayerNormGRUCell(Cell):
    """GRU whose products are normalised over the units (Ba et al. 2016, https://arxiv.org/abs/1607.06450)::

        [x_r, x_z, x_n] = LN_x(W x)                    LN over all 3H values of a row, gain and bias learned
        [h_r, h_z, h_n] = LN_h(U h)
        r = σ(x_r + h_r),  z = σ(x_z + h_z)
        n = tanh(x_n + r ⊙ h_n)
        h' = (1 - z) ⊙ n + z ⊙ h

    Args:
        input_size: I.
        hidden_size: H.
        recurrent_init: `"orthogonal"`, `"uniform"` or `"identity"`, for each gate's U.
        initial_state: `"zeros"` or `"learned"`.

    Example:
        >>> h, _ = unspool.cells.LayerNormGRUCell(3, 4)(torch.randn(2, 3), torch.zeros(2, 4))
        >>> h.shape
        torch.Size([2, 4])
    """

    def __init__(
        self, input_size: int, hidden_size: int, *, recurrent_init: str = "orthogonal", initial_state: str = "zeros"
    ) -> None:
        super().__init__(input_size, hidden_size, initial_state=initial_state)
        self.x = nn.Linear(input_size, 3 * hidden_size, bias=False)
        self.h = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        self.norm_x = nn.LayerNorm(3 * hidden_size)
        self.norm_h = nn.LayerNorm(3 * hidden_size)
        uniform_(self.x, hidden_size)
        uniform_(self.h, hidden_size)
        recurrent_(self.h.weight, recurrent_init, gates=3)

    def forward(self, x: Tensor, h: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        xr, xz, xn = self.norm_x(self.x(x)).chunk(3, -1)
        hr, hz, hn = self.norm_h(self.h(dropped(h, mask))).chunk(3, -1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        n = torch.tanh(xn + r * hn)
        h = n + z * (h - n)
        return h, h
