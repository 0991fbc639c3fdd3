"""The elementwise unit of the theory: every hidden unit is a recurrent network of its own."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from unspool.cells.base import Cell, dropped
from unspool.cells.rnn import activation
from unspool.errors import ShapeError


class ElementwiseCell(Cell):
    """Elementwise recurrent unit::

        h_t = act(u ⊙ h_{t-1} + w ⊙ x_t + b),    u, w, b ∈ R^H

    Args:
        input_size: I; must equal `hidden_size`.
        hidden_size: H.
        nonlinearity: `"tanh"` or `"relu"`.
        initial_state: `"zeros"` or `"learned"`.

    Raises:
        ShapeError: I ≠ H. Put a `Linear(I, H)` in front, or use `IndRNNCell`, which contains one.

    Example:
        >>> cell = unspool.cells.ElementwiseCell(4, 4)
        >>> h, _ = cell(torch.randn(2, 4), torch.zeros(2, 4))
        >>> h.shape
        torch.Size([2, 4])
    """

    requires_equal_sizes: ClassVar[bool] = True

    def __init__(
        self, input_size: int, hidden_size: int, *, nonlinearity: str = "tanh", initial_state: str = "zeros"
    ) -> None:
        if input_size != hidden_size:
            raise ShapeError(
                f"ElementwiseCell multiplies input and state unit by unit, so input_size must equal hidden_size; "
                f"got {input_size} and {hidden_size}. Put torch.nn.Linear({input_size}, {hidden_size}) in front "
                f"and build ElementwiseCell({hidden_size}, {hidden_size}), or use IndRNNCell"
            )
        super().__init__(input_size, hidden_size, initial_state=initial_state)
        self.activation = activation(nonlinearity)
        self.u = nn.Parameter(torch.empty(hidden_size))
        self.w = nn.Parameter(torch.empty(hidden_size))
        self.b = nn.Parameter(torch.empty(hidden_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """u, w and b ~ U(-1, 1): each unit has one input and one recurrent weight (1/√1); learned states stay."""
        for parameter in (self.u, self.w, self.b):
            nn.init.uniform_(parameter, -1, 1)

    def forward(self, x: Tensor, h: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = self.activation(self.u * dropped(h, mask) + self.w * x + self.b)
        return h, h
