"""Which source symbols each output symbol attended to, as a picture."""

from __future__ import annotations

from pathlib import Path

from unspool.errors import ConfigError
from unspool.tasks.translate import Translation
from unspool.view.picture import as_written, new_figure, save


def draw_attention(translation: Translation, path: Path) -> None:
    """Write attention weights (rows: output symbols, columns: source symbols) to `path` (.png, .svg or .pdf).

    Raises:
        ConfigError: the model has no attention, or the file's kind is unknown. UnspoolError: matplotlib is missing.
    """
    if translation.attention is None:
        raise ConfigError("this run was trained without attention, so there is nothing to draw")
    weights = translation.attention
    rows, columns = weights.shape
    figure = new_figure(1.5 + 0.32 * columns, 1.2 + 0.32 * rows)
    axes = figure.subplots()
    picture = axes.imshow(weights.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(columns), [_shown(p) for p in translation.source_pieces], rotation=90)
    axes.set_yticks(range(rows), [_shown(p) for p in translation.pieces])
    axes.xaxis.tick_top()
    axes.set_xlabel("source")
    axes.set_ylabel("output")
    figure.colorbar(picture, label="attention weight", shrink=0.8)
    as_written([*axes.get_xticklabels(), *axes.get_yticklabels()])
    save(figure, path)


def _shown(piece: str) -> str:
    return piece.replace(" ", "␣").replace("▁", "␣")
