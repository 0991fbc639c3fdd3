"""DailyDialog: what each turn of a dialogue does (acts) or how it feels (emotions).

    python benchmarks/dialogues.py --data ../shared/data/dailydialog --out runs/acts [--label emotions] [--seed 1]
        [--fold 4]

The part that has labels, split by dialogue: a fifth is the test part, a fifth validation data, each of the five in turn
by `--fold` (0, unless told otherwise). A turn is read with the turn before it. Beside the network on the same text: the
most frequent label, and TF-IDF of words and pairs of words with logistic regression (scikit-learn), its regularisation
chosen on the validation data. Prints one JSON line.
"""

from __future__ import annotations

import csv
import json
import random
import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from command import options, unspool

COMMON = (
    "--cell gru --tokenizer words --lowercase --embedding 128 --hidden 128 --bidirectional --readout max "
    "--dropout 0.5 --max-tokens 2000 --warmup 50 --schedule cosine --monitor macro_f1"
)
CHOICES = {
    "acts": f"{COMMON} --min-count 2 --class-weights balanced --lr 0.002 --epochs 12",
    "emotions": f"{COMMON} --min-count 1 --class-weights sqrt --lr 0.004 --epochs 16",
}
COLUMNS = {"acts": 2, "emotions": 3}


class Turn(NamedTuple):
    """A turn with the one before it, its label, and the number of its dialogue."""

    text: str
    label: str
    dialogue: int


def turns(path: Path, label: str) -> list[Turn]:
    """All turns of the dialogues in a file."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        fields = line.split("\t")
        texts = [normal(text) for text in fields[0].removesuffix("__eou__").split("__eou__")]
        before = ["", *texts]
        labels = fields[COLUMNS[label]].split()
        found += [
            Turn(f"{before[i]} | {text}", given, number)
            for i, (text, given) in enumerate(zip(texts, labels, strict=False))
        ]
    return found


def normal(text: str) -> str:
    """Apostrophes that were set off join their words again."""
    return re.sub(r"\s+", " ", re.sub(r"\s*[’']\s*", "'", text)).strip()


def parts(found: list[Turn], fold: int) -> dict[str, list[Turn]]:
    """Train, valid and test, by dialogue, the same for every seed of the training; `fold` (0 to 4) says which fifth
    is the test part, and the one after it validation data."""
    dialogues = sorted({turn.dialogue for turn in found})
    random.Random(0).shuffle(dialogues)
    fifth = len(dialogues) // 5
    dialogues = dialogues[fold * fifth :] + dialogues[: fold * fifth]
    where = {
        number: "test" if i < fifth else "valid" if i < 2 * fifth else "train" for i, number in enumerate(dialogues)
    }
    return {name: [turn for turn in found if where[turn.dialogue] == name] for name in ("train", "valid", "test")}


def baselines(split: dict[str, list[Turn]]) -> dict[str, float]:
    """Macro-F1 on the test part of the most frequent label and of TF-IDF with logistic regression."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score
    from sklearn.pipeline import make_pipeline

    texts = {name: [turn.text for turn in rows] for name, rows in split.items()}
    labels = {name: [turn.label for turn in rows] for name, rows in split.items()}

    def score(model: object, name: str) -> float:
        return float(f1_score(labels[name], model.predict(texts[name]), average="macro"))  # pyright: ignore[reportAttributeAccessIssue]

    models = [
        make_pipeline(
            TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]"),
            LogisticRegression(C=c, class_weight=weights, max_iter=2000),
        ).fit(texts["train"], labels["train"])
        for c in (0.3, 1.0, 3.0, 10.0, 30.0)
        for weights in (None, "balanced")
    ]
    best = max(models, key=lambda model: score(model, "valid"))
    often = max(set(labels["train"]), key=labels["train"].count)
    majority = float(f1_score(labels["test"], [often] * len(labels["test"]), average="macro"))
    return {
        "majority_macro_f1": majority,
        "tfidf_macro_f1": score(best, "test"),
        "tfidf_valid_f1": score(best, "valid"),
    }


def main() -> None:
    chosen, more = options(__doc__ or "", seed="0", label="acts", fold="0")
    split = parts(turns(chosen.data / "en_dev_human.txt", chosen.label), int(chosen.fold))
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.csv") for name in split}
        for name, rows in split.items():
            with files[name].open("w", encoding="utf-8", newline="") as file:
                csv.writer(file).writerows([("text", "label"), *((turn.text, turn.label) for turn in rows)])
        data = ["--train", files["train"], "--valid", files["valid"]]
        told = [*CHOICES[chosen.label].split(), "--seed", chosen.seed, *more]
        trained = unspool("train", "classify", *data, "--out", chosen.out, *told)
        scores = unspool("evaluate", chosen.out, "--test", files["test"])
    minutes = round(trained["seconds"] / 60, 1)
    beside = {name: round(value, 4) for name, value in baselines(split).items()}
    print(
        json.dumps(
            {
                "label": chosen.label,
                "fold": int(chosen.fold),
                "minutes": minutes,
                "validation": trained["best"],
                **scores,
                **beside,
            }
        )
    )


if __name__ == "__main__":
    main()
