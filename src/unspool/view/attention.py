"""Which source symbols each output symbol attended to, as a picture."""

from __future__ import annotations

from pathlib import Path

from unspool.errors import ConfigError, UnspoolError
from unspool.tasks.translate import Translation


def draw_attention(translation: Translation, path: Path) -> None:
    """Write attention weights (rows: output symbols, columns: source symbols) to `path` (.png, .svg or .pdf).

    Raises:
        ConfigError: the model has no attention, or the file's kind is unknown.
    """
    if translation.attention is None:
        raise ConfigError("this run was trained without attention, so there is nothing to draw")
    if path.suffix not in (".png", ".svg", ".pdf"):
        raise ConfigError(f"--attention {path}: expected a file that ends in .png, .svg or .pdf")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnspoolError("pictures need matplotlib, which is not installed: pip install 'unspool[view]'") from error
    weights = translation.attention
    rows, columns = weights.shape
    figure = Figure(figsize=(1.5 + 0.32 * columns, 1.2 + 0.32 * rows), layout="constrained")
    axes = figure.subplots()
    picture = axes.imshow(weights.numpy(), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_xticks(range(columns), [_shown(p) for p in translation.source_pieces], rotation=90)
    axes.set_yticks(range(rows), [_shown(p) for p in translation.pieces])
    axes.xaxis.tick_top()
    axes.set_xlabel("source")
    axes.set_ylabel("output")
    figure.colorbar(picture, label="attention weight", shrink=0.8)
    # A file name with a dollar sign or an unknown glyph must not stop the picture: text is never read as mathematics.
    for text in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        text.set_parse_math(False)
    figure.savefig(path, dpi=150)


def _shown(piece: str) -> str:
    return piece.replace(" ", "␣").replace("▁", "␣")
