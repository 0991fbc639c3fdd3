"""The gated recurrent unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells.base import Cell, dropped
from unspool.cells.init import chrono, recurrent_, uniform_
from unspool.errors import ConfigError, one_of

RESETS = ("after", "before")


class GRUCell(Cell):
    """Gated recurrent unit (Cho et al. 2014, https://arxiv.org/abs/1406.1078)::

        r = σ(W_r x + b_r + U_r h + c_r)
        z = σ(W_z x + b_z + U_z h + c_z)
        n = tanh(W_n x + b_n + r ⊙ (U_n h + c_n))      reset="after" the product (PyTorch's, cuDNN's)
        n = tanh(W_n x + b_n + U_n (r ⊙ h) + c_n)      reset="before" the product (the paper's)
        h' = (1 - z) ⊙ n + z ⊙ h

    Gates are stacked r, z, n, as in PyTorch.

    Args:
        input_size: I.
        hidden_size: H.
        reset: `"after"` or `"before"` the recurrent product.
        recurrent_init: `"orthogonal"`, `"uniform"` or `"identity"`, for each of U_r, U_z, U_n.
        chrono: longest dependency in steps; sets b_z to log U(1, chrono - 1) and c_z to 0.
        initial_state: `"zeros"` or `"learned"`.

    Example:
        >>> cell = unspool.cells.GRUCell(3, 4, chrono=100)
        >>> h, _ = cell(torch.randn(2, 3), torch.zeros(2, 4))
        >>> h.shape
        torch.Size([2, 4])
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        reset: str = "after",
        recurrent_init: str = "orthogonal",
        chrono: int | None = None,
        initial_state: str = "zeros",
    ) -> None:
        super().__init__(input_size, hidden_size, initial_state=initial_state)
        if reset not in RESETS:
            raise ConfigError(f"reset is {reset!r}; expected {one_of(RESETS)}")
        self.reset = reset
        self.x = nn.Linear(input_size, 3 * hidden_size)
        self.h = nn.Linear(hidden_size, 3 * hidden_size)
        uniform_(self.x, hidden_size)
        uniform_(self.h, hidden_size)
        recurrent_(self.h.weight, recurrent_init, gates=3)
        if chrono is not None:
            self._remember(chrono)

    @torch.no_grad()
    def _remember(self, longest: int) -> None:
        update = slice(self.hidden_size, 2 * self.hidden_size)
        self.x.bias[update] = chrono(self.hidden_size, longest)
        self.h.bias[update] = 0

    def forward(self, x: Tensor, h: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        xr, xz, xn = self.x(x).chunk(3, -1)
        seen = dropped(h, mask)
        if self.reset == "after":
            hr, hz, hn = self.h(seen).chunk(3, -1)
            r = torch.sigmoid(xr + hr)
            n = torch.tanh(xn + r * hn)
        else:
            gates, candidate = self.h.weight.split([2 * self.hidden_size, self.hidden_size])
            gates_bias, candidate_bias = self.h.bias.split([2 * self.hidden_size, self.hidden_size])
            hr, hz = nn.functional.linear(seen, gates, gates_bias).chunk(2, -1)
            r = torch.sigmoid(xr + hr)
            n = torch.tanh(xn + nn.functional.linear(r * seen, candidate, candidate_bias))
        z = torch.sigmoid(xz + hz)
        h = n + z * (h - n)
        return h, h
