"""M4 Hourly: 414 series, 48 hours ahead (Makridakis et al. 2020, https://doi.org/10.1016/j.ijforecast.2019.04.014).

    python benchmarks/m4.py --data ../shared/data/m4 --out runs/m4 [--seed 1] [--members 5] [--refit yes]
        [any option of `unspool train forecast`]

Trained on the competition's training part, the last 48 hours of which are validation data; the test part is read once.
With `--refit yes` each is then trained anew on all of the training part (`unspool train forecast --refit`), and that
one, in `SEED-refit`, forecasts; the minutes of these come after those of the others.
With `--members` that many seeds are trained, from `--seed` on, and their ensemble is measured beside each of them.
Prints one JSON line: the measures of `unspool evaluate`, with more than one member those of the naive methods too.
"""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

from command import options, unspool

CHOICES = (
    "--cell gru --horizon 48 --season 24 --context 336 --segment 24 --scaling seasonal --no-calendar "
    "--lag 48 --lag 72 --lag 96 --lag 120 --lag 144 --lag 168 --lag 336 --hidden 256 --dropout 0.3 "
    "--batch 128 --steps-per-epoch 200 --lr 0.003 --warmup 20 --schedule cosine --max-steps 1200"
)
NAIVE = ("--method", "naive", "--method", "seasonal-naive", "--method", "naive2")


def series(path: Path) -> dict[str, list[str]]:
    """The values of each series, as written."""
    with path.open(newline="") as file:
        return {row[0]: [value for value in row[1:] if value] for row in list(csv.reader(file))[1:]}


def write(path: Path, values: dict[str, list[str]]) -> None:
    """Series in long form, their hours numbered."""
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["unique_id", "ds", "y"])
        rows.writerows([name, hour, y] for name, row in values.items() for hour, y in enumerate(row))


def main() -> None:
    chosen, more = options(__doc__ or "", seed="0", members="1", refit="no")
    history, future = (series(chosen.data / f"Hourly-{part}.csv") for part in ("train", "test"))
    runs = [chosen.out / str(int(chosen.seed) + member) for member in range(int(chosen.members))]
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder, "train.csv"), Path(folder, "test.csv")
        write(train, history)
        write(test, {name: [*values, *future[name]] for name, values in history.items()})
        trained = [
            unspool("train", "forecast", "--train", train, "--out", run, *CHOICES.split(), "--seed", run.name, *more)
            for run in runs
        ]
        done, last = trained, runs
        if chosen.refit == "yes":
            last = [run.with_name(f"{run.name}-refit") for run in runs]
            done = trained + [
                unspool("train", "forecast", "--refit", run, "--train", train, "--out", made)
                for run, made in zip(runs, last, strict=True)
            ]
        found = {
            run.name: unspool("evaluate", made, "--test", test, "--method", "none")
            for run, made in zip(runs, last, strict=True)
        }
        if len(runs) > 1:
            found["ensemble"] = unspool("evaluate", *last, "--test", test, *NAIVE)
    minutes = [round(one["seconds"] / 60, 1) for one in done]
    print(json.dumps({"minutes": minutes, "validation": [one["best"] for one in trained], **found}))


if __name__ == "__main__":
    main()
