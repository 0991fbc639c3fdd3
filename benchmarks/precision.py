"""The loss curve of the default job in fp32 and under bf16 and fp16 autocast, from the same seed.

    python benchmarks/precision.py --out runs/precision [--max-steps 300 --seed 1 …]

What follows --out is handed on to the training. Prints a table on stderr and one JSON line on stdout: validation loss
at each step, the best exact match, and target symbols a second.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from command import unspool

from unspool.train.precision import offered_on


def curve(run: Path) -> dict[int, float]:
    """Validation loss by step."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["step"]: round(line["loss"], 5) for line in lines if line["kind"] == "validation"}


def speed(run: Path) -> float:
    """The median of the logged target symbols a second."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    found = sorted(line["tokens_per_second"] for line in lines if line["kind"] == "train")
    return found[len(found) // 2]


def measure(precision: str, out: Path, more: list[str]) -> dict[str, Any]:
    """Train once in this precision."""
    run = out / precision
    trained = unspool("train", "translate", "--out", run, "--precision", precision, "--validate-every", 50, *more)
    best = trained["best"]["exact_match"]
    return {"precision": precision, "loss": curve(run), "exact_match": round(best, 4), "speed": speed(run)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, required=True)
    chosen, more = options.parse_known_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = [measure(precision, chosen.out, more) for precision in offered_on(device)]
    print("".join(f"{name:>10}" for name in ("step", *(row["precision"] for row in rows))), file=sys.stderr)
    for step in rows[0]["loss"]:
        print(f"{step:>10}" + "".join(f"{row['loss'][step]:>10.4f}" for row in rows), file=sys.stderr)
    print(json.dumps({"device": device.type, "curves": rows}))


if __name__ == "__main__":
    main()
