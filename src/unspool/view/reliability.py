"""How often answers are right that call themselves so probable, as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from unspool.tasks.classify.metrics import Reliability
from unspool.view.picture import new_figure, save


def draw_reliability(curves: Mapping[str, Reliability], path: Path) -> None:
    """Write a reliability diagram to `path` (.png, .svg or .pdf): above, the share of right answers over the mean
    probability they gave themselves, for each of the named curves; below, how many answers those are.

    Probabilities that can be trusted lie on the diagonal (Guo et al. 2017, https://arxiv.org/abs/1706.04599, figure 1).

    Raises:
        ConfigError: the file's kind is unknown. UnspoolError: matplotlib is missing.
    """
    figure = new_figure(5, 6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    above.plot([0, 1], [0, 1], color="grey", linestyle="--", linewidth=1, label="can be trusted")
    for name, curve in curves.items():
        there = curve.counts > 0
        label = f"{name} (calibration error {curve.error:.3f})"
        above.plot(curve.confidence[there], curve.right[there], marker="o", markersize=4, label=label)
        edges = np.linspace(0, 1, len(curve.counts) + 1)
        below.stairs(curve.counts, edges, label=name)
    above.set_ylabel("share of right answers")
    figure.legend(*above.get_legend_handles_labels(), loc="outside upper center", fontsize=8)
    below.set_xlabel("probability that the answer gave itself")
    below.set_ylabel("answers")
    above.set_xlim(0, 1)
    above.set_ylim(0, 1.02)
    save(figure, path)
