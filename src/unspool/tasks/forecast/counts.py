"""Values for an output that counts: whole numbers, at least 0."""

from __future__ import annotations

import numpy as np

from unspool.data.series import Panel


def no_count(panel: Panel) -> str | None:
    """What to say of the first value that is no count; None where all are.

    Example:
        >>> no_count(Panel.of({"a": [1.0, 2.5]}))
        "series 'a' has the value 2.5, but output negative-binomial counts"
    """
    wrong = np.flatnonzero((panel.y < 0) | (panel.y != np.floor(panel.y)) & ~np.isnan(panel.y))
    if not len(wrong):
        return None
    series = int(np.searchsorted(panel.offsets, wrong[0], side="right")) - 1
    return f"series {panel.ids[series]!r} has the value {panel.y[wrong[0]]:g}, but output negative-binomial counts"
