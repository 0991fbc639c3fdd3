"""A language model beside an n-gram model, in bits a character of the identical test text.

    python benchmarks/language.py --text tatoeba|python --out runs/language [--data ../shared/data/tatoeba] [--seed 2]
        [any option of `unspool train language`]
    python benchmarks/language.py --text tatoeba|python --ngrams     n-gram models alone, over several kinds of symbols

tatoeba: the English sentences of deu-eng.tsv.gz, each once, one a line, in an order that is fixed, 90% to train on, 5%
to validate, 5% to test. python: the sources of Python's own standard library, the default job. Both models read what
the language model's tokenizer makes of a text; what is unknown is spelled in bytes. Prints one JSON line.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

from command import unspool
from kneser_ney import bits_per_character

from unspool.data.lossless import load_lossless, train_lossless
from unspool.data.python_sources import python_sources
from unspool.tasks.language.train import TOKENIZER

SAME = (
    "--tokenizer bpe --hidden 512 --embedding 256 --batch 32 --truncate 64 --lr 0.003 --warmup 200 --schedule cosine "
    "--ema 0.998"
)
CHOICES = {
    "tatoeba": f"{SAME} --vocabulary 2000 --dropout 0.2 --epochs 4",
    "python": f"{SAME} --vocabulary 4000 --tie-embeddings --dropout 0.1 --epochs 2",
}

NGRAMS = (("chars", 8000, 2), ("words", 8000, 2), ("words", 30000, 2), ("bpe", 1000, 1), ("bpe", 4000, 1))
"""Tokenizer, largest vocabulary, and how often a symbol must be there, of the n-gram models."""


def tatoeba(folder: Path) -> dict[str, str]:
    """The parts' texts: distinct English sentences, one a line."""
    with gzip.open(folder / "deu-eng.tsv.gz", "rt", encoding="utf-8") as file:
        sentences = list(dict.fromkeys(line.split("\t")[0] for line in file))
    random.Random(0).shuffle(sentences)
    held = len(sentences) // 20
    parts = {"train": sentences[2 * held :], "valid": sentences[:held], "test": sentences[held : 2 * held]}
    return {part: "".join(f"{sentence}\n" for sentence in lines) for part, lines in parts.items()}


def python() -> dict[str, str]:
    """The parts' texts: all files of a part, one after another."""
    return {part: "".join(texts) for part, texts in python_sources()._asdict().items()}


def measured(texts: dict[str, str], out: Path, choices: list[str]) -> dict[str, Any]:
    """Train, measure both models on the test text, and say what each needs a character."""
    with tempfile.TemporaryDirectory() as folder:
        files = {part: Path(folder, f"{part}.txt") for part in texts}
        for part, path in files.items():
            path.write_bytes(texts[part].encode())
        trained = unspool(
            "train", "language", "--train", files["train"], "--valid", files["valid"], "--out", out, *choices
        )
        found = unspool("evaluate", out, "--test", files["test"])
    ngrams = bits_per_character(texts, load_lossless(out / TOKENIZER))
    assert found["characters"] == len(texts["test"])
    return {
        "minutes": round(trained["seconds"] / 60, 1),
        "characters": found["characters"],
        "valid_bits_per_character": round(trained["best"]["bits_per_character"], 4),
        "test_bits_per_character": round(found["bits_per_character"], 4),
        "kneser_ney": ngrams,
    }


def ngrams(texts: dict[str, str]) -> None:
    """Print what n-gram models need a character, a JSON line for each kind of symbols."""
    for kind, vocabulary, least in NGRAMS:
        tokenizer = train_lossless(kind, [texts["train"]], vocabulary=vocabulary, min_count=least)
        found = bits_per_character(texts, tokenizer)
        print(json.dumps({"symbols": kind, "of": tokenizer.size, **found}), flush=True)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--text", choices=CHOICES, required=True)
    options.add_argument("--out", type=Path)
    options.add_argument("--ngrams", action="store_true")
    options.add_argument("--data", type=Path, default=Path("../shared/data/tatoeba"))
    chosen, more = options.parse_known_args()
    texts = tatoeba(chosen.data) if chosen.text == "tatoeba" else python()
    print({part: len(text) for part, text in texts.items()}, file=sys.stderr)
    if chosen.ngrams:
        ngrams(texts)
    elif chosen.out is None:
        options.error("--out names the run folder")
    else:
        result = measured(texts, chosen.out, [*CHOICES[chosen.text].split(), *more])
        print(json.dumps({"text": chosen.text, "choices": more, **result}))


if __name__ == "__main__":
    main()
