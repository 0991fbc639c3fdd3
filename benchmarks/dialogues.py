"""DailyDialog: what each turn of a dialogue does (acts) or how it feels (emotions).

    python benchmarks/dialogues.py --data ../shared/data/dailydialog --out runs/acts [--label emotions] [--seed 0,1,2]
        [--fold 4] [any option of `unspool train tag`, of emotions `train classify`]

The part that has labels, split by dialogue: a fifth is the test part, a fifth validation data, each of the five in turn
by `--fold` (0, unless told otherwise). Acts: a whole dialogue is read from both sides, every word tagged with the label
of its turn, and a turn has the label to which its words give most. Emotions: each turn is classified alone. Beside it
the most frequent label, and TF-IDF of words and pairs of words with logistic regression (scikit-learn), all of its
choices made on the validation data: regularisation, class weights, and whether it reads the turn alone, joined to the
turn before it, or both with features of their own. Prints one JSON line; figures are lists, one a seed.
"""

from __future__ import annotations

import csv
import json
import random
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import groupby, islice, product
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from command import options, unspool
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import make_pipeline

from unspool import load

COMMON = (
    "--cell gru --lowercase --embedding 128 --hidden 128 --bidirectional --dropout 0.5 --lr 0.004 --warmup 50 "
    "--schedule cosine "
)
CHOICES = {
    "acts": f"{COMMON} --layers 2 --ngram-buckets 0 --max-tokens 1000 --max-length 2000 --epochs 12 --monitor accuracy",
    "emotions": f"{COMMON} --tokenizer words --readout max --class-weights sqrt --max-tokens 2000 --epochs 16 "
    "--ema 0.99 --monitor macro_f1",
}
COLUMNS = {"acts": 2, "emotions": 3}
END = "<end>"
"""Stands after the words of each turn."""


class Turn(NamedTuple):
    """A turn with the one before it, its label, and the number of its dialogue."""

    before: str
    text: str
    label: str
    dialogue: int


Answer = Callable[[list[Turn]], list[str]]
"""The labels of all turns of some dialogues."""


def turns(path: Path, label: str) -> list[Turn]:
    """All turns of the dialogues in a file."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        fields = line.split("\t")
        texts = [normal(text) for text in fields[0].removesuffix("__eou__").split("__eou__")]
        labels = fields[COLUMNS[label]].split()
        rows = zip(["", *texts], texts, labels, strict=False)
        found += [Turn(before, text, given, number) for before, text, given in rows]
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


def words(turn: Turn) -> list[str]:
    """Words and punctuation marks of a turn, and its end."""
    return [*re.findall(r"[\w']+|[^\w\s]", turn.text), END]


def dialogues(rows: list[Turn]) -> list[list[Turn]]:
    """The turns of each dialogue."""
    return [list(group) for _, group in groupby(rows, key=lambda turn: turn.dialogue)]


def tagger(split: dict[str, list[Turn]], folder: Path, out: Path, told: list[str]) -> Answer:
    """Trains a tagger of dialogues in `out`; what labels the turns by it.

    A turn's label is the one to which the probabilities of its words, each for its own tag, add up to most.
    """
    files = {name: folder / f"{name}.jsonl" for name in ("train", "valid")}
    for name, file in files.items():
        tagged = ([(word, turn.label) for turn in one for word in words(turn)] for one in dialogues(split[name]))
        lines = [dict(zip(("tokens", "tags"), zip(*row, strict=True), strict=True)) for row in tagged]
        file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    unspool("train", "tag", "--train", files["train"], "--valid", files["valid"], "--out", out, *told)

    def answer(rows: list[Turn]) -> list[str]:
        read = [[word for turn in one for word in words(turn)] for one in dialogues(rows)]
        tags = iter([tag for row in load(out).tag(read) for tag in row])
        return [elected(islice(tags, len(words(turn)))) for turn in rows]

    return answer


def elected(tagged: Iterable[Any]) -> str:
    """The tag to which words that are tagged give most."""
    votes = Counter[str]()
    for word in tagged:
        votes[word.tag] += word.probability
    return votes.most_common(1)[0][0]


def classifier(split: dict[str, list[Turn]], folder: Path, out: Path, told: list[str]) -> Answer:
    """Trains a classifier of turns, each read alone, in `out`; what labels the turns by it."""
    files = {name: folder / f"{name}.csv" for name in ("train", "valid")}
    for name, path in files.items():
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("text", "label"), *((turn.text, turn.label) for turn in split[name])])
    unspool("train", "classify", "--train", files["train"], "--valid", files["valid"], "--out", out, *told)
    return lambda rows: [answer.label for answer in load(out).classify([turn.text for turn in rows])]


TRAINED = {"acts": tagger, "emotions": classifier}


def macro_f1(rows: list[Turn], answered: list[str]) -> float:
    return round(float(f1_score([turn.label for turn in rows], answered, average="macro")), 4)


def regression(columns: str, c: float, weights: str | None) -> Any:
    """TF-IDF of words and pairs of words of some of the columns before, text and joined; logistic regression."""
    bags = [
        (name, TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]"), name)
        for name in columns.split()
    ]
    return make_pipeline(ColumnTransformer(bags), LogisticRegression(C=c, class_weight=weights, max_iter=2000))


def baselines(split: dict[str, list[Turn]]) -> dict[str, Any]:
    """Macro-F1 of the most frequent label, and of TF-IDF with logistic regression."""
    frames = {
        name: pd.DataFrame(rows).assign(joined=lambda f: f.before + " | " + f.text) for name, rows in split.items()
    }
    grid = list(product(("text", "joined", "before text"), (0.3, 1.0, 3.0, 10.0, 30.0), (None, "balanced")))
    models = [regression(*choice).fit(frames["train"], frames["train"].label) for choice in grid]
    valid = [macro_f1(split["valid"], list(model.predict(frames["valid"]))) for model in models]
    best = valid.index(max(valid))
    often = Counter(turn.label for turn in split["train"]).most_common(1)[0][0]
    return {
        "majority_f1": macro_f1(split["test"], [often] * len(split["test"])),
        "tfidf": grid[best],
        "tfidf_valid_f1": valid[best],
        "tfidf_f1": macro_f1(split["test"], list(models[best].predict(frames["test"]))),
    }


def main() -> None:
    chosen, more = options(__doc__ or "", seed="0", label="acts", fold="0")
    if chosen.label not in CHOICES or chosen.fold not in list("01234"):
        raise SystemExit(f"label {chosen.label}, fold {chosen.fold}: expected acts or emotions, and a fold from 0 to 4")
    split = parts(turns(chosen.data / "en_dev_human.txt", chosen.label), int(chosen.fold))
    scores: dict[str, list[float]] = {"valid_f1": [], "test_f1": []}
    for seed in chosen.seed.split(","):
        with tempfile.TemporaryDirectory() as folder:
            told = [*CHOICES[chosen.label].split(), "--seed", seed, *more]
            answer = TRAINED[chosen.label](
                split, Path(folder), chosen.out / f"{chosen.label}-{chosen.fold}-{seed}", told
            )
        for name in ("valid", "test"):
            scores[f"{name}_f1"].append(macro_f1(split[name], answer(split[name])))
    print(json.dumps({"label": chosen.label, "fold": int(chosen.fold), **scores, **baselines(split)}))


if __name__ == "__main__":
    main()
