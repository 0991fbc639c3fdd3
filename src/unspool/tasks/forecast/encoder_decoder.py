"""`EncoderDecoderForecaster`: reads a window, then writes the whole horizon."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells.state import Tree, select_rows
from unspool.layers.build import CellFactory, with_options
from unspool.layers.dropout import Dropout
from unspool.layers.recurrent import Recurrent
from unspool.tasks.forecast.embed import WindowInputs
from unspool.tasks.forecast.outputs import output_of
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.windows import WindowBatch


class EncoderDecoderForecaster(nn.Module):
    """`segment` steps of a series are one step of the network::

        u_j = relu(W [x_{jw+1} … x_{(j+1)w} ; static])           each of the L / w segments of the window
        _, s = encoder(u_1 … u_{L/w})                            any cell, stacked
        v_k = relu(V [known of segment k ; static ; position k])   each of the ⌈h / w⌉ segments to write
        d_k, s = decoder(v_k, s)                                 from the encoder's last state on
        outputs of the segment's w steps = U d_k

    Nothing that is written is read again, so the horizon costs ⌈h / w⌉ steps and errors do not add up. Segments as in
    Lin et al. 2023 (SegRNN, https://arxiv.org/abs/2308.11200); w = 1 is the classical encoder–decoder. As there, a
    `parallel` decoder takes one step for each segment, `d_k, _ = decoder(v_k, s)` from the encoder's last state: what
    is known of earlier segments of the future says nothing of later ones then.

    Args:
        cell: the cell of every layer, any class with the contract of `Cell`.
        settings: with context and lags filled in.
        inputs: what is read of a step.
    """

    def __init__(self, cell: CellFactory, settings: ForecastSettings, inputs: WindowInputs) -> None:
        super().__init__()
        s = settings
        self.inputs, self.output = inputs, output_of(s)
        self.segment, self.horizon = s.segment, s.horizon
        self.segments = -(-s.horizon // s.segment)
        self.decoded = decoded_at_once if s.decoder == "parallel" else decoded_in_turn
        self.dropout = Dropout(s.dropout)
        self.read = nn.Linear(s.segment * inputs.before + inputs.size, s.hidden)
        known = s.segment * inputs.after + inputs.size
        self.ask = nn.Linear(known, s.hidden, bias=False) if known else None
        self.position = nn.Embedding(self.segments, s.hidden)
        made = with_options(cell, s.cell_options)
        how = {
            "layers": s.layers, "dropout": s.dropout, "recurrent_dropout": s.recurrent_dropout, "residual": s.residual
        }  # fmt: skip
        self.encoder = Recurrent(made, s.hidden, s.hidden, **how)
        self.decoder = Recurrent(made, s.hidden, s.hidden, **how)
        self.write = nn.Linear(self.decoder.output_size, s.segment * self.output.size)

    def encode(self, batch: WindowBatch) -> tuple[object, ...]:
        """The encoder's state after the window, a tree of `[B, …]` for each layer."""
        history = self.inputs.history(batch)
        segments = history.unflatten(1, (-1, self.segment)).flatten(2)
        _, state = self.encoder(torch.relu(self.read(_beside(segments, self.inputs.static(batch)))))
        return state

    def forward(self, batch: WindowBatch) -> Tensor:
        """The output's numbers for the h steps of the forecast: `[B, h, P]`."""
        state, future = self.encode(batch), self.inputs.future(batch)
        spare = self.segments * self.segment - self.horizon
        segments = nn.functional.pad(future, (0, 0, 0, spare)).unflatten(1, (-1, self.segment)).flatten(2)
        asked = self.position.weight.expand(len(future), -1, -1)
        if self.ask is not None:
            asked = asked + self.ask(_beside(segments, self.inputs.static(batch)))
        written = self.write(self.dropout(self.decoded(self.decoder, torch.relu(asked), state)))
        return written.unflatten(2, (self.segment, -1)).flatten(1, 2)[:, : self.horizon]


def decoded_in_turn(decoder: Recurrent, asked: Tensor, state: Tree) -> Tensor:
    """The decoder's outputs for K segments, `asked` `[B, K, H]`, each after the one before it."""
    return decoder(asked, state)[0]


def decoded_at_once(decoder: Recurrent, asked: Tensor, state: Tree) -> Tensor:
    """The decoder's outputs for K segments, `asked` `[B, K, H]`, each one step after `state`."""
    batch, segments, _ = asked.shape
    rows = torch.arange(batch).repeat_interleave(segments)
    outputs, _ = decoder(asked.flatten(0, 1).unsqueeze(1), select_rows(state, rows))
    return outputs.squeeze(1).unflatten(0, (batch, segments))


def _beside(steps: Tensor, static: Tensor) -> Tensor:
    """`steps` `[B, T, F]`, each with `static` `[B, S]` beside it."""
    return torch.cat([steps, static.unsqueeze(1).expand(-1, steps.shape[1], -1)], 2)
