"""`AutoregressiveForecaster`: each step's distribution from all values before it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.cells.state import Tree
from unspool.layers.affine import Affine
from unspool.layers.build import CellFactory, with_options
from unspool.layers.dropout import Dropout
from unspool.layers.recurrent import Recurrent
from unspool.tasks.forecast.embed import WindowInputs
from unspool.tasks.forecast.outputs import output_of
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.windows import WindowBatch


class AutoregressiveForecaster(nn.Module):
    """Salinas et al. 2020, DeepAR, https://arxiv.org/abs/1704.04110::

        u_t = [z_{t-1} ; whether it was seen ; past covariates of t - 1 ; known of t, lags too ; static]
        h_t, s_t = recurrent(u_t, s_{t-1})
        p(z_t | z_1 … z_{t-1}) = output(W h_t)

    In training every step of the window counts, those before the forecast too; a forecast draws z_t and reads it at
    the next step. Past covariates are 0 where they are not known. Of the scale of the window nothing is read, unlike
    there: so the unit of a series does not matter.

    Args:
        cell: the cell of every layer, any class with the contract of `Cell`.
        settings: with context and lags filled in.
        inputs: what is read of a step.
    """

    def __init__(self, cell: CellFactory, settings: ForecastSettings, inputs: WindowInputs) -> None:
        super().__init__()
        s = settings
        self.inputs, self.output, self.horizon, self.lags = inputs, output_of(s), s.horizon, s.lags or ()
        self.dropout = Dropout(s.dropout)
        self.network = Recurrent(
            with_options(cell, s.cell_options), inputs.before + inputs.size, s.hidden, layers=s.layers,
            dropout=s.dropout, recurrent_dropout=s.recurrent_dropout, residual=s.residual,
        )  # fmt: skip
        self.write = Affine(self.network.output_size, self.output.size)

    def forward(self, batch: WindowBatch) -> Tensor:
        """The output's numbers for all steps of the windows: `[B, L + h, P]`."""
        outputs, _ = self.network(self.read(batch))
        return self.write(self.dropout(outputs))

    def encode(self, batch: WindowBatch) -> tuple[Tree, ...]:
        """The state before the first step of the forecast is read."""
        _, state = self.network(self.read(batch)[:, : batch.past.shape[1]])
        return state

    def lag_columns(self) -> list[tuple[int, int]]:
        """Where in `read` each lag stands, its value and whether it was seen, and how many steps back it is."""
        end = self.inputs.before
        return [(end - 2 * (len(self.lags) - place), lag) for place, lag in enumerate(self.lags)]

    def read(self, batch: WindowBatch) -> Tensor:
        """What is read at each step: `[B, L + h, I]`."""
        value = torch.stack([batch.z(), batch.seen.float()], -1)
        past = self.inputs.past_of(batch)
        missing = value.shape[1] - past.shape[1]
        before = torch.cat([value, nn.functional.pad(past, (0, 0, 0, missing))], -1)
        shifted = nn.functional.pad(before[:, :-1], (0, 0, 1, 0))
        steps = self.inputs.static(batch).unsqueeze(1).expand(-1, value.shape[1], -1)
        return torch.cat([shifted, self.inputs.known_of(batch), steps], -1)
