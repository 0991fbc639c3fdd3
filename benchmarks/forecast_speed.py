"""Forecasting many series: training from a file of 100,000, and paths of 10,000.

    python benchmarks/forecast_speed.py [--run runs/m4/0] [--series 100000] [--steps 200]

Trains on that many series of 200 steps in a CSV for 50 steps of training, as a user would, and says how much memory the
command took at most, beside the same with a tenth of the series: what is read is mapped from disk, so memory must not
grow with it. With `--run`, a run of `benchmarks/m4.py`, draws 200 paths of 48 steps of 10,000 series. Prints one JSON
line.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import unspool
from unspool.data.series import Panel

TRAINING = "--horizon 24 --season 24 --hidden 64 --freq 1 --max-steps 50 --steps-per-epoch 25 --batch 128"


def write(path: Path, series: int, steps: int) -> None:
    """Waves of all sizes and phases, in long form."""
    draw, hours = np.random.default_rng(0), np.arange(steps)
    with path.open("w") as file:
        file.write("unique_id,ds,y\n")
        for number in range(series):
            level, phase = draw.uniform(1, 1000), draw.uniform(0, 24)
            y = level * (2 + np.sin((hours + phase) * np.pi / 12) + 0.1 * draw.standard_normal(steps))
            file.write("".join(f"s{number},{hour},{value:.3f}\n" for hour, value in zip(hours, y, strict=True)))


def trained(folder: Path, series: int, steps: int) -> dict[str, float]:
    """Seconds and the most memory that `unspool train forecast` took, in MiB, that of its files not counted."""
    data = folder / f"{series}.csv"
    write(data, series, steps)
    started = time.perf_counter()
    command = [sys.executable, "-m", "unspool", "train", "forecast", "--train", data, "--out", folder / f"run{series}"]
    process = subprocess.Popen([*map(str, command), *TRAINING.split()], stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        most = max(most, anonymous(process.pid))
        time.sleep(0.05)
    assert process.returncode == 0
    found = {"seconds": round(time.perf_counter() - started, 1), "own_mib": most // 1024}
    return {"series": series, "file_mib": data.stat().st_size >> 20, **found}


def anonymous(process: int) -> int:
    """Memory of a process that no file stands behind, in KiB."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except FileNotFoundError:
        return 0
    return next((int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon")), 0)


def paths(run: Path) -> dict[str, float]:
    """Seconds for 200 paths of 10,000 series over 48 steps."""
    hours = np.arange(400)
    series = [100 + 10 * np.sin((hours + k) * np.pi / 12) + k % 7 for k in range(10_000)]
    model, panel = unspool.load(run), Panel.of(series)
    started = time.perf_counter()
    drawn = model.sample_paths(panel, horizon=48, paths=200)
    seconds = time.perf_counter() - started
    assert drawn.shape == (10_000, 200, 48) and np.isfinite(drawn).all()
    return {"paths": drawn.size // 48, "seconds": round(seconds, 1)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--run", type=Path)
    options.add_argument("--series", type=int, default=100_000)
    options.add_argument("--steps", type=int, default=200)
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TMPDIR")) as folder:
        sizes = [chosen.series // 10, chosen.series]
        found = {"training": [trained(Path(folder), size, chosen.steps) for size in sizes]}
    if chosen.run is not None:
        found["paths"] = paths(chosen.run)  # pyright: ignore[reportArgumentType]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
