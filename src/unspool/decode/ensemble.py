"""Several models as one: the mean of their probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unspool.cells.state import Tree
from unspool.decode.protocol import StepModel
from unspool.errors import ConfigError


class Ensemble:
    """A `StepModel` whose probabilities are the mean of its members': log p = log mean_m exp(log p_m).

    The members share one target vocabulary. `source` and state hold an entry for each member.

    Example:
        >>> from unspool.decode import Limits, greedy
        >>> from unspool.layers.encoder_decoder import EncoderDecoder, EncoderDecoderConfig
        >>> config = EncoderDecoderConfig(20, 30, embedding=8, hidden=8)
        >>> pair = Ensemble([EncoderDecoder(unspool.cells.GRUCell, config).eval() for _ in range(2)])
        >>> source = (torch.randint(3, 20, (2, 5)), torch.tensor([5, 3]))
        >>> len(greedy(pair, [source, source], Limits(max_length=6)))
        2
    """

    def __init__(self, members: Sequence[StepModel]) -> None:
        if not members:
            raise ConfigError("an ensemble needs at least one model")
        ends = {(member.start_symbol, member.end_symbol) for member in members}
        if len(ends) > 1:
            raise ConfigError("the models of an ensemble must have the same start and end symbols")
        self.members = tuple(members)
        self.start_symbol, self.end_symbol = ends.pop()

    def start(self, source: Sequence[Any]) -> Tree:
        return tuple(member.start(own) for member, own in zip(self.members, source, strict=True))

    def step(self, token: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        steps = [member.step(token, own) for member, own in zip(self.members, state, strict=True)]
        sizes = {scores.shape[1] for scores, _ in steps}
        if len(sizes) > 1:
            raise ConfigError(
                f"the models of an ensemble must share one vocabulary, but theirs have {sorted(sizes)} symbols"
            )
        scores = torch.logsumexp(torch.stack([scores for scores, _ in steps]), 0) - math.log(len(steps))
        return scores, tuple(after for _, after in steps)

    def attention(self, state: Tree) -> Tensor | None:
        """The mean of the members' weights, if all have some over the same source steps."""
        found = [member.attention(own) for member, own in zip(self.members, state, strict=True)]
        weights = [w for w in found if w is not None]
        if len(weights) < len(found) or len({w.shape for w in weights}) != 1:
            return None
        return torch.stack(weights).mean(0)
