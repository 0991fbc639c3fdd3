"""The common ground of all pictures: matplotlib, and the kinds of file that it writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unspool.errors import ConfigError, UnspoolError
from unspool.train.files import replaced

KINDS = (".png", ".svg", ".pdf")


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
    with replaced(path) as temporary:
        figure.savefig(temporary, dpi=150)


def as_written(labels: list[Any]) -> None:
    """Text with a dollar sign in it is no mathematics, and must not stop the picture."""
    for label in labels:
        label.set_parse_math(False)
