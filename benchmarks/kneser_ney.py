"""An n-gram model of symbols: interpolated modified Kneser–Ney, to measure language models by.

    python benchmarks/kneser_ney.py TRAIN VALID TEST        three text files; prints one JSON line

Chen & Goodman 1999, "An empirical study of smoothing techniques for language modeling", section 4.1, equations 12 to
19, with c the counts at the highest order and, below it, the number of different symbols seen before a gram::

    p(w | h) = max(c(hw) - D(c(hw)), 0) / c(h·) + γ(h) p(w | h'),     h' = h without its first symbol
    γ(h) = (D1 N1(h·) + D2 N2(h·) + D3 N3+(h·)) / c(h·),              p(w) ends in 1/V
    Y = n1 / (n1 + 2 n2),  D1 = 1 - 2Y n2/n1,  D2 = 2 - 3Y n3/n2,  D3 = 3 - 4Y n4/n3

Symbols are ids below V; those that training does not have share the digit 0, and have each its part of the uniform
distribution at the bottom. A gram of n symbols is a number whose digits, the latest lowest, are its symbols, so that
all is numpy arrays, sorted, with their counts.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass

import numpy as np

from unspool.data.lossless import train_lossless
from unspool.data.lossless_base import LosslessTokenizer
from unspool.data.plain_text import read_text

ORDERS = range(3, 9)


@dataclass(frozen=True)
class Level:
    """Grams of one order: `grams`, sorted, with what is left of each count after its discount over the history's
    total (`share`); `histories`, sorted, with the weight γ of the next lower order (`backoff`)."""

    grams: np.ndarray
    share: np.ndarray
    histories: np.ndarray
    backoff: np.ndarray


class KneserNey:
    """Interpolated modified Kneser–Ney of order `order` over ids below `size`, from `ids` `[N]`, after the symbol
    `before`. The grams must fit 63 bits: 8 symbols of at most 233 different ones, 7 of at most 509."""

    def __init__(self, ids: np.ndarray, *, size: int, order: int, before: int) -> None:
        self.size, self.order, self.before = size, order, before
        self.known = np.union1d(ids, [before])
        self.base = len(self.known) + 1
        if self.base**order >= 2**63:
            raise ValueError(f"{order} of {self.base} symbols do not fit 63 bits; take a lower order")
        grams, counts = np.unique(self._grams(self._digits(ids), order), return_counts=True)
        levels = [self._level(grams, counts)]
        for length in range(order - 1, 0, -1):
            # A lower order counts the different symbols before a gram: the next higher grams, each once, hold them.
            grams, counts = np.unique(grams % self.base**length, return_counts=True)
            levels.append(self._level(grams, counts))
        self.levels = levels[::-1]

    def _digits(self, ids: np.ndarray) -> np.ndarray:
        """The text after order - 1 line ends, in place of what is not known to stand before it, as digits."""
        text = np.concatenate([np.full(self.order - 1, self.before), ids])
        return _looked_up(self.known, np.arange(1, self.base), text, 0)

    def _grams(self, digits: np.ndarray, length: int) -> np.ndarray:
        """The gram that ends at each symbol of a text: `[N]`."""
        first = self.order - 1
        grams = np.zeros(len(digits) - first, dtype=np.int64)
        for back in range(length - 1, -1, -1):
            grams = grams * self.base + digits[first - back : len(digits) - back]
        return grams

    def _level(self, grams: np.ndarray, counts: np.ndarray) -> Level:
        discount = discounts(counts)[np.minimum(counts, 3)]
        histories, place = np.unique(grams // self.base, return_inverse=True)
        totals = np.bincount(place, weights=counts)
        taken = np.bincount(place, weights=discount)
        return Level(grams, (counts - discount) / totals[place], histories, taken / totals)

    def probabilities(self, ids: np.ndarray) -> np.ndarray:
        """p of each of `ids`, given all before it: `[N]`."""
        digits = self._digits(ids)
        p = np.full(len(ids), 1 / self.size)
        for length, level in enumerate(self.levels, 1):
            grams = self._grams(digits, length)
            kept = _looked_up(level.grams, level.share, grams, 0.0)
            p = kept + p * _looked_up(level.histories, level.backoff, grams // self.base, 1.0)
        return p

    def distribution(self, history: np.ndarray) -> np.ndarray:
        """p of every symbol after `history`: `[V]`."""
        return np.array([self.probabilities(np.append(history, symbol))[-1] for symbol in range(self.size)])

    def nats(self, ids: np.ndarray) -> float:
        """-log p of a text."""
        return float(-np.log(self.probabilities(ids)).sum())


def discounts(counts: np.ndarray) -> np.ndarray:
    """D of the counts 0, 1, 2 and 3 or more; half of each count where there are too few grams to tell."""
    n1, n2, n3, n4 = (int((counts == k).sum()) for k in (1, 2, 3, 4))
    if not min(n1, n2, n3, n4):
        return np.array([0, 0.5, 1, 1.5])
    y = n1 / (n1 + 2 * n2)
    found = [0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3]
    return np.clip(found, 0, [0, 1, 2, 3])


def _looked_up(keys: np.ndarray, values: np.ndarray, wanted: np.ndarray, missing: float) -> np.ndarray:
    """The value of each wanted key, of sorted `keys`."""
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], missing)


def check(model: KneserNey, text: np.ndarray, contexts: int = 20) -> float:
    """The largest distance from 1 of a sum of probabilities, over contexts from `text` and made-up ones."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, max(len(text) - 9, 1), contexts)
    histories = [text[at : at + 9] for at in starts] + [rng.integers(0, model.size, 9) for _ in range(3)]
    return max(abs(model.distribution(history).sum() - 1) for history in histories)


def bits_per_character(texts: dict[str, str], tokenizer: LosslessTokenizer) -> dict[str, float | int]:
    """Train on `texts["train"]`, choose the order on "valid", measure on "test".

    All are read by `tokenizer`, the language model's own, which spells an unknown character in bytes.
    """
    ids = {part: tokenizer.encode(text) for part, text in texts.items()}
    before = int(tokenizer.encode("\n")[-1])

    def made(order: int) -> KneserNey:
        return KneserNey(ids["train"], size=tokenizer.size, order=order, before=before)

    def bits(model: KneserNey, part: str) -> float:
        return model.nats(ids[part]) / len(texts[part]) / math.log(2)

    different = len(np.union1d(ids["train"], [before])) + 1
    valid = {order: bits(made(order), "valid") for order in ORDERS if different**order < 2**63}
    model = made(min(valid, key=lambda order: valid[order]))
    away = check(model, ids["test"])
    if away > 1e-9:
        raise SystemExit(f"the probabilities of a context sum to 1 ± {away}; expected 1")
    return {
        "order": model.order,
        "valid_bits_per_character": round(valid[model.order], 4),
        "test_bits_per_character": round(bits(model, "test"), 4),
    }


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("train", "valid", "test"):
        options.add_argument(name)
    chosen = options.parse_args()
    texts = {part: read_text(getattr(chosen, part)) for part in ("train", "valid", "test")}
    print(json.dumps(bits_per_character(texts, train_lossless("chars", [texts["train"]], min_count=2))))


if __name__ == "__main__":
    main()
