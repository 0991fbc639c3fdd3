"""Multi30k, test2016: train, choose on validation data, read the test part once.

    python benchmarks/multi30k.py --data ../shared/data/multi30k --out runs/multi30k [--pair en-fr] [--cell lstm]
        [--conditioning every-step] [--seed 2]

`--cell own` is a cell that no library has, `own_cell.py`. Prints one JSON line: BLEU (13a, cased and not, beam 5, on
plain text), chrF, exact match, perplexity, minutes of training, and the floor: BLEU of the target whose training source
is nearest (a translation memory, by words in common).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from command import options, unspool

from unspool.data.corpus import open_parallel
from unspool.tasks.translate.evaluate import text_metrics

CHOICES = (
    "--tokenizer bpe --vocabulary 5000 --embedding 256 --hidden 256 "
    "--max-tokens 1500 --dropout 0.3 --label-smoothing 0.1 --lr 0.002 --betas 0.9 0.98 --warmup 200 "
    "--schedule cosine --ema 0.998 --epochs 14"
)


def translation_memory(train: list[Path], test: list[Path]) -> dict[str, Any]:
    """For each test source, the target of the training source with the largest Dice overlap of words."""
    sources, targets = zip(*open_parallel(train), strict=True)
    where: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for number, source in enumerate(sources):
        for word, count in words(source).items():
            where[word].append((number, count))
    rows = {word: np.array(found).T for word, found in where.items()}
    sizes = np.array([words(source).total() for source in sources])
    answers, references = [], []
    for source, reference in open_parallel(test):
        shared = np.zeros(len(sources))
        for word, count in words(source).items():
            if word in rows:
                shared[rows[word][0]] += np.minimum(rows[word][1], count)
        answers.append(targets[int((shared / (sizes + words(source).total())).argmax())])
        references.append(reference)
    return text_metrics(answers, references)


def words(text: str) -> Counter[str]:
    """How often each word occurs, case ignored."""
    return Counter(text.lower().split())


CELLS = {
    "rnn": "--cell rnn",
    "gru": "--cell gru --cell-option recurrent_init=uniform",
    "lstm": "--cell lstm",
    "own": f"--cell {Path(__file__).with_name('own_cell.py')}:ReadBackCell",
}


def main() -> None:
    chosen, more = options(__doc__ or "", pair="de-en", cell="gru")
    more = [*CELLS[chosen.cell].split(), *more]

    def files(part: str) -> list[Path]:
        return [chosen.data / f"{part}.{language}.gz" for language in chosen.pair.split("-")]

    train, valid, test = files("train"), files("val"), files("test_2016_flickr")
    trained = unspool(
        "train", "translate", "--train", *train, "--valid", *valid, "--out", chosen.out, *CHOICES.split(), *more
    )
    scores = unspool("evaluate", chosen.out, "--test", *test, "--beam", 5, *(more[:2] if chosen.cell == "own" else []))
    floor = translation_memory(train, test)
    minutes = round(trained["seconds"] / 60, 1)
    told = {"pair": chosen.pair, "choices": more, "minutes": minutes, "validation": trained["best"]}
    print(json.dumps({**told, **scores, "floor": floor}))


if __name__ == "__main__":
    main()
