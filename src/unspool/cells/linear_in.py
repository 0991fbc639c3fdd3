"""A cell with a `Linear` in front, for cells that need an input of a certain width."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unspool.cells.base import Cell
from unspool.cells.state import Tree


class LinearIn(Cell):
    """`cell`, fed by `W x + b`: the fix that `ElementwiseCell` asks for where I ≠ H.

    Layers put it there by themselves for cells with `requires_equal_sizes`. Same contract as any cell.

    Example:
        >>> cell = unspool.cells.LinearIn(3, unspool.cells.ElementwiseCell(4, 4))
        >>> y, h = unspool.unfold(cell, torch.randn(2, 5, 3))
        >>> y.shape, h.shape
        (torch.Size([2, 5, 4]), torch.Size([2, 4]))
    """

    def __init__(self, input_size: int, cell: Cell) -> None:
        super().__init__(input_size, cell.hidden_size, state_sizes=cell.state_sizes, output_size=cell.output_size)
        self.linear = nn.Linear(input_size, cell.input_size)
        self.cell = cell

    def initial_state(
        self, batch: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Tree:
        return self.cell.initial_state(batch, dtype=dtype, device=device)

    def forward(self, x: Tensor, state: Tree, *context: Any, **mask: Any) -> tuple[Tensor, Tree]:
        return self.cell(self.linear(x), state, *context, **mask)
