"""Series whose future is known, and small forecasters of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from unspool.cells import GRUCell
from unspool.data.series import Panel
from unspool.tasks.forecast import ForecastData, ForecastSettings, train
from unspool.train import Summary, TrainSettings

SMALL: dict[str, Any] = {
    "horizon": 6, "context": 24, "season": 12, "hidden": 16, "batch": 16, "steps_per_epoch": 20, "lags": (12,),
}  # fmt: skip
KINDS = {
    "seasonal": {"scaling": "seasonal", "segment": 6},
    "parallel": {"scaling": "mean-abs", "segment": 3, "decoder": "parallel", "reversion": True},
    "tied": {"scaling": "instance", "segment": 3, "decoder": "parallel", "tie_decoder": True, "calendar": False},
    "odd": {"scaling": "instance", "segment": 6, "odd": True, "calendar": False},
    "steps": {"scaling": "instance", "output": "gaussian", "lags": None},
    "deepar": {"model": "autoregressive", "output": "student-t", "scaling": "mean-abs"},
    "counts": {"model": "autoregressive", "output": "negative-binomial", "lags": (1, 3, 12)},
    "seasonal steps": {"model": "autoregressive", "scaling": "seasonal", "lags": (1, 3, 12)},
}


def waves(lengths: tuple[int, ...] = (90, 70, 50, 61)) -> Panel:
    """Whole numbers, as counts must be; with a gap."""
    series = [np.round(20 * (i + 1) + 10 * np.sin(np.arange(n) * np.pi / 6 + i)) for i, n in enumerate(lengths)]
    series[1][10:13] = np.nan
    return Panel.of({f"s{i}": values for i, values in enumerate(series)}, frequency="MS", starts="2000-03-01")


def fit(out: Path, *, cell: Any = GRUCell, steps: int = 60, resume: bool = False, panel: Panel | None = None,
        **choices: Any) -> Summary:  # fmt: skip
    data = ForecastData(waves() if panel is None else panel)
    training = TrainSettings(max_steps=steps, lr=0.01)
    return train(cell, data, ForecastSettings(**SMALL | choices), training, out, resume=resume)
