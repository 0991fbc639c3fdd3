"""How much wider the trained distributions have to be, so that they hold as much as they say."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable

import torch
from torch import Tensor

from unspool.data.wording import counted
from unspool.tasks.forecast.network import Network
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.widened import centre, has_spread
from unspool.tasks.forecast.windows import WindowBatch
from unspool.train.least import least

LEAST = 50
"""Validation forecasts below which the spread stays 1. docs/decisions/0022 has the measurements."""
RANGE = (0.25, 4.0)
LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
"""Of the quantiles that are measured, where the output has no levels of its own."""


def calibration(network: Network, settings: ForecastSettings, batches: Iterable[WindowBatch]) -> dict[str, float]:
    """What a run says of its calibration on validation data.

    Args:
        network: in eval mode, on the processor.
        settings: what it was trained with.
        batches: of validation windows.

    Returns:
        `spread`, and the number of forecasts that it was fitted to, `spread_fitted_to`; where there are fewer than
        `LEAST`, 1 and 0. Nothing for an output without a spread.
    """
    if not has_spread(network.output):
        return {}
    levels = settings.levels or LEVELS
    parts = list(map(torch.cat, zip(*(_measured(network, levels, batch) for batch in batches), strict=True)))
    return fitted(levels, *parts)


def fitted(levels: tuple[float, ...], quantiles: Tensor, truth: Tensor, seen: Tensor) -> dict[str, float]:
    """The same, of quantiles at `levels` `[N, h, L]`, the truth `[N, h]` and what of it was `seen`."""
    forecasts = int(seen.any(1).sum())
    if forecasts < LEAST:
        return {"spread": 1.0, "spread_fitted_to": 0}
    spread = fit_spread(quantiles[seen], truth[seen], levels)
    if spread in RANGE:
        warnings.warn(
            f"the spread is {spread:g}, an end of the range that is searched ({RANGE[0]:g} to {RANGE[1]:g}): with "
            f"{counted(forecasts, 'forecast')} to validate on, the network's quantiles say little of how far it is "
            "off; train it on more series, or give more of them with --valid or --valid-windows",
            stacklevel=3,
        )
    return {"spread": spread, "spread_fitted_to": forecasts}


def fit_spread(quantiles: Tensor, truth: Tensor, levels: tuple[float, ...]) -> float:
    """The factor s of all distances from the median m that minimises the quantile loss of q' = m + s (q - m).

    One number for all levels and steps, so quantiles stay in their order and the median where it is. With e = y - q',
    the loss is the mean of max(q e, (q - 1) e), in which s is convex: golden-section search finds the least, in
    `RANGE`. A quantile at its best holds what it says (Koenker & Bassett 1978); a network that has begun to learn its
    training series by heart is too sure of others, and s is above 1.

    Args:
        quantiles: `[N, L]`, rising. truth: `[N]`, on the same scale. levels: L numbers.

    Example:
        >>> levels = (0.1, 0.5, 0.9)
        >>> quantiles = torch.tensor([[-1.0, 0.0, 1.0]]).expand(999, 3)
        >>> round(fit_spread(quantiles, torch.linspace(-5, 5, 999), levels), 2)     # 80% lie within 4 of the median
        4.0
    """
    probability = torch.tensor(levels, dtype=torch.float64)
    quantiles, truth = quantiles.double(), truth.double().unsqueeze(-1)
    middle = quantiles[..., [(probability - centre(levels)).abs().argmin()]]

    def loss(log: float) -> float:
        off = truth - (middle + math.exp(log) * (quantiles - middle))
        return float(torch.maximum(probability * off, (probability - 1) * off).mean())

    return least(loss, RANGE)


@torch.no_grad()
def _measured(network: Network, levels: tuple[float, ...], batch: WindowBatch) -> tuple[Tensor, Tensor, Tensor]:
    """Quantiles and truth of the forecasts of a batch, on the scale of their windows, and what was seen."""
    y, seen, loc, scale = (
        part[:, -network.horizon :] for part in (batch.y, batch.seen, batch.loc, batch.scale)
    )  # fmt: skip
    params = network(batch)[:, -network.horizon :].float()
    quantiles = network.output.quantiles(params, levels, loc, scale)
    return (quantiles - loc.unsqueeze(-1)) / scale.unsqueeze(-1), (y - loc) / scale, seen
