"""Symbols drawn from their scores."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def drawn(scores: Tensor, top_k: int, top_p: float, uniform: Tensor) -> Tensor:
    """The symbol at which the cumulated probability of each row passes `uniform` `[R]`."""
    ranked, symbols = scores.sort(dim=1, descending=True, stable=True)
    if top_k:
        ranked[:, top_k:] = -torch.inf
    p = torch.softmax(ranked.double(), 1)
    before = p.cumsum(1) - p
    p = p.masked_fill(before >= top_p, 0)
    reached = p.cumsum(1) >= uniform.unsqueeze(1) * p.sum(1, keepdim=True)
    # The first symbol that reaches it; the most probable one can always be drawn.
    return symbols.gather(1, (reached & (p > 0)).double().argmax(1, keepdim=True)).squeeze(1)


class Draw:
    """Draws a symbol from softmax(log p / temperature), call after call; see `unspool.decode.sample`.

    Example:
        >>> draw = Draw(seed=0, temperature=0)
        >>> draw(torch.tensor([0.1, 0.7, 0.2]).log())
        1
    """

    def __init__(self, *, seed: int, temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0) -> None:
        self._random = np.random.default_rng(seed)
        self._temperature, self._top_k, self._top_p = temperature, top_k, top_p

    def __call__(self, scores: Tensor) -> int:
        """The symbol drawn, given log-probabilities `[V]`; of equals the lowest at temperature 0."""
        if self._temperature == 0:
            return int(scores.argmax())
        uniform = torch.tensor([self._random.random()], dtype=torch.float64)
        # The largest score becomes 0, so that no temperature, however small, makes all of them infinite.
        sharp = (scores - scores.max()) / max(self._temperature, 1e-30)
        return int(drawn(sharp.unsqueeze(0), self._top_k, self._top_p, uniform))
