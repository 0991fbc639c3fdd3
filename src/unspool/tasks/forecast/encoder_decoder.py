"""`EncoderDecoderForecaster`: reads a window, then writes the whole horizon."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells.state import Tree, map_tensors, select_rows
from unspool.layers.affine import Affine
from unspool.layers.build import CellFactory, with_options
from unspool.layers.dropout import Dropout
from unspool.layers.recurrent import Recurrent
from unspool.layers.repeated import Repeated, repeats
from unspool.tasks.forecast.embed import WindowInputs
from unspool.tasks.forecast.outputs import output_of
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.windows import WindowBatch


class EncoderDecoderForecaster(nn.Module):
    """`segment` steps of a series are one step of the network::

        u_j = relu(W [x_{jw+1} … x_{(j+1)w}])                    each of the L / w segments of the window
        _, s = encoder(u_1 … u_{L/w})                            any cell, stacked
        v_k = V [known of segment k ; static] + position k       each of the ⌈h / w⌉ segments to write
        d_k, s = decoder(v_k, s)                                 from the encoder's last state on
        outputs of the segment's w steps = U d_k

    Nothing that is written is read again, so the horizon costs ⌈h / w⌉ steps and errors do not add up. What is known of
    the series as a whole is asked for, and not read with the window, so that all series teach the same reading (see
    docs/decisions/0030). Segments as in Lin et al. 2023 (SegRNN, https://arxiv.org/abs/2308.11200); w = 1 is the
    classical encoder–decoder. As there, a `parallel` decoder takes one step for each segment, `d_k, _ = decoder(v_k,
    s)` from the encoder's last state: what is known of earlier segments of the future says nothing of later ones then;
    and the decoder may be the encoder, one recurrent net that reads and writes (`tie_decoder`).

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
        self.read = Affine(s.segment * inputs.before, s.hidden)
        known = s.segment * inputs.after + inputs.size
        self.ask = Affine(known, s.hidden, bias=False) if known else None
        self.place = nn.Embedding(self.segments, s.hidden)
        made = with_options(cell, s.cell_options)
        how = {
            "layers": s.layers, "dropout": s.dropout, "recurrent_dropout": s.recurrent_dropout, "residual": s.residual
        }  # fmt: skip
        self.encoder = Recurrent(made, s.hidden, s.hidden, **how)
        self.decoder = self.encoder if s.tie_decoder else Recurrent(made, s.hidden, s.hidden, **how)
        self.write = Affine(self.decoder.output_size, s.segment * self.output.size)

    def encode(self, batch: WindowBatch) -> tuple[object, ...]:
        """The encoder's state after the window, a tree of `[B, …]` for each layer."""
        history = self.inputs.history(batch)
        segments = history.unflatten(1, (-1, self.segment)).flatten(2)
        _, state = self.encoder(torch.relu(self.read(segments)))
        return state

    def forward(self, batch: WindowBatch) -> Tensor:
        """The output's numbers for the h steps of the forecast: `[B, h, P]`."""
        state = self.encode(batch)
        written = self.write(self.dropout(self.decoded(self.decoder, *self.asked(batch), state)))
        return written.unflatten(2, (self.segment, -1)).flatten(1, 2)[:, : self.horizon]

    def asked(self, batch: WindowBatch) -> tuple[Tensor, Tensor]:
        """What the decoder reads for each of the K segments, `[U, K, H]`, and which of these rows a window has, `[B]`:
        in training those of a series have the same, if no more than the series is known of the future."""
        future, once = self.inputs.future(batch), self.training and not self.inputs.after
        static, which = self.inputs.different(batch) if once else (self.inputs.static(batch), torch.arange(len(future)))
        asked = self.place.weight.expand(len(static), -1, -1)
        if self.ask is not None:
            spare = self.segments * self.segment - self.horizon
            steps = nn.functional.pad(future[: len(static)], (0, 0, 0, spare))  # without a number in it, if `once`
            asked = asked + self.ask(_beside(steps.unflatten(1, (-1, self.segment)).flatten(2), static))
        return asked, which.to(asked.device)


def decoded_in_turn(decoder: Recurrent, asked: Tensor, which: Tensor, state: Tree) -> Tensor:
    """The decoder's outputs for K segments of B windows, `asked[which]`, each after the one before it: `[B, K, H]`."""
    return decoder(asked.index_select(0, which), state)[0]


def decoded_at_once(decoder: Recurrent, asked: Tensor, which: Tensor, state: Tree) -> Tensor:
    """The decoder's outputs for K segments of B windows, `asked[which]`, each one step after `state`: `[B, K, H]`.

    In training a window's state is multiplied once for all its segments, and what a series is asked once for all its
    windows; a forecast is worked out row by row by the engine.
    """
    batch, segments = len(which), asked.shape[1]
    places = torch.arange(segments, device=which.device)
    windows = torch.arange(batch, device=which.device).repeat_interleave(segments)
    rows = (which.unsqueeze(1) * segments + places).flatten()
    steps = asked.flatten(0, 1).unsqueeze(1)
    if decoder.training and _repeats(decoder, asked.shape[2], state):
        repeated = map_tensors(lambda value: Repeated(value, windows), state)
        outputs, _ = decoder(Repeated(steps, rows) if len(asked) < batch else steps.index_select(0, rows), repeated)
    else:
        outputs, _ = decoder(steps.index_select(0, rows), select_rows(state, windows))
    return outputs.squeeze(1).unflatten(0, (batch, segments))


def _repeats(decoder: Recurrent, width: int, state: Tree) -> bool:
    """Whether all cells of the decoder take `Repeated` rows; masks of recurrent dropout are of each row's own."""
    cells = [directions[0] for directions in decoder.layers]  # pyright: ignore[reportIndexIssue]
    widths = [width, *(cell.output_size for cell in cells[:-1])]
    return not decoder.recurrent_dropout and all(map(repeats, cells, widths, state))


def _beside(steps: Tensor, static: Tensor) -> Tensor:
    """`steps` `[B, T, F]`, each with `static` `[B, S]` beside it."""
    return torch.cat([steps, static.unsqueeze(1).expand(-1, steps.shape[1], -1)], 2)
