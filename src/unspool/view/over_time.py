"""The common ground of pictures of series: a panel for each, its line, its quantiles, and dates below."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unspool.data.sequences import shown
from unspool.data.series import Forecasts, Frequency, Panel
from unspool.data.series.stamps import on_the_wall
from unspool.errors import ConfigError
from unspool.view.picture import new_figure

MOST = 6
"""Series that are drawn where none are named."""

OBSERVED, EXPECTED = "#333333", "#1f77b4"


def chosen(forecast: Sequence[str], panel: Panel, series: Sequence[str] | None) -> dict[str, int]:
    """The series to draw and their numbers in the panel: those named, or the first few that were forecast.

    Raises:
        ConfigError: one is not in the panel, or was not forecast.
    """
    names = list(dict.fromkeys(forecast))[:MOST] if series is None else list(series)
    places = {name: i for i, name in enumerate(panel.ids)}
    known = set(forecast) & set(places)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ConfigError(
            f"to draw: {shown(unknown) or 'no series'}; expected some of the {len(known)} series that have both a "
            f"history and a forecast: {shown(sorted(known), 6)}"
        )
    return {name: places[name] for name in names}


def panels(names: Sequence[str], of: int) -> tuple[Any, list[Any]]:
    """A figure with axes below each other, one for each name; if there are more series, how many is said above.

    Raises:
        UnspoolError: matplotlib is missing.
    """
    figure = new_figure(9, 0.8 + 2.4 * len(names))
    axes = list(figure.subplots(len(names), 1, squeeze=False)[:, 0])
    for one, name in zip(axes, names, strict=True):
        one.set_title(name, fontsize=10, loc="left", parse_math=False)
    if len(names) < of:
        figure.suptitle(f"{len(names)} of {of} series", fontsize=10)
    return figure, axes


def stamps(frequency: Frequency, steps: np.ndarray) -> np.ndarray:
    """Where steps lie on the axis: whole numbers, or dates as the clock on the wall shows them."""
    times = frequency.times(steps)
    if frequency.integer:
        return times
    return on_the_wall(times.astype(np.int64), frequency.zone).astype("datetime64[ns]")


def draw_observed(axes: Any, panel: Panel, i: int, first: int) -> None:
    """The history of series i from step `first` on; a value between two gaps is a dot."""
    history = panel.history(i)
    steps = panel.starts[i] + np.arange(len(history))
    there = steps >= first
    x, y = stamps(panel.frequency, steps[there]), history[there]
    axes.plot(x, y, color=OBSERVED, linewidth=1, label="observed")
    gap = np.concatenate([[True], np.isnan(y), [True]])
    alone = ~gap[1:-1] & gap[:-2] & gap[2:]
    axes.plot(x[alone], y[alone], ".", color=OBSERVED, markersize=4)


def draw_expected(axes: Any, panel: Panel, i: int, forecasts: Forecasts, row: int, kept: Sequence[int]) -> None:
    """A forecast of series i: its middle as a line, and pairs of the `kept` levels as bands, the outer ones lighter.

    All begin at the last value before, where there is one. The middle is the median, or the mean where no level is 0.5.
    """
    levels = [forecasts.levels[k] for k in kept]
    name, middle = ("median", forecasts.at(0.5)[row]) if 0.5 in levels else ("mean", forecasts.mean[row])
    steps, lines = forecasts.ordinals[row], np.column_stack([middle, forecasts.quantiles[row][:, kept]])
    before = _value(panel, i, int(forecasts.origins[row]))
    if before is not None:
        steps, lines = np.insert(steps, 0, forecasts.origins[row]), np.insert(lines, 0, before, axis=0)
    x, pairs = stamps(forecasts.frequency, steps), len(levels) // 2
    for pair in range(pairs):
        low, high = 1 + pair, len(levels) - pair
        label = f"{levels[pair]:g} to {levels[-1 - pair]:g}"
        colour = _lighter(EXPECTED, (pair + 1) / (pairs + 2))
        axes.fill_between(x, lines[:, low], lines[:, high], color=colour, alpha=0.8, linewidth=0, label=label)
    axes.plot(x, lines[:, 0], color=EXPECTED, linewidth=1.2, marker="." if len(x) == 1 else None, label=name)


def _value(panel: Panel, i: int, step: int) -> float | None:
    history, place = panel.history(i), step - int(panel.starts[i])
    return float(history[place]) if 0 <= place < len(history) and not np.isnan(history[place]) else None


def _lighter(colour: str, share: float) -> tuple[float, ...]:
    """That share of a colour `#rrggbb`, the rest white."""
    parts = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    return tuple(1 - share * (1 - part) for part in parts)


def finish(figure: Any, axes: Sequence[Any], frequency: Frequency) -> None:
    """One legend for all axes, and dates no denser than they can be read."""
    handles, labels = axes[0].get_legend_handles_labels()
    first = {label: handle for handle, label in reversed(list(zip(handles, labels, strict=True)))}
    figure.legend(list(first.values())[::-1], list(first)[::-1], loc="outside right upper", fontsize=8)
    for one in axes:
        one.margins(x=0.01)
        _ticks(one, frequency)
    if frequency.integer:
        axes[-1].set_xlabel("step")


def _ticks(axes: Any, frequency: Frequency) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
    from matplotlib.ticker import MaxNLocator

    if frequency.integer:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        return
    locator = AutoDateLocator()
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
