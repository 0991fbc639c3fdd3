"""The long short-term memory unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells.base import Cell, dropped
from unspool.cells.init import chrono, recurrent_, uniform_
from unspool.errors import ConfigError


class LSTMCell(Cell):
    """Long short-term memory (Hochreiter & Schmidhuber 1997; forget gate: Gers et al. 2000)::

        i = σ(W_i x + b_i + U_i h + c_i  [+ p_i ⊙ c])
        f = σ(W_f x + b_f + U_f h + c_f  [+ p_f ⊙ c])
        g = tanh(W_g x + b_g + U_g h + c_g)
        c' = f ⊙ c + i ⊙ g
        o = σ(W_o x + b_o + U_o h + c_o  [+ p_o ⊙ c'])
        h' = o ⊙ tanh(c')   or, projected,   h' = P (o ⊙ tanh(c'))

    State: `(h, c)`. Gates are stacked i, f, g, o, as in PyTorch. Peepholes p (Gers & Schmidhuber 2000) and the
    projection P (Sak et al. 2014, https://arxiv.org/abs/1402.1128) are options.

    Args:
        input_size: I.
        hidden_size: H, width of c.
        projection_size: width of h; `None` for no projection (h is then H wide).
        peephole: let the gates see c.
        forget_bias: value of the forget gate's bias b_f + c_f (1 by default, Jozefowicz et al. 2015).
        recurrent_init: `"orthogonal"`, `"uniform"` or `"identity"`, for each gate's U.
        chrono: longest dependency in steps; sets b_f to log U(1, chrono - 1) and b_i to its negative.
        initial_state: `"zeros"` or `"learned"`.

    Example:
        >>> cell = unspool.cells.LSTMCell(3, 4, projection_size=2)
        >>> y, (h, c) = cell(torch.randn(5, 3), cell.initial_state(5))
        >>> y.shape, c.shape
        (torch.Size([5, 2]), torch.Size([5, 4]))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        projection_size: int | None = None,
        peephole: bool = False,
        forget_bias: float = 1.0,
        recurrent_init: str = "orthogonal",
        chrono: int | None = None,
        initial_state: str = "zeros",
    ) -> None:
        if projection_size is not None and not 0 < projection_size < hidden_size:
            raise ConfigError(
                f"projection_size is {projection_size}; expected 1 to {hidden_size - 1} (below H), or None"
            )
        if not isinstance(peephole, bool):
            raise ConfigError(f"peephole is {peephole!r}; expected True or False")
        output_size = hidden_size if projection_size is None else projection_size
        super().__init__(
            input_size,
            hidden_size,
            state_sizes=(output_size, hidden_size),
            output_size=output_size,
            initial_state=initial_state,
        )
        self.x = nn.Linear(input_size, 4 * hidden_size)
        self.h = nn.Linear(output_size, 4 * hidden_size)
        self.projection = None if projection_size is None else nn.Linear(hidden_size, projection_size, bias=False)
        self.peephole = nn.Parameter(torch.empty(3, hidden_size)) if peephole else None
        for module in (self.x, self.h, self.projection):
            if module is not None:
                uniform_(module, hidden_size)
        if self.peephole is not None:
            nn.init.uniform_(self.peephole, -(hidden_size**-0.5), hidden_size**-0.5)
        recurrent_(self.h.weight, recurrent_init, gates=4)
        self._remember(forget_bias, chrono)

    @torch.no_grad()
    def _remember(self, forget_bias: float, longest: int | None) -> None:
        forget = slice(self.hidden_size, 2 * self.hidden_size)
        self.h.bias[: 2 * self.hidden_size] = 0
        self.x.bias[forget] = forget_bias
        if longest is not None:
            bias = chrono(self.hidden_size, longest)
            self.x.bias[forget] = bias
            self.x.bias[: self.hidden_size] = -bias

    def forward(
        self, x: Tensor, state: tuple[Tensor, Tensor], *, mask: Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state
        i, f, g, o = (self.x(x) + self.h(dropped(h, mask))).chunk(4, -1)
        if self.peephole is not None:
            i, f = i + self.peephole[0] * c, f + self.peephole[1] * c
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        if self.peephole is not None:
            o = o + self.peephole[2] * c
        h = torch.sigmoid(o) * torch.tanh(c)
        if self.projection is not None:
            h = self.projection(h)
        return h, (h, c)
