"""Dropout whose masks are drawn fast on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 1 << 16
"""A number is dropped or not by 16 random bits, so in a part of the cases that is a multiple of 1 / LEVELS."""


def dropout_mask(like: Tensor, p: float) -> Tensor:
    """A mask of `like`'s shape: 0 with probability p, else 1 / (1 - p), of no gradient.

    On a CPU four of its numbers come of one draw of 64 bits: `bernoulli_` draws for each, which takes four times as
    long; how often a number is 0 is then a multiple of 2⁻¹⁶, at most 2⁻¹⁷ away from p.

    Example:
        >>> mask = dropout_mask(torch.zeros(2, 3), 0.5)
        >>> bool(((mask == 0) | (mask == 2)).all())
        True
    """
    if like.device.type != "cpu":
        return torch.empty_like(like, requires_grad=False).bernoulli_(1 - p).div_(1 - p)
    dropped = round(p * LEVELS)
    if dropped == LEVELS:
        return torch.zeros_like(like, requires_grad=False)
    drawn = torch.randint(-(2**63), 2**63 - 1, (-(-like.numel() // 4),), device=like.device)
    kept = drawn.view(torch.int16)[: like.numel()] >= dropped - LEVELS // 2
    return kept.view(like.shape).to(like.dtype).mul_(1 / (1 - p))


class Dropout(nn.Dropout):
    """`torch.nn.Dropout` by `dropout_mask`: in training a number is 0 with probability p, else x / (1 - p).

    Source: Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html.

    Example:
        >>> dropout = Dropout(0.5).eval()
        >>> dropout(torch.ones(3))
        tensor([1., 1., 1.])
    """

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return input
        mask = dropout_mask(input, self.p)
        return input.mul_(mask) if self.inplace else input * mask
