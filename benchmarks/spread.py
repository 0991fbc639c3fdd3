"""How many forecasts it takes to fit a forecaster's spread to: fitted to some, measured on others.

    python benchmarks/spread.py RUN --data ../shared/data/m4

RUN is a run of `benchmarks/m4.py --valid-windows 5`, or of any training on that data that holds the last five horizons
back. The spread is fitted to N of the last horizon's forecasts, drawn a hundred times, and measured on the four
horizons before it. Prints one JSON line for each N: where 95 of the 100 spreads lie; the quantile loss with them, in
the mean, over that with the spread 1; the share of values within the outer levels, in the mean.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import m4
import numpy as np
import torch

from unspool.data.series import Panel, SeriesColumns
from unspool.data.series.files import read_series
from unspool.tasks.forecast.calibrate import fit_spread
from unspool.tasks.forecast.member import Member, load_member
from unspool.train import Run

ORIGINS = 5
DRAWS = 100
Parts = tuple[torch.Tensor, torch.Tensor]


def measured(member: Member, panel: Panel, back: int) -> Parts:
    """Quantiles and truth of the forecasts that begin `back` steps before the end of each series."""
    s, series = member.settings, np.arange(len(panel))
    batch = member.windows(panel, s.horizon).batch(series, panel.observed - back)
    y, loc, scale = (part[:, -s.horizon :] for part in (batch.y, batch.loc, batch.scale))
    with torch.no_grad():
        quantiles = member.model.output.quantiles(member.model(batch), s.levels, loc, scale)
    return (quantiles - loc.unsqueeze(-1)) / scale.unsqueeze(-1), (y - loc) / scale


def widened(quantiles: torch.Tensor, spread: float) -> torch.Tensor:
    middle = quantiles[..., [quantiles.shape[-1] // 2]]
    return middle + spread * (quantiles - middle)


def scores(parts: Parts, spread: float, levels: tuple[float, ...]) -> tuple[float, float]:
    """Quantile loss, and the share within the outer levels."""
    quantiles, truth = widened(parts[0], spread), parts[1].unsqueeze(-1)
    level = torch.tensor(levels, dtype=torch.float64)
    loss = torch.maximum(level * (truth - quantiles), (level - 1) * (truth - quantiles)).mean()
    within = (truth >= quantiles[..., :1]) & (truth <= quantiles[..., -1:])
    return float(loss), float(within.double().mean())


def drawn(fit: Parts, other: Parts, count: int, levels: tuple[float, ...]) -> dict[str, Any]:
    """What fitting to `count` forecasts gives."""
    rng, found = np.random.default_rng(count), []
    for _ in range(DRAWS):
        chosen = torch.from_numpy(rng.permutation(len(fit[1]))[:count])
        spread = fit_spread(fit[0][chosen].flatten(0, 1), fit[1][chosen].flatten(), levels)
        found.append((spread, *scores(other, spread, levels)))
    spreads, losses, within = np.array(found).T
    return {
        "forecasts": count,
        "spread": [round(float(end), 2) for end in np.quantile(spreads, [0.025, 0.975])],
        "loss_ratio": round(float(losses.mean()) / scores(other, 1.0, levels)[0], 4),
        "within": round(float(within.mean()), 4),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("run", type=Path)
    options.add_argument("--data", type=Path, required=True)
    chosen = options.parse_args()
    run = Run.open(chosen.run)
    run.config["calibration"] = {}
    member = load_member(run, ())
    with tempfile.TemporaryDirectory() as folder:
        m4.write(Path(folder, "train.csv"), m4.series(chosen.data / "Hourly-train.csv"))
        panel = read_series([Path(folder, "train.csv")], SeriesColumns())
    levels, horizon = member.settings.levels, member.settings.horizon
    fit, *others = (measured(member, panel, horizon * (origin + 1)) for origin in range(ORIGINS))
    other = torch.cat([part[0] for part in others]), torch.cat([part[1] for part in others])
    loss, within = scores(other, 1.0, levels)
    print(json.dumps({"forecasts": 0, "spread": 1.0, "loss": round(loss, 4), "within": round(within, 4)}))
    for count in (2, 5, 10, 20, 50, 100, 200, len(panel)):
        print(json.dumps(drawn(fit, other, count, levels)), flush=True)


if __name__ == "__main__":
    main()
