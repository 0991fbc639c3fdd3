"""Attention of one query over a memory: which of the encoder's steps matter now."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.errors import ConfigError, one_of

SCORES = ("dot", "general", "additive")


class Attention(nn.Module):
    """Weighted mean of a memory, the weights given by how well each of its steps matches a query::

        dot:       e_s = q · m_s                     (Luong et al. 2015, https://arxiv.org/abs/1508.04025, eq. 8)
        general:   e_s = q · W m_s                   (the same)
        additive:  e_s = v · tanh(U q + W m_s)       (Bahdanau et al. 2015, https://arxiv.org/abs/1409.0473, A.1.2)
        a = softmax(e) over the valid steps,         context = Σ_s a_s m_s

    What depends on the memory alone, W m_s, is computed once: `keys = attention.keys(memory)`.

    Args:
        query_size: Q, width of the query.
        memory_size: M, width of a memory step.
        score: `"dot"` (needs Q = M), `"general"` or `"additive"`.

    Raises:
        ConfigError: unknown score, or `"dot"` with Q ≠ M.

    Example:
        >>> attention = Attention(4, 6, score="additive")
        >>> memory, mask = torch.randn(2, 5, 6), torch.ones(2, 5, dtype=torch.bool)
        >>> context, weights = attention(torch.randn(2, 4), memory, attention.keys(memory), mask)
        >>> context.shape, weights.shape
        (torch.Size([2, 6]), torch.Size([2, 5]))
    """

    def __init__(self, query_size: int, memory_size: int, *, score: str = "general") -> None:
        super().__init__()
        if score not in SCORES:
            raise ConfigError(f"attention score is {score!r}; expected {one_of(SCORES)}")
        if score == "dot" and query_size != memory_size:
            raise ConfigError(
                f"dot attention multiplies a query of {query_size} with a memory of {memory_size} features; they must "
                "be equal. Use score='general' or 'additive', or sum the encoder's directions instead of joining them"
            )
        self.score = score
        self.key = None if score == "dot" else nn.Linear(memory_size, query_size, bias=False)
        self.query = nn.Linear(query_size, query_size) if score == "additive" else None
        self.v = nn.Linear(query_size, 1, bias=False) if score == "additive" else None

    def keys(self, memory: Tensor) -> Tensor:
        """The part of the scores that depends on the memory `[B, S, M]` alone: `[B, S, Q]`."""
        return memory if self.key is None else self.key(memory)

    def forward(self, query: Tensor, memory: Tensor, keys: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Attend with `query` `[B, Q]` over `memory` `[B, S, M]` where `mask` `[B, S]` is true.

        Returns:
            context `[B, M]` and weights `[B, S]`, zero where `mask` is false.
        """
        if self.query is not None and self.v is not None:
            scores = self.v(torch.tanh(self.query(query).unsqueeze(1) + keys)).squeeze(2)
        else:
            scores = torch.bmm(query.unsqueeze(1), keys.transpose(1, 2)).squeeze(1)
        # The lowest finite number, not -inf: a row without any valid step then gives zeros, not NaN.
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
        weights = torch.softmax(scores, 1).masked_fill(~mask, 0)
        return torch.bmm(weights.unsqueeze(1), memory).squeeze(1), weights
