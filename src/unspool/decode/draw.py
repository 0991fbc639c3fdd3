"""One sequence drawn symbol by symbol, by whoever holds its scores."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unspool.decode.follow import _draw


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
        return int(_draw(sharp.unsqueeze(0), self._top_k, self._top_p, uniform))
