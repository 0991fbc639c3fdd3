"""`RevertingForecaster`: a forecaster's forecast, drawn to the mean that its series had in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.tasks.forecast.encoder_decoder import EncoderDecoderForecaster
from unspool.tasks.forecast.odd import OddForecaster
from unspool.tasks.forecast.outputs import shifted
from unspool.tasks.forecast.windows import WindowBatch

QUICK = 10.0
"""A share moves so many times as fast in training as a weight: it is one number where those are many."""


class RevertingForecaster(nn.Module):
    """An encoder–decoder g, and for each step k ahead a share ρ of the way from the window back to the series' mean::

        f_k = g_k - ρ_k (mean of the window's y - m) / scale      k = 1 … h, on the scale of the window

    m is the series' mean in training; of a series that was not there nothing is added. A scale that is the window's
    own, as `last` or `instance`, hides from g whether the series is high or low for what it usually is, and so whether
    it will come back. This term knows, and is linear: what lies further out than ever before is drawn back by the same
    share. Of a distribution only the place is moved. Every ρ is 0 at the beginning, and learned.

    Args:
        forecaster: g.
    """

    def __init__(self, forecaster: EncoderDecoderForecaster | OddForecaster) -> None:
        super().__init__()
        self.forecaster, self.output, self.horizon = forecaster, forecaster.output, forecaster.horizon
        self.share = nn.Parameter(torch.zeros(self.horizon))

    def encode(self, batch: WindowBatch) -> tuple[object, ...]:
        """The encoder's state after the window."""
        return self.forecaster.encode(batch)

    def forward(self, batch: WindowBatch) -> Tensor:
        """The output's numbers for the h steps of the forecast: `[B, h, P]`."""
        off = (batch.off_mean / batch.scale[:, -self.horizon :]).float()
        return shifted(self.forecaster.output, self.forecaster(batch), -QUICK * self.share * off)
