"""A linear-chain conditional random field: scores of neighbouring tags on top of scores of each step's tags."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class LinearChain(nn.Module):
    """The probability of a whole row of tags, given the scores `s` of each step::

        score(y) = a_{y_1} + Σ_t s_{t, y_t} + Σ_{t>1} A_{y_{t-1}, y_t} + e_{y_T}
        p(y)     = exp score(y) / Z,      Z = Σ over all rows of tags y' of exp score(y')

    with learned `start` a `[K]`, `transition` A `[K, K]` and `end` e `[K]`. Sums run forward over time in log space;
    a row of length 0 has the one empty row of tags, of probability 1. Scores past a row's end may be anything, NaN too.
    Source: Lafferty, McCallum & Pereira 2001, https://repository.upenn.edu/handle/20.500.14332/6188.

    Args:
        tags: K.

    Example:
        >>> chain = LinearChain(3)
        >>> scores, tags, lengths = torch.zeros(1, 2, 3), torch.tensor([[0, 2]]), torch.tensor([2])
        >>> round(chain.log_likelihood(scores, tags, lengths).exp().item(), 4)  # 9 rows of tags are equally likely
        0.1111
    """

    def __init__(self, tags: int) -> None:
        super().__init__()
        self.start = nn.Parameter(torch.zeros(tags))
        self.transition = nn.Parameter(torch.zeros(tags, tags))
        self.end = nn.Parameter(torch.zeros(tags))

    def log_likelihood(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """log p of each row of tags: `[B]`.

        Args:
            scores: `[B, T, K]`.
            tags: `[B, T]`, int64; past a row's end they may be anything.
            lengths: `[B]`.
        """
        return self.score(scores, tags, lengths) - self.log_partition(scores, lengths)

    def score(self, scores: Tensor, tags: Tensor, lengths: Tensor) -> Tensor:
        """The score of each row of tags: `[B]`."""
        inside = within(scores, lengths)
        if not scores.shape[1]:
            return scores.new_zeros(scores.shape[0])
        tags = tags.masked_fill(~inside, 0)
        steps = scores.gather(2, tags.unsqueeze(2)).squeeze(2).masked_fill(~inside, 0).sum(1)
        moves = self.transition[tags[:, :-1], tags[:, 1:]].masked_fill(~inside[:, 1:], 0).sum(1)
        last = tags.gather(1, (lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
        return steps + moves + (self.start[tags[:, 0]] + self.end[last]).masked_fill(lengths == 0, 0)

    def log_partition(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """log Z of each row: `[B]`."""
        inside = within(scores, lengths)
        if not scores.shape[1]:
            return scores.new_zeros(scores.shape[0])
        scores = scores.masked_fill(~inside.unsqueeze(2), 0)
        sums = self.start + scores[:, 0]
        for t in range(1, scores.shape[1]):
            longer = torch.logsumexp(sums.unsqueeze(2) + self.transition, 1) + scores[:, t]
            sums = torch.where(inside[:, t : t + 1], longer, sums)
        return torch.logsumexp(sums + self.end, 1).masked_fill(lengths == 0, 0)

    def marginals(self, scores: Tensor, lengths: Tensor) -> Tensor:
        """p(y_t = k) of every step, 0 past a row's end: `[B, T, K]`. They are the gradient of log Z by the scores."""
        with torch.enable_grad():
            scores = scores.detach().requires_grad_()
            return torch.autograd.grad(self.log_partition(scores, lengths).sum(), scores)[0]


def viterbi(scores: Tensor, lengths: Tensor, *, start: Tensor, transition: Tensor, end: Tensor) -> Tensor:
    """The row of tags with the highest score (see `LinearChain`): `[B, T]`, 0 past a row's end.

    Args:
        scores: `[B, T, K]`; past a row's end they may be anything, NaN too.
        lengths: `[B]`.
        start, transition, end: `[K]`, `[K, K]`, `[K]`.

    Example:
        >>> scores, none = torch.tensor([[[2.0, 0.0], [1.0, 0.0]]]), torch.zeros(2)
        >>> never_twice = torch.tensor([[-9.0, 0.0], [0.0, -9.0]])
        >>> viterbi(scores, torch.tensor([2]), start=none, transition=never_twice, end=none).tolist()
        [[0, 1]]
    """
    inside = within(scores, lengths)
    rows, steps, tags = scores.shape
    if not steps:
        return inside.long()
    scores = scores.masked_fill(~inside.unsqueeze(2), 0)
    stay = torch.arange(tags, device=scores.device).expand(rows, tags)
    best, before = start + scores[:, 0], [stay]
    for t in range(1, steps):
        value, at = (best.unsqueeze(2) + transition).max(1)
        best = torch.where(inside[:, t : t + 1], value + scores[:, t], best)
        before.append(torch.where(inside[:, t : t + 1], at, stay))
    path = [(best + end).argmax(1)]
    for pointers in before[:0:-1]:
        path.append(pointers.gather(1, path[-1].unsqueeze(1)).squeeze(1))
    return torch.stack(path[::-1], 1).masked_fill(~inside, 0)


def within(scores: Tensor, lengths: Tensor) -> Tensor:
    """Which steps of `scores` `[B, T, …]` are inside their rows: `[B, T]`."""
    return torch.arange(scores.shape[1], device=scores.device).unsqueeze(0) < lengths.unsqueeze(1)
