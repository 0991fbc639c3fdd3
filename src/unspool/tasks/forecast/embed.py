"""The inputs of a forecaster's network: categories as vectors, beside the real numbers."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unspool.layers.dropout import Dropout
from unspool.tasks.forecast.features import SERIES, Features
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.windows import WindowBatch

RARELY_UNKNOWN = 0.01
"""Share of categories that training reads as unknown, so that an unknown one means something."""


class Categories(nn.Module):
    """Codes `[…, C]` as vectors `[…, size]`, those of all columns joined."""

    def __init__(self, words: tuple[int, ...], widths: tuple[int, ...]) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(n, width) for n, width in zip(words, widths, strict=True))
        self.size = sum(widths)

    def forward(self, codes: Tensor) -> Tensor:
        return self.vectors(self.some_unknown(codes))

    def some_unknown(self, codes: Tensor) -> Tensor:
        """The codes as they are read: in training a few are those of what is unknown."""
        if not self.training or not codes.numel():
            return codes
        return codes.masked_fill(torch.rand(codes.shape, device=codes.device) < RARELY_UNKNOWN, 0)

    def vectors(self, codes: Tensor) -> Tensor:
        found = [table(codes[..., place]) for place, table in enumerate(self.tables)]
        return torch.cat(found, -1) if found else torch.zeros(*codes.shape[:-1], 0, device=codes.device)


class WindowInputs(nn.Module):
    """What is read of each step of a window.

    Attributes:
        before: width of `history`; after: of `future`; fixed: of `static`.
    """

    def __init__(self, features: Features, settings: ForecastSettings, *, calendar: int, lags: int) -> None:
        super().__init__()
        self.dropout = Dropout(settings.dropout)
        self.known, known = _categories(features, settings, "known")
        self.past, past = _categories(features, settings, "past")
        self.fixed, static = _categories(features, settings, "static")
        self.after = calendar + known + self.known.size + 2 * lags
        self.before = 2 + self.after + past + self.past.size
        self.size = static + self.fixed.size

    def history(self, batch: WindowBatch) -> Tensor:
        """Of the L steps before the forecast: `[B, L, before]`, the values first."""
        length = batch.past.shape[1]
        value = torch.stack([batch.z()[:, :length], batch.seen[:, :length].float()], -1)
        return torch.cat([value, self.known_of(batch)[:, :length], self.past_of(batch)], -1)

    def future(self, batch: WindowBatch) -> Tensor:
        """Of the h steps after its beginning: `[B, h, after]`."""
        return self.known_of(batch)[:, batch.past.shape[1] :]

    def static(self, batch: WindowBatch) -> Tensor:
        """Of the series: `[B, size]`."""
        return torch.cat([batch.static, self.fixed(batch.static_codes)], -1)

    def different(self, batch: WindowBatch) -> tuple[Tensor, Tensor]:
        """The different ones of `static`, `[U, size]`, and which of them a window has, `[B]`."""
        codes = self.fixed.some_unknown(batch.static_codes)
        told = torch.cat([codes.new_zeros(len(codes), 1), codes, batch.static.double()], 1)
        series, which = torch.unique(told, dim=0, return_inverse=True)
        one = which.new_zeros(len(series)).scatter_(0, which, torch.arange(len(which), device=which.device))
        return torch.cat([batch.static[one], self.fixed.vectors(codes[one])], 1), which

    def past_of(self, batch: WindowBatch) -> Tensor:
        """The covariates of the L steps before the forecast: `[B, L, ·]`."""
        return torch.cat([batch.past, self.past(batch.past_codes)], -1)

    def known_of(self, batch: WindowBatch) -> Tensor:
        """Calendar, known covariates and lags of all steps: `[B, L + h, after]`."""
        return torch.cat([batch.known, self.known(batch.known_codes), batch.lags.flatten(2)], -1)


def _categories(features: Features, settings: ForecastSettings, role: str) -> tuple[Categories, int]:
    """The tables of a role, and the width of its real numbers."""
    reals, words = features.widths(role)
    names = [category.name for category in features.categories if category.role == role]
    widths = tuple(
        settings.series_embedding if name == SERIES else min(settings.embedding, (n + 1) // 2)
        for name, n in zip(names, words, strict=True)
    )
    return Categories(words, widths), reals
