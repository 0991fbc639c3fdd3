"""`Readout`: from a recurrent network's outputs and final state to one vector a sequence."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unspool.cells.state import Tree, flat_rows, tensors
from unspool.errors import ConfigError, one_of
from unspool.layers.recurrent import Recurrent

READOUTS = ("final", "mean", "max", "attention")


class Readout(nn.Module):
    """One vector for each sequence, from the top layer of a `Recurrent`, y_t its outputs and ℓ the row's length::

        final:      r = [h_ℓ ; h'_1]         first tensor of the final state: forwards at the last step, backwards at
                                             the first one
        mean:       r = 1/ℓ Σ_{t ≤ ℓ} y_t
        max:        r = max_{t ≤ ℓ} y_t      of each feature
        attention:  r = Σ_{t ≤ ℓ} a_t y_t,   a = softmax over t ≤ ℓ of v · tanh(W y_t)

    `attention` is that of Yang et al. 2016 (https://aclanthology.org/N16-1174, eq. 5 to 7). Steps past the end of a row
    do not matter, whatever stands there, NaN too, and neither do the rows beside it. A row without any step gives
    zeros; with `final`, the initial state.

    Args:
        kind: `"final"`, `"mean"`, `"max"` or `"attention"`.
        network: whose outputs and final states will be read.

    Raises:
        ConfigError: unknown kind.

    Example:
        >>> net = unspool.Recurrent(unspool.cells.GRUCell, 3, 4, bidirectional=True)
        >>> readout, lengths = Readout("attention", net), torch.tensor([7, 5])
        >>> readout(*net(torch.randn(2, 7, 3), lengths=lengths), lengths).shape, readout.size
        (torch.Size([2, 8]), 8)
    """

    def __init__(self, kind: str, network: Recurrent) -> None:
        super().__init__()
        if kind not in READOUTS:
            raise ConfigError(f"readout is {kind!r}; expected {one_of(READOUTS)}")
        self.kind, self._two = kind, network.bidirectional
        width = network.output_size
        directions: Any = network.layers[-1]
        self.size = sum(_hidden(cell.initial_state(1)).shape[1] for cell in directions) if kind == "final" else width
        self.key = nn.Linear(width, width, bias=False) if kind == "attention" else None
        self.v = nn.Linear(width, 1, bias=False) if kind == "attention" else None

    def forward(self, outputs: Tensor, finals: tuple[Tree, ...], lengths: Tensor) -> Tensor:
        """The vectors `[B, size]`.

        Args:
            outputs: `[B, T, O]`, of the top layer; finals: final states of all layers, as `Recurrent` returns both.
            lengths: `[B]`, valid steps of each row.
        """
        if self.kind == "final":
            return final_state(finals, bidirectional=self._two)
        if outputs.shape[1] == 0:
            return outputs.sum(1)
        lengths = lengths.to(outputs.device)
        ended = torch.arange(outputs.shape[1], device=outputs.device) >= lengths.unsqueeze(1)
        outputs = outputs.masked_fill(ended.unsqueeze(2), 0)
        if self.kind == "mean":
            return outputs.sum(1) / lengths.clamp(min=1).unsqueeze(1).to(outputs.dtype)
        if self.kind == "max":
            lowest = outputs.masked_fill(ended.unsqueeze(2), -torch.inf).max(1).values
            return lowest.masked_fill((lengths == 0).unsqueeze(1), 0)
        return torch.bmm(self.weights(outputs, ended).unsqueeze(1), outputs).squeeze(1)

    def weights(self, outputs: Tensor, ended: Tensor) -> Tensor:
        """The attention weights `[B, T]` of `outputs` `[B, T, O]`, zero where `ended` `[B, T]` is true."""
        assert self.key is not None and self.v is not None
        scores = self.v(torch.tanh(self.key(outputs))).squeeze(2)
        # The lowest finite number, not -inf: a row without any valid step then gives zeros, not NaN.
        scores = scores.masked_fill(ended, torch.finfo(scores.dtype).min)
        return torch.softmax(scores, 1).masked_fill(ended, 0)


def final_state(finals: tuple[Tree, ...], *, bidirectional: bool) -> Tensor:
    """The final state of the top layer `[B, size]`, both directions joined; `finals` as `Recurrent` returns them.

    Example:
        >>> _, finals = unspool.Recurrent(unspool.cells.LSTMCell, 3, 4, layers=2)(torch.randn(5, 7, 3))
        >>> torch.equal(final_state(finals, bidirectional=False), finals[1][0])
        True
    """
    top = finals[-1] if bidirectional else (finals[-1],)
    return torch.cat([_hidden(direction) for direction in top], 1)


def _hidden(state: Tree) -> Tensor:
    """By convention the first tensor of a cell's state (h of an LSTM), one line of numbers a row."""
    return flat_rows(tensors(state)[0])
