"""Forecasts as fans: what was observed, and from there on what is expected, wider where less is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unspool.data.series import Forecasts, Panel
from unspool.view.over_time import chosen, draw_expected, draw_observed, finish, panels, stamps
from unspool.view.picture import save

HORIZONS, SEASONS, LEAST = 4, 3, 20
"""How much of the history is drawn where nothing else is asked: the longest of so many horizons, seasons and steps."""


def draw_fan(
    panel: Panel, forecasts: Forecasts, path: Path, *, series: Sequence[str] | None = None, steps: int | None = None
) -> None:
    """Write forecasts with their histories to `path` (.png, .svg or .pdf), one series below the other.

    What the panel has of the steps that were forecast is drawn over the fan.

    Args:
        panel: the histories, and what came after them, if that is known.
        forecasts: of series of the panel.
        series: names of those to draw; the first six if None.
        steps: how many of the history to draw before the forecast; four horizons or three seasons if None.

    Raises:
        ConfigError: a name that has no forecast, or the file's kind is unknown. UnspoolError: matplotlib is missing.
    """
    names = chosen(forecasts.ids, panel, series)
    usual = max(HORIZONS * forecasts.horizon, SEASONS * forecasts.frequency.season, LEAST)
    before = usual if steps is None else steps
    figure, axes = panels(list(names), len(set(forecasts.ids)))
    rows = {name: row for row, name in enumerate(forecasts.ids)}
    for one, (name, i) in zip(axes, names.items(), strict=True):
        row = rows[name]
        origin = int(forecasts.origins[row])
        draw_expected(one, panel, i, forecasts, row, range(len(forecasts.levels)))
        draw_observed(one, panel, i, origin - before + 1)
    finish(figure, axes, forecasts.frequency)
    save(figure, path)


def draw_backtest(panel: Panel, forecasts: Forecasts, path: Path, *, series: Sequence[str] | None = None) -> None:
    """Write the forecasts of a backtest over what was observed to `path` (.png, .svg or .pdf).

    Each series has a panel with all its windows; a dotted line is where one was forecast from. Of the quantiles only
    the outermost are drawn.

    Args:
        panel: the whole series.
        forecasts: a row for each series and window, such as those of `unspool.tasks.forecast.backtest.Backtest`.
        series, path: as `draw_fan`.

    Raises:
        ConfigError, UnspoolError: as `draw_fan`.
    """
    names = chosen(forecasts.ids, panel, series)
    figure, axes = panels(list(names), len(set(forecasts.ids)))
    ids, outer = np.asarray(forecasts.ids, dtype=object), sorted({0, len(forecasts.levels) - 1})
    kept = [k for k, level in enumerate(forecasts.levels) if k in outer or level == 0.5]
    for one, (name, i) in zip(axes, names.items(), strict=True):
        rows = np.flatnonzero(ids == name)
        first = int(forecasts.origins[rows].min()) - forecasts.horizon
        draw_observed(one, panel, i, first)
        for row in rows.tolist():
            draw_expected(one, panel, i, forecasts, row, kept)
            one.axvline(stamps(forecasts.frequency, forecasts.origins[[row]])[0], color="grey", ls=":", linewidth=0.8)
    finish(figure, axes, forecasts.frequency)
    save(figure, path)
