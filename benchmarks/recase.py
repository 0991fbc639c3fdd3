"""Capitals and punctuation brought back to Tatoeba's English: reading from both sides beside reading forward only.

    python benchmarks/recase.py --data ../shared/data/tatoeba --out runs/recase [--seed 0] [--epochs 4]

Distinct sentences are split so that those with the same words stay together, put in a random order and joined into
passages of three, so that nothing but the words says where one ends. Both networks have the same embeddings and, within
1%, as many other parameters: the hidden size of the one that reads forward is computed for that. Prints one JSON line:
accuracy of whole tags, and F1 of each mark with their mean, for both.
"""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

from sklearn.metrics import f1_score

import unspool
from unspool.cells import GRUCell
from unspool.data.lines import Lines
from unspool.data.recase import MARKS, bare, split_mark
from unspool.data.tagged import Tokens
from unspool.tasks.tag import TagData, TagSettings, train
from unspool.tasks.tag.model import TagModel
from unspool.train import TrainSettings

BOTH = TagSettings(hidden=128, embedding=100, min_count=2, dropout=0.2, max_tokens=3000, max_length=500)
SHARES = {"test": 0.05, "valid": 0.02}
PASSAGE = 3
Row = tuple[list[str], list[str]]
"""A sentence's words and tags."""


def passages(data: Path, seed: int) -> dict[str, list[Tokens]]:
    """Passages of each part; no part has a sentence with the words of another part's."""
    lines = Lines(data / "deu-eng.tsv.gz")
    drawn = random.Random(seed)
    alike: dict[tuple[str, ...], list[Row]] = {}
    for text in sorted({lines[i].split("\t")[0] for i in range(len(lines))}):
        row = bare(text)
        if row[0]:
            alike.setdefault(tuple(row[0]), []).append(row)
    groups = list(alike.values())
    drawn.shuffle(groups)
    parts: dict[str, list[Tokens]] = {}
    start = 0
    for name, share in {**SHARES, "train": 1 - sum(SHARES.values())}.items():
        end = start + round(share * len(groups))
        rows = [row for group in groups[start:end] for row in group]
        drawn.shuffle(rows)
        parts[name] = [_joined(rows[at : at + PASSAGE]) for at in range(0, len(rows), PASSAGE)]
        start = end
    return parts


def _joined(rows: list[Row]) -> Tokens:
    words, tags = ([item for row in rows for item in row[side]] for side in (0, 1))
    return Tokens(tuple(words), tuple(tags), "passage")


def parameters(settings: TagSettings, tags: int) -> int:
    """Parameters of all but the embeddings."""
    model = TagModel(GRUCell, settings, words=1, tags=tags)
    return sum(p.numel() for part in (model.net, model.output) for p in part.parameters())


def forward_only(both: TagSettings, tags: int) -> TagSettings:
    """The same in one direction, with the hidden size whose number of parameters is nearest."""
    aim = parameters(both, tags)
    sizes = (replace(both, bidirectional=False, hidden=hidden) for hidden in range(both.hidden, 3 * both.hidden))
    best = min(sizes, key=lambda settings: abs(parameters(settings, tags) - aim))
    if abs(parameters(best, tags) - aim) > 0.01 * aim:
        raise SystemExit(f"no hidden size has within 1% of {aim} parameters; nearest: {best.hidden}")
    return best


def measured(run: Path, test: list[Tokens]) -> dict[str, Any]:
    """Accuracy of tags, and F1 of each mark a token."""
    answers = unspool.load(run).tag([passage.tokens for passage in test])
    truth = [tag for passage in test for tag in passage.tags]
    found = [one.tag for row in answers for one in row]
    marks = ([split_mark(tag)[1] or "none" for tag in tags] for tags in (truth, found))
    each: Any = f1_score(*marks, labels=list(MARKS), average=None, zero_division=0.0)  # pyright: ignore[reportArgumentType]
    accuracy = sum(a == b for a, b in zip(truth, found, strict=True)) / len(truth)
    scores = {mark: round(float(value), 4) for mark, value in zip(MARKS, each, strict=True)}
    return {"accuracy": round(accuracy, 4), "macro_f1": round(sum(scores.values()) / len(scores), 4), "f1": scores}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--passages", type=int, help="train on so many only, to see that all works")
    chosen = parser.parse_args()
    parts = passages(chosen.data, chosen.seed)
    data = TagData(parts["train"][: chosen.passages], parts["valid"])
    tags = len({tag for passage in data.train for tag in passage.tags})
    both = replace(BOTH, seed=chosen.seed)
    training = TrainSettings(
        lr=4e-3, schedule="cosine", warmup=100, epochs=chosen.epochs, monitor="accuracy", seed=chosen.seed
    )
    told: dict[str, Any] = {"seed": chosen.seed, "epochs": chosen.epochs, "passages": len(data.train), "tags": tags}
    for name, settings in (("bidirectional", both), ("forward", forward_only(both, tags))):
        run = chosen.out / f"{name}-{chosen.seed}"
        summary = train(GRUCell, data, settings, training, run, force=True)
        size = {"hidden": settings.hidden, "parameters": parameters(settings, tags)}
        told[name] = {**size, "minutes": round(summary.seconds / 60, 1), **measured(run, parts["test"])}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
