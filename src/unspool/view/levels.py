"""Whether quantiles are what they say: how often the truth lay below the quantile of each level, as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from unspool.view.picture import new_figure, save


def draw_levels(curves: Mapping[str, np.ndarray], levels: Sequence[float], path: Path) -> None:
    """Write a calibration plot of quantiles to `path` (.png, .svg or .pdf): calibrated ones lie on the diagonal.

    Where a curve is below it, the quantiles are too low, and too high where it is above; where a curve is flatter, the
    intervals are too narrow.

    Args:
        curves: of each named method `[L]`, the share of targets at or below the quantile of each level, such as
            `unspool.tasks.forecast.backtest.Backtest.below`; NaN is left out.
        levels: L.

    Raises:
        ConfigError: the file's kind is unknown. UnspoolError: matplotlib is missing.
    """
    figure = new_figure(5, 5.4)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="calibrated")
    for name, shares in curves.items():
        label = f"{name} (mean distance {_distance(shares, levels)})"
        axes.plot(levels, shares, marker="o", markersize=4, label=label.replace("$", r"\$"))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", fontsize=8)
    axes.set_xlabel("level of the quantile")
    axes.set_ylabel("share of the truth at or below it")
    axes.set_xlim(0, 1)
    axes.set_ylim(-0.02, 1.02)
    save(figure, path)


def _distance(shares: np.ndarray, levels: Sequence[float]) -> str:
    gaps = np.abs(np.asarray(shares) - np.asarray(levels))
    return "unknown" if np.isnan(gaps).all() else f"{np.nanmean(gaps):.3f}"
