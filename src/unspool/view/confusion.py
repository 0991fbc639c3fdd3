"""Which class was taken for which, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unspool.view.picture import as_written, new_figure, save

WRITTEN = 20
"""Classes up to which the counts are written into their fields."""


def draw_confusion(counts: np.ndarray, classes: Sequence[str], path: Path) -> None:
    """Write counts `[K, K]` (rows: the class, columns: the answer) to `path` (.png, .svg or .pdf).

    The colour of a field is its share of the row, so that rare classes are seen as well as frequent ones.

    Raises:
        ConfigError: the file's kind is unknown. UnspoolError: matplotlib is missing.
    """
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = 2.2 + 0.38 * len(classes)
    figure = new_figure(size + 0.8, size)
    axes = figure.subplots()
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), list(classes), rotation=90)
    axes.set_yticks(range(len(classes)), list(classes))
    axes.set_xlabel("answer")
    axes.set_ylabel("class")
    if len(classes) <= WRITTEN:
        for row, column in np.argwhere(counts):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=8)
    figure.colorbar(picture, label="share of the class", shrink=0.8)
    as_written([*axes.get_xticklabels(), *axes.get_yticklabels()])
    save(figure, path)
