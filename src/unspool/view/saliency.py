"""Which steps of a sequence speak for the answer: a text with coloured symbols, or a curve beside the numbers."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from unspool.errors import ConfigError
from unspool.train.files import write_bytes
from unspool.view.picture import new_figure, save

FOR, AGAINST = "33, 102, 172", "178, 24, 43"
"""Blue where a step raises the logit of the answer, red where it lowers it."""

_PAGE = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><title>{label}</title>
<style>
body {{ font: 16px/2 sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #222; background: #fff; }}
span {{ padding: .15em 0; border-radius: .2em; white-space: pre-wrap; }}
</style></head>
<body>
<h1>{label}</h1>
<p>{symbols}</p>
<p><small>Gradient × input of the winning logit. <span style="background: rgba({for_}, .5)">Blue</span> raises it,
<span style="background: rgba({against}, .5)">red</span> lowers it.</small></p>
</body></html>
"""


def text_page(pieces: Sequence[str], weights: np.ndarray, label: str) -> str:
    """An HTML page with each symbol of a text coloured by its weight; it needs nothing else, and no network.

    Args:
        pieces: T symbols.
        weights: `[T]`, above 0 where the symbol speaks for the answer.
        label: the answer.

    Example:
        >>> '<span title="-1" style="background: rgba(178, 24, 43, 0.80)">b</span>' in text_page(
        ...     ["a", "b"], np.array([0.5, -1.0]), "yes"
        ... )
        True
    """
    largest = max(float(np.abs(weights).max(initial=0)), 1e-30)
    symbols = "".join(
        _symbol(piece, weight, 0.8 * abs(weight) / largest)
        for piece, weight in zip(pieces, weights.tolist(), strict=True)
    )
    return _PAGE.format(label=html.escape(label), symbols=symbols, for_=FOR, against=AGAINST)


def write_text_page(pieces: Sequence[str], weights: np.ndarray, label: str, path: Path) -> None:
    """Write `text_page` to `path`.

    Raises:
        ConfigError: the file does not end in .html.
    """
    if path.suffix != ".html":
        raise ConfigError(f"{path}: expected a file that ends in .html for a text")
    write_bytes(path, text_page(pieces, weights, label).encode())


def draw_curve(numbers: np.ndarray, features: Sequence[str], weights: np.ndarray, label: str, path: Path) -> None:
    """Write the features of a sequence `[T, F]` over its steps, and below them the weight `[T]` of each step, to `path`
    (.png, .svg or .pdf).

    Raises:
        ConfigError: the file's kind is unknown. UnspoolError: matplotlib is missing.
    """
    figure = new_figure(8, 5)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    few = len(features) <= 8
    steps = np.arange(1, len(weights) + 1)
    for name, column in zip(features, numbers.T, strict=True):
        above.plot(steps, column, linewidth=1, label=name.replace("$", r"\$") if few else None)
    if few:
        figure.legend(*above.get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    above.set_title(label, parse_math=False)
    above.set_ylabel("input")
    colours = [f"#{''.join(f'{int(n):02x}' for n in (FOR if w >= 0 else AGAINST).split(','))}" for w in weights]
    below.bar(steps, weights, color=colours)
    below.axhline(0, color="grey", linewidth=0.5)
    below.set_xlabel("step")
    below.set_ylabel("gradient × input")
    save(figure, path)


def _symbol(piece: str, weight: float, opacity: float) -> str:
    colour = FOR if weight >= 0 else AGAINST
    shown = html.escape(piece.replace("▁", " "))
    return f'<span title="{weight:.3g}" style="background: rgba({colour}, {opacity:.2f})">{shown}</span>'
