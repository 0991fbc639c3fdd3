"""The n-gram model that language models are measured by: equal to its equations, written out, and a distribution."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool.data.lossless import train_lossless

TEXT = st.lists(st.integers(0, 3), min_size=1, max_size=150)


def loaded() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "kneser_ney.py"
    spec = importlib.util.spec_from_file_location("kneser_ney", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BASELINE = loaded()


class ByHand:
    """Chen & Goodman's equations by counting tuples in dicts."""

    def __init__(self, ids: list[int], size: int, order: int, before: int) -> None:
        self.size, self.order = size, order
        padded = [before] * (order - 1) + ids
        counts = Counter(tuple(padded[i : i + order]) for i in range(len(ids)))
        self.counts = {order: counts}
        for length in range(order - 1, 0, -1):
            self.counts[length] = Counter(gram[1:] for gram in self.counts[length + 1])

    def discount(self, length: int, count: int) -> float:
        n = Counter(self.counts[length].values())
        if not (n[1] and n[2] and n[3] and n[4]):
            return 0.5 * min(count, 3)
        y = n[1] / (n[1] + 2 * n[2])
        k = min(count, 3)
        found = {1: 1 - 2 * y * n[2] / n[1], 2: 2 - 3 * y * n[3] / n[2], 3: 3 - 4 * y * n[4] / n[3]}[k]
        return min(max(found, 0), k)

    def p(self, symbol: int, history: tuple[int, ...]) -> float:
        length = len(history) + 1
        lower = self.p(symbol, history[1:]) if history else 1 / self.size
        seen = {gram: count for gram, count in self.counts[length].items() if gram[:-1] == history}
        if not seen:
            return lower
        total = sum(seen.values())
        gamma = sum(self.discount(length, count) for count in seen.values()) / total
        count = seen.get((*history, symbol), 0)
        return (count - self.discount(length, count) if count else 0) / total + gamma * lower


@given(TEXT, st.lists(st.integers(0, 5), min_size=1, max_size=12), st.integers(1, 4))
@settings(max_examples=40, deadline=None)
def test_probabilities_are_those_of_the_equations(train: list[int], test: list[int], order: int) -> None:
    model = BASELINE.KneserNey(np.array(train), size=6, order=order, before=0)
    by_hand = ByHand(train, 6, order, 0)
    padded = [0] * (order - 1) + test
    expected = [by_hand.p(padded[i + order - 1], tuple(padded[i : i + order - 1])) for i in range(len(test))]
    assert model.probabilities(np.array(test)).tolist() == pytest.approx(expected, rel=1e-9)


@given(TEXT, TEXT, st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_the_probabilities_after_any_history_sum_to_1(train: list[int], text: list[int], order: int) -> None:
    model = BASELINE.KneserNey(np.array(train), size=7, order=order, before=0)
    assert BASELINE.check(model, np.array(text), 5) < 1e-12


def test_it_predicts_what_comes_often() -> None:
    train = np.array([1, 2, 3] * 50)
    model = BASELINE.KneserNey(train, size=260, order=3, before=0)
    assert model.probabilities(np.array([1, 2, 3, 1, 2]))[2:].min() > 0.9
    assert model.nats(np.array([200, 1])) < 30


def test_orders_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="do not fit 63 bits"):
        BASELINE.KneserNey(np.arange(600), size=600, order=8, before=0)


def test_the_order_is_chosen_on_validation_text() -> None:
    part = "the cat sat on the mat, the dog sat on the log\n" * 20
    texts = {"train": part, "valid": part[:300], "test": "the dog sat on the mat é\n" * 4}
    found = BASELINE.bits_per_character(texts, train_lossless("chars", [part]))
    assert found["order"] in range(3, 9)
    assert found["valid_bits_per_character"] < 0.5 < found["test_bits_per_character"] < 4


def test_counts_of_counts_give_the_discounts() -> None:
    counts = np.array([1] * 40 + [2] * 15 + [3] * 7 + [4] * 4 + [9])
    y = 40 / 70
    expected = [0, 1 - 2 * y * 15 / 40, 2 - 3 * y * 7 / 15, 3 - 4 * y * 4 / 7]
    assert BASELINE.discounts(counts).tolist() == pytest.approx(expected)
    assert BASELINE.discounts(np.array([1, 1, 2])).tolist() == [0, 0.5, 1, 1.5]
