"""Rolling origins: the points within a history at which forecasts are made as if the rest were still to come."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from unspool.data.given import whole
from unspool.data.sequences import shown
from unspool.data.series import Panel
from unspool.data.wording import counted
from unspool.errors import DataError

MOST = 10**9
"""Steps and windows: more than any series has, and few enough to multiply."""


@dataclass(frozen=True, eq=False)
class Origin:
    """The series that reach far enough back for one window, and what came in it.

    Attributes:
        window: its number, 0 for the oldest.
        series: `[n]` int64, which series of the whole panel these are.
        panel: those n series, up to the origin; known covariates go on.
        truth: `[n, H]` float64, NaN where nothing was observed.
    """

    window: int
    series: np.ndarray
    panel: Panel
    truth: np.ndarray


def origins(
    panel: Panel, horizon: int, windows: int = 1, step: int | None = None, *, least: int = 1
) -> Iterator[Origin]:
    """Cut each series `windows` times, `step` steps apart, so that the last window ends where the series ends.

    Window w of W lies (W - 1 - w) · `step` steps before the end of each series, whatever its length. A series that is
    too short for a window is left out of it, which is said.

    Args:
        panel: N series.
        horizon: H steps of each window.
        windows: how many.
        step: from one origin to the next; `horizon` if None, so that windows lie side by side.
        least: observed steps that a series must have before an origin.

    Raises:
        ConfigError: a number that is not whole, below 1, or above `MOST`. DataError: every series is too short for
            every window.

    Example:
        >>> panel = Panel.of({"a": range(10), "b": [5, 6, 7, 8, 9, 10]})
        >>> for origin in origins(panel, 3, 2, 2):
        ...     print(origin.window, origin.panel.history(0)[-1], origin.truth.tolist())
        0 4.0 [[5.0, 6.0, 7.0], [6.0, 7.0, 8.0]]
        1 6.0 [[7.0, 8.0, 9.0], [8.0, 9.0, 10.0]]
    """
    step = horizon if step is None else step
    for name, value in (("horizon", horizon), ("windows", windows), ("step", step), ("least", least)):
        whole(value, name, most=MOST)
    cuts = horizon + step * np.arange(windows - 1, -1, -1)
    enough = panel.observed[:, None] - cuts >= least
    _tell_short(panel, enough, cuts, least)
    return (_origin(panel, np.flatnonzero(enough[:, w]), w, int(cuts[w]), horizon) for w in range(windows) if
            enough[:, w].any())  # fmt: skip


def _origin(panel: Panel, series: np.ndarray, window: int, cut: int, horizon: int) -> Origin:
    first = panel.offsets[series] + panel.observed[series] - cut
    truth = np.asarray(panel.y[first[:, None] + np.arange(horizon)], dtype=np.float64)
    return Origin(window, series, panel.take(series).cut(cut), truth)


def _tell_short(panel: Panel, enough: np.ndarray, cuts: np.ndarray, least: int) -> None:
    short, nowhere = np.flatnonzero(~enough.all(1)), np.flatnonzero(~enough.any(1))
    if not len(short):
        return
    one = f"{panel.ids[short[0]]!r} has {counted(int(panel.observed[short[0]]), 'step')}"
    first, last, several = cuts[0] + least, cuts[-1] + least, f"{len(short)} of {len(panel)} series"
    if len(nowhere) == len(panel):
        raise DataError(
            f"{'the series is' if len(panel) == 1 else f'all {len(panel)} series are'} too short: {one}, and one "
            f"window takes {last}; expected longer series, or choose a shorter horizon"
        )
    names, left_out = (shown([panel.ids[i] for i in which.tolist()]) for which in (short, nowhere))
    if len(cuts) == 1 or len(nowhere) == len(short):
        window = "the window" if len(cuts) == 1 else f"any of the {len(cuts)} windows"
        said = f"{several} are too short for {window}, which takes {last} steps, and are left out: {names}; {one}"
    else:
        said = (
            f"{several} are too short for all {len(cuts)} windows, which take {first} steps, and are left out of the "
            f"oldest: {names}; {one}"
        )
        if len(nowhere):
            said += f"; left out of every window: {left_out}"
    warnings.warn(said, stacklevel=3)
