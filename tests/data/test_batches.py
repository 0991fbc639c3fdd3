"""Batches: every pair once an epoch, bounded, and in an order that depends on (seed, epoch, position) only."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool.data.batches import Batch, Batches, plain
from unspool.data.corpus import ListCorpus, open_parallel
from unspool.data.symbols import END, PAD, START
from unspool.data.tokenizer import train_tokenizer
from unspool.errors import ConfigError, DataError

LETTERS = train_tokenizer("chars", ["abcdefghij"], vocabulary=20)
Pairs = list[tuple[str, str]]
WORD = st.text("abcdefghij", min_size=1, max_size=12)


def batches(pairs: Pairs, max_tokens: int = 30, seed: int = 0, max_length: int = 50) -> Batches:
    return Batches(ListCorpus(pairs), LETTERS, LETTERS, max_tokens=max_tokens, seed=seed, max_length=max_length)


def rows(batch: Batch) -> Pairs:
    pairs = zip(batch.source.tolist(), batch.target.tolist(), strict=True)
    return [(LETTERS.decode(source), LETTERS.decode(target)) for source, target in pairs]


def same(one: Batch, other: Batch) -> bool:
    return torch.equal(one.source, other.source) and torch.equal(one.target, other.target)


@given(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=60), st.integers(1, 80), st.integers(0, 9))
@settings(max_examples=40)
def test_every_pair_once_and_bounded(pairs: Pairs, max_tokens: int, epoch: int) -> None:
    made = batches(pairs, max_tokens)
    found = list(made.epoch(epoch))
    assert len(found) == made.count(epoch)
    assert sorted(pair for batch in found for pair in rows(batch)) == sorted(pairs)
    for batch in found:
        size = batch.source.shape[0] * max(batch.source.shape[1], batch.target.shape[1])
        assert size <= max_tokens or batch.source.shape[0] == 1


@given(st.lists(st.tuples(WORD, WORD), min_size=1, max_size=60), st.integers(0, 5), st.integers(0, 20))
@settings(max_examples=30)
def test_the_order_depends_on_seed_epoch_and_position_only(pairs: Pairs, epoch: int, start: int) -> None:
    straight = list(batches(pairs).epoch(epoch))
    resumed = list(batches(pairs).epoch(epoch, start))
    assert len(resumed) == max(0, len(straight) - start)
    assert all(same(one, other) for one, other in zip(straight[start:], resumed, strict=True))


def test_epochs_and_seeds_differ() -> None:
    pairs = [(a + b, b) for a in "abcdefghij" for b in "abcdefghij"]
    first, second, other = ([rows(b) for b in batches(pairs, seed=s).epoch(e)] for s, e in ((0, 0), (0, 1), (1, 0)))
    assert first != second and first != other


def test_symbols_and_padding() -> None:
    (batch,) = batches([("ab", "c"), ("d", "efg")], max_tokens=100).epoch(0)
    for source, n, target, m in zip(
        batch.source, batch.source_lengths, batch.target, batch.target_lengths, strict=True
    ):
        assert source[n - 1] == END and (source[n:] == PAD).all()
        assert target[0] == START and target[m - 1] == END and (target[m:] == PAD).all()


def test_rows_of_a_batch_are_of_nearly_equal_length() -> None:
    pairs = [("a" * (1 + i % 40), "b" * (1 + i % 40)) for i in range(4000)]
    made = batches(pairs, max_tokens=400)
    padded = sum(b.target.numel() for b in made.epoch(0))
    assert padded <= 1.1 * sum(len(t) + 2 for _, t in pairs)


def test_empty_and_long_pairs_are_counted_and_said() -> None:
    with pytest.warns(UserWarning, match=r"left out: 1 of 4 pairs, with (an empty side|more than 5 symbols on)"):
        made = batches([("a", "b"), ("", "b"), ("a", "bbbbbbbb"), ("c", "d")], max_length=5)
    assert (len(made), made.skipped_empty, made.skipped_long) == (2, 1, 1)
    with pytest.warns(UserWarning), pytest.raises(DataError, match="no pair"):
        batches([("", "")])


@pytest.mark.parametrize("blank", ["", "  ", "\u3000\t"])
def test_a_blank_side_is_an_empty_side(blank: str) -> None:
    with pytest.warns(UserWarning, match="left out: 2 of 3 pairs, with an empty side"):
        assert batches([("a", blank), (blank, "b"), ("a", "b")]).skipped_empty == 2


def test_source_text_is_made_plain() -> None:
    assert plain("26\u202fнояб.\t 2045\u200f \n") == "26 нояб. 2045"


def test_a_large_corpus_is_encoded_when_read(monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(a + b, b) for a in "abcdefghij" for b in "abcdefghij"]
    kept = list(batches(pairs).epoch(0))
    monkeypatch.setattr("unspool.data.encoded.IN_MEMORY", 50)
    assert all(same(one, other) for one, other in zip(kept, batches(pairs).epoch(0), strict=True))


def test_what_comes_before_the_start_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    class Watched(ListCorpus):
        read: ClassVar[list[int]] = []

        def __getitem__(self, index: int) -> tuple[str, str]:
            self.read.append(index)
            return super().__getitem__(index)

    monkeypatch.setattr("unspool.data.encoded.IN_MEMORY", 0)
    corpus = Watched([(a + b, b) for a in "abcdefghij" for b in "abcdefghij"])
    made = Batches(corpus, LETTERS, LETTERS, max_tokens=30)
    (last,) = made.epoch(0, made.count(0) - 1)
    assert len(corpus.read) == len(last.source) < 10


def test_memory_is_a_few_bytes_a_symbol() -> None:
    corpus = ListCorpus([("a" * 9, "b" * 9)] * 5000)
    tracemalloc.start()
    made = Batches(corpus, LETTERS, LETTERS, max_tokens=100)
    now = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(made) == 5000 and now < 8 * 5000 * 21


@pytest.mark.parametrize("wrong", [{"max_tokens": 0}, {"seed": -1}, {"max_length": 0}])
def test_impossible_sizes_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=rf"{next(iter(wrong))} is {next(iter(wrong.values()))}; expected at least"):
        batches([("a", "b")], **wrong)


def test_multi30k(shared_data: Callable[[str], Path]) -> None:
    folder = shared_data("multi30k")
    corpus = open_parallel([folder / "val.de.gz", folder / "val.en.gz"])
    german, english = (train_tokenizer("bpe", (pair[side] for pair in corpus), vocabulary=2000) for side in (0, 1))
    assert all(english.decode(english.encode(target)) == target.strip() for _, target in corpus)
    made = Batches(corpus, german, english, max_tokens=1000)
    found = list(made.epoch(0))
    assert sum(len(batch.source) for batch in found) == len(corpus) == 1014
    assert sum(batch.target.numel() for batch in found) < 1.1 * sum(int(b.target_lengths.sum()) for b in found)
