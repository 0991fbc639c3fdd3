"""All that decoding knows of a model."""

from __future__ import annotations

from typing import Any, Protocol

from torch import Tensor

from unspool.cells.state import Tree


class StepModel(Protocol):
    """A model that writes one symbol at a time.

    Its state is a value (see `unspool.cells.state`): a tree of tensors with one row per hypothesis, which decoding
    repeats, reorders and drops.
    """

    start_symbol: int
    end_symbol: int

    def start(self, source: Any) -> Tree:
        """The state before the first symbol, one row per source sentence."""
        ...

    def step(self, token: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """Log-probabilities `[R, V]` of the symbol after `token` `[R]`, and the next state."""
        ...

    def attention(self, state: Tree) -> Tensor | None:
        """Attention weights `[R, S]` of the step that led to `state`; `None` if the model has none."""
        ...
