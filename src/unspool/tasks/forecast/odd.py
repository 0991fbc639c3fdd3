"""`OddForecaster`: what a forecaster says of a series, it says of the mirrored series the other way round."""

from __future__ import annotations

from torch import Tensor, nn

from unspool.tasks.forecast.embed import WindowInputs
from unspool.tasks.forecast.encoder_decoder import EncoderDecoderForecaster
from unspool.tasks.forecast.outputs import mirrored
from unspool.tasks.forecast.windows import WindowBatch


class OddForecaster(nn.Module):
    """An encoder–decoder g made an odd function of its window z, as a linear forecast is::

        f(z) = ½ (g(z) - g(-z))        so that f(-z) = -f(z)

    Of a distribution, -g(-z) is that of the mirrored value: median and quantiles change sides, the spread stays. What
    g adds to every forecast cancels, be it the calendar's or a fault learned by heart. Half of the difference is the
    odd part of any function; where series are as likely mirrored as not, it is never worse on average than g itself
    (Elesedy & Zaidi 2021, https://arxiv.org/abs/2102.10333).

    Args:
        forecaster: g.
    """

    def __init__(self, forecaster: EncoderDecoderForecaster) -> None:
        super().__init__()
        self.forecaster, self.output, self.horizon = forecaster, forecaster.output, forecaster.horizon

    @property
    def inputs(self) -> WindowInputs:
        """What g reads of a step."""
        return self.forecaster.inputs

    def encode(self, batch: WindowBatch) -> tuple[object, ...]:
        """The encoder's state after the window as it is."""
        return self.forecaster.encode(batch)

    def forward(self, batch: WindowBatch) -> Tensor:
        """The output's numbers for the h steps of the forecast: `[B, h, P]`."""
        params, other = self.forecaster(batch.beside(batch.mirrored())).chunk(2)
        return (params + mirrored(self.forecaster.output, other)) / 2
