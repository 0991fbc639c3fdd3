"""SCAN, simple split: commands into actions (Lake & Baroni 2018, https://arxiv.org/abs/1711.00350).

    python benchmarks/scan.py --data ../shared/data/scan --out runs/scan

A tenth of the training part, by a seeded shuffle, is validation data; the test part is read once. Prints one JSON line.
"""

from __future__ import annotations

import json
import random
import tempfile
from pathlib import Path

from command import options, unspool

CHOICES = (
    "--cell lstm --tokenizer words --embedding 128 --hidden 128 --max-tokens 2000 --dropout 0.2 --label-smoothing 0 "
    "--lr 0.003 --betas 0.9 0.98 --warmup 100 --schedule cosine --epochs 24 --ema 0.99 --monitor exact_match "
    "--until exact_match>=1.0"
)


def pairs(path: Path) -> list[str]:
    """`IN: … OUT: …` lines as `source<TAB>target`."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        source, _, target = line.removeprefix("IN: ").partition(" OUT: ")
        found.append(f"{source}\t{target}\n")
    return found


def main() -> None:
    chosen, more = options(__doc__ or "")
    train, test = pairs(chosen.data / "tasks_train_simple.txt"), pairs(chosen.data / "tasks_test_simple.txt")
    random.Random(0).shuffle(train)
    tenth = len(train) // 10
    with tempfile.TemporaryDirectory() as folder:
        parts = {"valid": train[:tenth], "train": train[tenth:], "test": test}
        for name, lines in parts.items():
            Path(folder, f"{name}.tsv").write_text("".join(lines), encoding="utf-8")
        files = {name: Path(folder, f"{name}.tsv") for name in parts}
        data = ["--train", files["train"], "--valid", files["valid"]]
        trained = unspool("train", "translate", *data, "--out", chosen.out, *CHOICES.split(), *more)
        scores = unspool("evaluate", chosen.out, "--test", files["test"], "--beam", 1)
    minutes = round(trained["seconds"] / 60, 1)
    print(json.dumps({"minutes": minutes, "validation": trained["best"], **scores}))


if __name__ == "__main__":
    main()
