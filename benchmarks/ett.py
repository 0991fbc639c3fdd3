"""ETTh1: seven hourly series of one transformer (Zhou et al. 2021, https://arxiv.org/abs/2012.07436).

    python benchmarks/ett.py --data ../shared/data/ett --out runs/ett --horizon 96 [--seed 1] [--settings segrnn]
        [--refit yes] [any option of `unspool train forecast`]

`--settings own`: what validation chose, for each horizon. `--settings segrnn`: what is published for SegRNN (see
`segrnn.py`), the same at every horizon; but the rate falls by a fifth after an epoch without a new best, not after each
from the fifth on, the windows of a step are drawn from all series, not the same hours of each, an epoch is validated on
4,096 forecasts, evenly, not on all, and the network is unspool's, which adds the vectors of place and series, where
SegRNN has them side by side.

`--refit yes`: once it is known after how many steps the network is best, it is trained anew for as many (`unspool
train forecast --refit`), on the 12 months and the 4 that were validated on, and that one forecasts the test part, in
`RUN-refit`. What is published for SegRNN and others never learns from these 4 months.

The usual split: 12 months to train on, 4 to validate, 4 to test, each column less its mean over its deviation in the
training part. One model of all columns; every window of the test part is forecast, step by step, and none left out.
Prints one JSON line: `mse` and `mae` are the figures that are published.
"""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import numpy as np
from command import options, unspool

MONTH = 30 * 24
TRAIN, VALID, TEST = 12 * MONTH, 16 * MONTH, 20 * MONTH
CONTEXT = 96
CHOICES = (
    f"--form wide --ds date --freq h --cell gru --context {CONTEXT} --scaling last "
    "--output point --no-calendar --lag 0 --series-embedding 16 --dropout 0.5 --batch 256 "
    "--steps-per-epoch 100 --valid-windows 30 --lr 0.0005 --ema 0.99 --warmup 20 --schedule cosine"
)
SEGRNN = (
    f"--form wide --ds date --freq h --cell gru --context {CONTEXT} --scaling last "
    "--output mean --no-calendar --lag 0 --series-embedding 256 --dropout 0.5 --batch 1792 "
    "--steps-per-epoch 32 --valid-windows 30 --lr 0.001 --schedule plateau --plateau-factor 0.8 "
    "--segment 24 --decoder parallel --tie-decoder --hidden 512 --epochs 30 --patience 10 "
    "--cell-option recurrent_init=uniform --clip-norm none"
)
OF_HORIZON = {
    "96": "--segment 48 --hidden 512 --max-steps 1000",
    "192": "--segment 48 --hidden 512 --max-steps 1000",
    "336": "--segment 48 --hidden 512 --max-steps 600 --steps-per-epoch 600 --odd --reversion",
    "720": "--segment 24 --hidden 256 --max-steps 400 --decoder parallel",
}


def columns(path: Path) -> tuple[list[str], list[str], np.ndarray]:
    """The header, the stamps, and the values `[hours, 7]`, standardised by the training part."""
    with path.open(newline="") as file:
        header, *rows = csv.reader(file)
    values = np.array([row[1:] for row in rows], dtype=np.float64)
    return header, [row[0] for row in rows], (values - values[:TRAIN].mean(0)) / values[:TRAIN].std(0)


def told(settings: str, horizon: str) -> list[str]:
    """The options of a training."""
    if settings not in ("own", "segrnn"):
        raise SystemExit(f"--settings is {settings!r}; expected own or segrnn")
    if settings == "own" and horizon not in OF_HORIZON:
        raise SystemExit(f"--horizon is {horizon}; choices were made for {', '.join(OF_HORIZON)}")
    choices = SEGRNN if settings == "segrnn" else f"{CHOICES} {OF_HORIZON[horizon]}"
    return [*choices.split(), "--horizon", horizon]


def main() -> None:
    chosen, more = options(__doc__ or "", seed="0", horizon="96", settings="own", refit="no")
    header, stamps, values = columns(chosen.data / "ETTh1.csv")
    parts = {
        "train": (0, TRAIN), "valid": (TRAIN - CONTEXT, VALID), "known": (0, VALID), "test": (VALID - CONTEXT, TEST),
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.csv") for name in parts}
        for name, (first, end) in parts.items():
            with files[name].open("w", newline="") as file:
                csv.writer(file).writerows([header, *([stamps[i], *values[i]] for i in range(first, end))])
        how = told(chosen.settings, chosen.horizon)
        data = ["--train", files["train"], "--valid", files["valid"]]
        trained = unspool("train", "forecast", *data, "--out", chosen.out, *how, "--seed", chosen.seed, *more)
        run, seconds = chosen.out, trained["seconds"]
        if chosen.refit == "yes":
            run = chosen.out.with_name(f"{chosen.out.name}-refit")
            again = unspool("train", "forecast", "--refit", chosen.out, "--train", files["known"], "--out", run)
            seconds += again["seconds"]
        windows = TEST - VALID - int(chosen.horizon) + 1
        backtest = ["--windows", windows, "--step", 1, "--method", "none"]
        found = unspool("evaluate", run, "--test", files["test"], *backtest)
    minutes = round(seconds / 60, 1)
    print(json.dumps({"horizon": int(chosen.horizon), "minutes": minutes, "validation": trained["best"], **found}))


if __name__ == "__main__":
    main()
