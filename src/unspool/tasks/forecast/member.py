"""One run of an ensemble of forecasters: its network, and what that says of series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from unspool.cells import Cell, find_cell
from unspool.cells.state import tensors
from unspool.data.series import Panel
from unspool.tasks.forecast.asked import Asked
from unspool.tasks.forecast.draws import SeriesDraws
from unspool.tasks.forecast.features import Features, read_features, warn_of_unknown
from unspool.tasks.forecast.network import Network, build
from unspool.tasks.forecast.paths import sampled
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.widened import Widened
from unspool.tasks.forecast.windows import WindowBatch, Windows
from unspool.train import Run
from unspool.train.restored import check_task, config_read, restored

BATCH = 256
"""Series that are run at once."""

Found = tuple[np.ndarray, np.ndarray]
"""Means `[B, H]`, and quantiles `[B, H, L]`."""


class Member(NamedTuple):
    """A trained network, in eval mode, and what it was trained with."""

    model: Network
    cell: type[Cell]
    settings: ForecastSettings
    features: Features

    @property
    def written(self) -> int:
        """Steps whose distributions the network writes; those after them are known by paths alone."""
        return 0 if self.settings.model == "autoregressive" else self.settings.horizon

    def windows(self, panel: Panel, horizon: int) -> Windows:
        """The windows of series as the network reads them."""
        s = self.settings
        assert s.context is not None and s.lags is not None
        found = Windows(
            panel, self.features, context=s.context, horizon=self.written or horizon, lags=s.lags, scaling=s.scaling,
            season=s.season or 1, calendar=s.calendar,
        )  # fmt: skip
        warn_of_unknown(self.features, panel)
        return found

    @torch.no_grad()
    def forecast(self, panel: Panel, asked: Asked, levels: Sequence[float], number: int) -> Found:
        """Means and quantiles of all series: those that the network writes, and beyond those of paths; the member of
        an ensemble has a `number` for its draws."""
        windows = self.windows(panel, asked.horizon)
        found = [self._forecast(windows, series, asked, levels, number) for series in _batches(len(panel))]
        means, quantiles = zip(*found, strict=True)
        return np.concatenate(means), np.concatenate(quantiles)

    def paths(self, panel: Panel, asked: Asked, number: int) -> np.ndarray:
        """Draws of all series: `[N, paths, horizon]`."""
        windows = self.windows(panel, asked.horizon)
        return np.concatenate([self._drawn(windows, series, asked, number) for series in _batches(len(panel))])

    @torch.no_grad()
    def encode(self, panel: Panel) -> np.ndarray:
        """The network's state before the forecast, all its layers joined: `[N, ·]`."""
        windows = self.windows(panel, self.settings.horizon)
        rows = [
            torch.cat([part.flatten(1) for part in tensors(self.model.encode(_ends(windows, series)))], 1)
            for series in _batches(len(panel))
        ]
        return torch.cat(rows).numpy()

    def _forecast(
        self, windows: Windows, series: np.ndarray, asked: Asked, levels: Sequence[float], number: int
    ) -> Found:
        written, parts = min(self.written, asked.horizon), []
        if written:
            parts.append(self._as_written(windows, series, written, levels))
        if written < asked.horizon:
            parts.append(_summed_up(self._drawn(windows, series, asked, number)[:, :, written:], levels))
        means, quantiles = zip(*parts, strict=True)
        return np.concatenate(means, 1), np.concatenate(quantiles, 1)

    def _as_written(self, windows: Windows, series: np.ndarray, steps: int, levels: Sequence[float]) -> Found:
        batch, output = _ends(windows, series), self.model.output
        params = self.model(batch)[:, :steps]
        loc, scale = (part[:, -windows.horizon :][:, :steps] for part in (batch.loc, batch.scale))
        quantiles = output.quantiles(params, levels, loc, scale)
        return output.mean(params, loc, scale).double().numpy(), quantiles.double().numpy()

    def _drawn(self, windows: Windows, series: np.ndarray, asked: Asked, number: int) -> np.ndarray:
        draw = SeriesDraws.of([windows.panel.ids[int(i)] for i in series], seed=(asked.seed, number))
        return sampled(self.model, windows, series, horizon=asked.horizon, paths=asked.paths, draw=draw)


def load_member(run: Run, cells: Sequence[type[Cell]]) -> Member:
    """The forecaster of a run.

    Raises:
        RunError: it holds another task, or something of it is missing, damaged or foreign. ConfigError: a cell has to
            be handed in.
    """
    check_task(run, "forecast", "a forecaster")
    with config_read(run):
        name, settings = str(run.config["cell"]), ForecastSettings(**run.config["settings"])
        if settings.context is None or settings.season is None or settings.lags is None:
            raise ValueError("no context, season or lags")
        spread = float(run.config.get("calibration", {}).get("spread", 1.0))
        if not 0 < spread < float("inf"):
            raise ValueError(f"spread {spread}")
    features = read_features(run)
    cell = find_cell(name, cells)
    model = restored(run, cell, lambda: build(cell, settings, features))
    if spread != 1:
        model.output = Widened(model.output, spread)
    return Member(model, cell, settings, features)


def _summed_up(paths: np.ndarray, levels: Sequence[float]) -> Found:
    """Mean and quantiles of paths `[B, paths, H]`; a quantile is the least draw that as many lie at or below, and so a
    whole number where all draws are."""
    return paths.mean(1), np.quantile(paths, levels, axis=1, method="inverted_cdf").transpose(1, 2, 0)


def _ends(windows: Windows, series: np.ndarray) -> WindowBatch:
    return windows.batch(series, windows.panel.observed[series])


def _batches(count: int) -> Iterator[np.ndarray]:
    for at in range(0, count, BATCH):
        yield np.arange(at, min(at + BATCH, count))
