"""Backtests as a page: the table, forecasts over what came, and how true quantiles are. One file, nothing fetched."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from html import escape
from pathlib import Path

import numpy as np

from unspool.data.series import Panel
from unspool.tasks.forecast.backtest import Result
from unspool.tasks.forecast.table import table
from unspool.view.fan import draw_backtest
from unspool.view.levels import draw_levels

_STYLE = (
    "body{font:1em/1.5 sans-serif;max-width:62em;margin:2em auto;padding:0 1em;color:#222;background:#fff}"
    "pre{overflow-x:auto;background:#f4f4f4;padding:1em}svg{max-width:100%;height:auto}"
)


def forecast_page(panel: Panel, results: Mapping[str, Result]) -> str:
    """An HTML page of backtests: of the first method the pictures too.

    Args:
        panel: the whole series.
        results: of each named method, on the same windows.

    Raises:
        UnspoolError: matplotlib is missing.
    """
    name, first = next(iter(results.items()))
    forecasts = first.backtest.forecasts
    parts = [
        f"<h1>Forecasts of {len(set(forecasts.ids))} series, {forecasts.horizon} steps ahead</h1>",
        f"<pre>{escape(table(results))}</pre>",
        f"<h2>{escape(name)}, over what came</h2>",
        _svg(lambda path: draw_backtest(panel, forecasts, path)),
    ]
    if forecasts.levels:
        calibration = _svg(lambda path: draw_levels(_curves(results), forecasts.levels, path))
        parts += ["<h2>How often the truth lay below each quantile</h2>", calibration]
    head = f'<!doctype html>\n<meta charset="utf-8"><title>Forecasts</title><style>{_STYLE}</style>\n'
    return head + "\n".join(parts) + "\n"


def _curves(results: Mapping[str, Result]) -> dict[str, np.ndarray]:
    return {name: result.backtest.below() for name, result in results.items()}


def _svg(draw: Callable[[Path], None]) -> str:
    """What `draw` writes as a picture, to stand in a page; the names inside are its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "picture.svg")
        draw(path)
        text = path.read_text(encoding="utf-8")
    return text[text.index("<svg") :]
