"""What a method expects of one series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np


class Expected(NamedTuple):
    """What is expected of the H steps after a history: `mean` `[H]`, and `quantiles` `[H, L]`."""

    mean: np.ndarray
    quantiles: np.ndarray


class Single(Protocol):
    """Forecasts one series from its history `[T]` alone: H steps, L levels, `season` steps to a season."""

    def __call__(self, history: np.ndarray, horizon: int, levels: Sequence[float], *, season: int) -> Expected: ...
