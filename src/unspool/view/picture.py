"""The common ground of all pictures: matplotlib, and the kinds of file that it writes."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

from unspool.data.wording import counted
from unspool.errors import ConfigError, UnspoolError
from unspool.train.files import replaced

KINDS = (".png", ".svg", ".pdf")
FURTHER = (
    "Noto Sans CJK JP", "Noto Sans CJK SC", "Noto Sans JP", "Noto Sans SC", "Noto Sans KR", "Noto Sans Arabic",
    "Noto Sans Devanagari", "Hiragino Sans", "PingFang SC", "Apple SD Gothic Neo", "Yu Gothic", "Microsoft YaHei",
    "Malgun Gothic", "Nirmala UI", "WenQuanYi Micro Hei", "Arial Unicode MS",
)  # fmt: skip
"""Fonts of what matplotlib's own one cannot write; those that a machine has are used."""
MISSING = re.compile(r"Glyph (\d+) .* missing from font")


def new_figure(width: float, height: float) -> Any:
    """An empty `matplotlib.figure.Figure` of that size in inches.

    Raises:
        UnspoolError: matplotlib is missing.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnspoolError("pictures need matplotlib, which is not installed: pip install 'unspool[view]'") from error
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Any, path: Path) -> None:
    """Write a figure; its file's ending says as what.

    Raises:
        ConfigError: unknown ending. NotWritten: the disk is full, or the like.
    """
    if path.suffix not in KINDS:
        raise ConfigError(f"{path}: expected a file that ends in {', '.join(KINDS)}")
    _set_fonts(figure)
    with replaced(path) as temporary, warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        figure.savefig(temporary, dpi=150)
    _warn([str(one.message) for one in said])


def _set_fonts(figure: Any) -> None:
    """Let every text of a figure go on in a further font where one lacks a character."""
    from matplotlib import font_manager, rcParams
    from matplotlib.text import Text

    there = set(font_manager.get_font_names())
    families = [*rcParams["font.family"], *(name for name in FURTHER if name in there)]
    for text in figure.findobj(Text):
        text.set_fontfamily(families)


def _warn(said: list[str]) -> None:
    """Say what drawing said, and once for all characters that no font has."""
    found = [MISSING.match(one) for one in said]
    for one in [one for one, match in zip(said, found, strict=True) if not match]:
        warnings.warn(one, stacklevel=3)
    lacking = sorted({chr(int(match[1])) for match in found if match})
    if lacking:
        warnings.warn(
            f"a picture shows boxes for {counted(len(lacking), 'character')} that no font of this machine has, such as "
            f"{lacking[0]}; install a font that has them, for example Noto Sans CJK, and draw it again",
            stacklevel=3,
        )


def as_written(labels: list[Any]) -> None:
    """Text with a dollar sign in it is no mathematics, and must not stop the picture."""
    for label in labels:
        label.set_parse_math(False)
