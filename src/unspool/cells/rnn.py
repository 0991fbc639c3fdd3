"""The Elman unit."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from unspool.cells.base import Cell, dropped
from unspool.cells.init import recurrent_, uniform_
from unspool.errors import ConfigError, one_of

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh, "relu": torch.relu}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """The elementwise function called `name`: `"tanh"` or `"relu"`; anything else is a `ConfigError`."""
    if name not in ACTIVATIONS:
        raise ConfigError(f"nonlinearity is {name!r}; expected {one_of(ACTIVATIONS)}")
    return ACTIVATIONS[name]


class RNNCell(Cell):
    """Elman unit (Elman 1990, "Finding structure in time")::

        h_t = act(W x_t + b + U h_{t-1} + c)

    Args:
        input_size: I.
        hidden_size: H.
        nonlinearity: `"tanh"` or `"relu"`.
        recurrent_init: `"orthogonal"`, `"uniform"` or `"identity"` (IRNN, with `nonlinearity="relu"`), for U.
        initial_state: `"zeros"` or `"learned"`.

    Example:
        >>> cell = unspool.cells.RNNCell(3, 4, nonlinearity="relu", recurrent_init="identity")
        >>> torch.equal(cell.h.weight, torch.eye(4))
        True
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        nonlinearity: str = "tanh",
        recurrent_init: str = "orthogonal",
        initial_state: str = "zeros",
    ) -> None:
        super().__init__(input_size, hidden_size, initial_state=initial_state)
        self.activation = activation(nonlinearity)
        self.x = nn.Linear(input_size, hidden_size)
        self.h = nn.Linear(hidden_size, hidden_size)
        uniform_(self.x, hidden_size)
        uniform_(self.h, hidden_size)
        recurrent_(self.h.weight, recurrent_init)

    def forward(self, x: Tensor, h: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = self.activation(self.x(x) + self.h(dropped(h, mask)))
        return h, h
