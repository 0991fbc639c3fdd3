"""Sample paths: what could come, drawn step by step or block by block."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unspool.cells.state import map_tensors
from unspool.layers.stream import stream
from unspool.tasks.forecast.autoregressive import AutoregressiveForecaster
from unspool.tasks.forecast.draws import SeriesDraws
from unspool.tasks.forecast.network import Network
from unspool.tasks.forecast.rows import repeated
from unspool.tasks.forecast.windows import WindowBatch, Windows

ROWS = 4096
"""Windows that are run at once where each path has its own, unless one series has more paths."""


class Scale(NamedTuple):
    """That of a step, `[rows]` each."""

    loc: Tensor
    scale: Tensor

    def of(self, y: Tensor) -> Tensor:
        """Values on this scale, as they are read."""
        return ((y - self.loc) / self.scale).float()


@torch.no_grad()
def sampled(
    network: Network, windows: Windows, series: np.ndarray, *, horizon: int, paths: int, draw: SeriesDraws
) -> np.ndarray:
    """Paths of the steps after the last observed one of each of `series` `[B]`: float64 `[B, paths, horizon]`.

    An autoregressive model draws a step and reads the draw. An encoder–decoder draws the steps of its own horizon, each
    for itself; if more are asked for, it reads them and writes the next ones.

    Args:
        network: in eval mode. windows: of the series, whose horizon is `horizon` for an autoregressive model and the
            model's own for an encoder–decoder. draw: the streams of the series.
    """
    if isinstance(network, AutoregressiveForecaster):
        return _stepwise(network, windows.batch(series, windows.panel.observed[series]), paths, draw)
    if horizon > network.horizon:
        return _blockwise(network, windows, series, horizon, paths, draw)
    batch = windows.batch(series, windows.panel.observed[series])
    loc, scale = (part[:, -network.horizon :][:, :horizon] for part in (batch.loc, batch.scale))
    return network.output.sample(network(batch)[:, :horizon], loc, scale, draw, paths=paths).double().numpy()


def _stepwise(network: AutoregressiveForecaster, batch: WindowBatch, paths: int, draw: SeriesDraws) -> np.ndarray:
    inputs, length = network.read(batch), batch.past.shape[1]
    _, state = network.network(inputs[:, :length])
    going = stream(network.network, len(inputs) * paths, map_tensors(lambda part: _each(part, paths), state))
    scales = [Scale(_each(batch.loc[:, step], paths), _each(batch.scale[:, step], paths)) for step in
              range(length, inputs.shape[1])]  # fmt: skip
    drawn: list[Tensor] = []
    for step, scale in enumerate(scales):
        now = _each(inputs[:, length + step], paths)
        if drawn:
            now[:, 0], now[:, 1] = scales[step - 1].of(drawn[-1]), 1.0
        _put_lags(network, now, drawn, scale)
        params = network.write(going.push(now))
        drawn.append(network.output.sample(params, *scale, draw).squeeze(1).double())
    return torch.stack(drawn, 1).unflatten(0, (-1, paths)).numpy()


def _put_lags(network: AutoregressiveForecaster, now: Tensor, drawn: list[Tensor], scale: Scale) -> None:
    """Write what was drawn so far where a step reads it as a lag: on the step's own scale."""
    for place, lag in network.lag_columns():
        if lag <= len(drawn):
            now[:, place], now[:, place + 1] = scale.of(drawn[-lag]), 1.0


def _blockwise(
    network: Network, windows: Windows, series: np.ndarray, horizon: int, paths: int, draw: SeriesDraws
) -> np.ndarray:  # fmt: skip
    panel = repeated(windows.panel, series, copies=paths, rows=windows.reach, ahead=horizon)
    inner, at_once = windows.of(panel, until=panel.lengths), max(ROWS // paths, 1)
    groups = [slice(first, min(first + at_once, len(series))) for first in range(0, len(series), at_once)]
    for block in range(0, horizon, network.horizon):
        count = min(network.horizon, horizon - block)
        for group in groups:
            part = np.arange(group.start * paths, group.stop * paths)
            begin = panel.observed[part] + block
            batch = inner.batch(part, begin)
            loc, scale = (part[:, -network.horizon :][:, :count] for part in (batch.loc, batch.scale))
            values = network.output.sample(network(batch)[:, :count], loc, scale, draw.part(group))
            rows = (panel.offsets[part] + begin)[:, None] + np.arange(count)
            panel.y[rows] = values.squeeze(1).double().numpy()
    rows = (panel.offsets[:-1] + panel.observed)[:, None] + np.arange(horizon)
    return panel.y[rows].reshape(len(series), paths, horizon)


def _each(value: Tensor, paths: int) -> Tensor:
    """Every row `paths` times."""
    return value.repeat_interleave(paths, 0)
