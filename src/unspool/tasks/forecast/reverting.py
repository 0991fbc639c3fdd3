"""`RevertingForecaster`: a forecaster's forecast, drawn to the mean that its series had in training."""

from __future__ import annotations

from math import inf

import torch
from torch import Tensor, nn

from unspool.tasks.forecast.encoder_decoder import EncoderDecoderForecaster
from unspool.tasks.forecast.odd import OddForecaster
from unspool.tasks.forecast.outputs import shifted
from unspool.tasks.forecast.windows import WindowBatch

QUICK = 10.0
"""The share that all series have moves so many times as fast in training as a weight: it is one number where those are
many."""
FAR = 10.0
"""Windows further off than this are left where they are, on a scale that is the window's own: that of a window that
hardly moves is next to nothing, and everything far off on it."""


class RevertingForecaster(nn.Module):
    """An encoder–decoder g, and for each step k ahead a share ρ of the way from the window back to the series' mean::

        f_k = g_k - ρ_k (mean of the window's y - m) / scale      k = 1 … h, on the scale of the window
        ρ = r + R s                                               s: vectors of the series' name and static words

    m is the series' mean in training (of a window to learn from, see `Elsewhere`); of a series that was not there
    nothing is added. A scale that is the window's own, as `last` or `instance`, hides from g whether the series is high
    or low for what it usually is, and so whether it will come back. This term knows, and is linear: what lies further
    out than ever before is drawn back by the same share. Of a distribution only the place is moved. r and R are 0 at
    the beginning, and learned; static numbers are not read for it, as one far off would make any share.

    Args:
        forecaster: g.
        most: the largest distance, (mean of the window's y - m) / scale, at which anything is added.
    """

    def __init__(self, forecaster: EncoderDecoderForecaster | OddForecaster, *, most: float = inf) -> None:
        super().__init__()
        self.most = most
        self.forecaster, self.output, self.horizon = forecaster, forecaster.output, forecaster.horizon
        self.share = nn.Parameter(torch.zeros(self.horizon))
        self.own_share = nn.Parameter(torch.zeros(self.horizon, forecaster.inputs.fixed.size))

    def encode(self, batch: WindowBatch) -> tuple[object, ...]:
        """The encoder's state after the window."""
        return self.forecaster.encode(batch)

    def forward(self, batch: WindowBatch) -> Tensor:
        """The output's numbers for the h steps of the forecast: `[B, h, P]`."""
        off = batch.off_mean / batch.scale[:, -self.horizon :]
        off = torch.where(off.abs() > self.most, 0.0, off).float()
        return shifted(self.forecaster.output, self.forecaster(batch), -self.shares(batch) * off)

    def shares(self, batch: WindowBatch) -> Tensor:
        """ρ of the series of each window: `[B, h]`."""
        return QUICK * self.share + self.forecaster.inputs.fixed(batch.static_codes) @ self.own_share.T
