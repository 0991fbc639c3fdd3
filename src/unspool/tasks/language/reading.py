"""The networks of a language model reading one text side by side, symbol by symbol."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from unspool.cells.state import Tree
from unspool.layers.stream import stream
from unspool.tasks.language.model import LanguageNetwork

PUSHED = 1024
"""Symbols that are read at once."""


class Reading:
    """Where each of `networks` stands in a text, and what they expect together: log p = log mean_m exp(log p_m).

    Args:
        networks: one, or the members of an ensemble; in eval mode.
        layers: the state to begin with, one entry a network.
    """

    def __init__(self, networks: Sequence[LanguageNetwork], layers: Tree) -> None:
        self._networks = networks
        self._streams = [stream(network.recurrent, state=own) for network, own in zip(networks, layers, strict=True)]

    @property
    def layers(self) -> Tree:
        """The state, one entry a network."""
        return tuple(each.state for each in self._streams)

    @torch.no_grad()
    def read(self, symbols: Tensor) -> None:
        """Go on over `symbols`, int64 `[N]`."""
        for network, each in zip(self._networks, self._streams, strict=True):
            for part in symbols.split(PUSHED):
                each.push(network.embedding(part).unsqueeze(0))

    @torch.no_grad()
    def scores(self, symbol: int) -> Tensor:
        """Read `symbol`; the log-probabilities `[V]` of what follows."""
        return mean_log([self._scores(member, symbol) for member in range(len(self._networks))])

    def _scores(self, member: int, symbol: int) -> Tensor:
        network = self._networks[member]
        outputs = self._streams[member].push(network.embedding(torch.tensor([symbol])))
        return torch.log_softmax(network.logits(network.projection(outputs))[0].float(), 0)


def mean_log(scores: Sequence[Tensor]) -> Tensor:
    """log mean_m exp(s_m), elementwise; one alone is itself, to the last bit."""
    if len(scores) == 1:
        return scores[0]
    return torch.logsumexp(torch.stack(list(scores)), 0) - math.log(len(scores))
