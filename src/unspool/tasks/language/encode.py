"""Texts as the states that they leave behind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from unspool.cells.state import Tree
from unspool.data.batches import pad
from unspool.layers.readout import final_state
from unspool.tasks.language.model import LanguageNetwork
from unspool.tasks.language.score import STEPS


@torch.no_grad()
def final_states(network: LanguageNetwork, rows: Sequence[np.ndarray], state: Tree) -> Tensor:
    """The final state of the top layer after each of `rows`, symbols with at least one, `[R, S]`.

    Args:
        network: in eval mode.
        rows: what is read.
        state: to begin with, of as many rows.
    """
    for at in range(0, max(map(len, rows)), STEPS):
        source, lengths = pad([row[at : at + STEPS] for row in rows])
        _, state = network(source, state, lengths)
    return final_state(state, bidirectional=False)
