"""How many nats a model needs for a text, and what that is a symbol and a character."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from unspool.cells.state import Tree
from unspool.data.batches import pad
from unspool.tasks.language.model import LanguageNetwork
from unspool.tasks.language.reading import mean_log

STEPS = 256
"""Steps that are run at once."""
LOGITS = 1 << 20
"""Logits that are there at once."""


@dataclass(frozen=True)
class Score:
    """What a text costs: `nats`, the negative log-probability of its `symbols` symbols, which make up `characters`.

    Example:
        >>> Score(nats=3 * math.log(2), characters=3, symbols=2).bits_per_character
        1.0
    """

    nats: float
    characters: int
    symbols: int

    @property
    def bits_per_character(self) -> float:
        """nats / (characters · ln 2); 0 for an empty text."""
        return self.nats / (self.characters * math.log(2)) if self.characters else 0.0

    def metrics(self) -> dict[str, float]:
        """`loss` (nats a symbol), `perplexity` (at most e^700), `nats_per_character`, `bits_per_character`."""
        loss = self.nats / max(self.symbols, 1)
        return {
            "loss": loss,
            "perplexity": math.exp(min(loss, 700)),
            "nats_per_character": self.nats / max(self.characters, 1),
            "bits_per_character": self.bits_per_character,
        }


class Row(NamedTuple):
    """A piece of text: what is read, what follows each symbol read, and how many of the first only warm the state."""

    source: np.ndarray
    target: np.ndarray
    warm: int = 0


def following(ids: np.ndarray, before: int) -> Row:
    """All of `ids`, predicted from the symbol `before` on."""
    return Row(np.concatenate([[before], ids[:-1]]), ids) if len(ids) else Row(ids, ids)


def cut(ids: np.ndarray, before: int, *, streams: int, warm: int) -> list[Row]:
    """`ids` as `streams` pieces to run side by side, each but the first warmed up by at most `warm` symbols before it.

    Every symbol is predicted in exactly one piece.

    Example:
        >>> [row.target.tolist() for row in cut(np.arange(5), 9, streams=2, warm=1)]
        [[0, 1], [1, 2, 3, 4]]
    """
    whole = following(ids, before)
    streams = max(1, min(streams, len(ids)))
    bounds = [i * len(ids) // streams for i in range(streams + 1)]
    rows: list[Row] = []
    for begin, end in pairwise(bounds):
        first = max(0, begin - warm)
        rows.append(Row(whole.source[first:end], whole.target[first:end], begin - first))
    return rows


@torch.no_grad()
def nats(networks: Sequence[LanguageNetwork], rows: Sequence[Row], layers: Tree = None) -> Tensor:
    """The negative log-probability of the predicted symbols of each row, float64 `[R]`.

    Args:
        networks: one, or the members of an ensemble, whose probabilities are averaged; in eval mode.
        rows: pieces of text.
        layers: the state to begin with, one entry a network, of as many rows; the empty one if `None`.
    """
    states = [None] * len(networks) if layers is None else list(layers)
    total = torch.zeros(len(rows), dtype=torch.float64)
    for at in range(0, max((len(row.target) for row in rows), default=0), STEPS):
        source, lengths = pad([row.source[at : at + STEPS] for row in rows])
        target, _ = pad([row.target[at : at + STEPS] for row in rows])
        steps = torch.arange(source.shape[1])
        warm = torch.tensor([row.warm - at for row in rows])
        counted = (steps < lengths.unsqueeze(1)) & (steps >= warm.unsqueeze(1))
        scores: list[Tensor] = []
        for number, network in enumerate(networks):
            device = network.embedding.weight.device
            features, states[number] = network(source.to(device), states[number], lengths)
            scores.append(-_costs(network, features[counted.to(device)], target[counted].to(device)))
        total.index_add_(0, torch.nonzero(counted)[:, 0], -mean_log(scores))
    return total


def _costs(network: LanguageNetwork, features: Tensor, target: Tensor) -> Tensor:
    """-log p of each symbol, float64 `[N]`, on the CPU."""
    rows = max(1, LOGITS // network.output.out_features)
    costs = [
        nn.functional.cross_entropy(network.logits(part).float(), aim, reduction="none")
        for part, aim in zip(features.split(rows), target.split(rows), strict=True)
    ]
    return torch.cat(costs).double().cpu()
