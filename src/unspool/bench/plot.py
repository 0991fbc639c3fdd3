"""Bar charts of the ratios, one for each section."""

from __future__ import annotations

from pathlib import Path

from unspool.bench.case import Section
from unspool.errors import UnspoolError
from unspool.train.files import replaced


def draw(sections: list[Section], folder: Path) -> list[Path]:
    """Write `<section>.svg` into `folder` for every section that has ratios.

    Raises:
        UnspoolError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UnspoolError("--plot needs matplotlib, which is not installed: pip install 'unspool[view]'") from error
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for section in sections:
        peers = list(section.means)
        if not peers:
            continue
        rows = [row for row in section.rows if row.ratios]
        figure = Figure(figsize=(8, 1.2 + 0.32 * len(rows) * len(peers)), layout="constrained")
        axes = figure.subplots()
        height = 0.8 / len(peers)
        for number, peer in enumerate(peers):
            places = [i + number * height for i, row in enumerate(rows) if peer in row.ratios]
            bars = axes.barh(places, [row.ratios[peer] for row in rows if peer in row.ratios], height, label=peer)
            axes.bar_label(bars, fmt="%.2f", padding=3)
        axes.set_yticks([i + 0.4 - height / 2 for i in range(len(rows))], [row.case for row in rows])
        axes.invert_yaxis()
        axes.axvline(1, color="black", linewidth=1)
        axes.set_xlabel("time over that of unspool (above 1: unspool is faster)")
        axes.set_title(section.title, fontsize=9)
        axes.legend()
        written.append(folder / f"{section.name}.svg")
        with replaced(written[-1]) as temporary:
            figure.savefig(temporary)
    return written
