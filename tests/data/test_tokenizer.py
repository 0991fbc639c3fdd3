"""Tokenizers: text comes back, the same text gives the same vocabulary, damaged files are named."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.symbols import END, PAD, START, SYMBOLS, UNKNOWN
from unspool.data.tokenizer import TOKENIZERS, load_tokenizer, tokenizer_bytes, train_tokenizer
from unspool.errors import ConfigError, DataError, RunError

TEXTS = [
    "The dog, a small one, runs.",
    "Two dogs run; the cats don't!",
    "(What?) The small cat's dog runs again: 3,5 km.",
    "Ein Hund läuft.",
] * 5


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_text_comes_back(kind: str) -> None:
    tokenizer = train_tokenizer(kind, TEXTS, vocabulary=90)
    for text in TEXTS:
        ids = tokenizer.encode(text)
        assert all(UNKNOWN < i < tokenizer.size for i in ids)
        assert tokenizer.decode(ids) == text
        assert tokenizer.decode([START, *ids, END, PAD]) == text
        assert len(tokenizer.pieces(ids)) == len(ids)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_same_text_same_file_and_back(kind: str, tmp_path: Path) -> None:
    tokenizer = train_tokenizer(kind, TEXTS, vocabulary=90)
    content = tokenizer_bytes(tokenizer)
    assert content == tokenizer_bytes(train_tokenizer(kind, iter(TEXTS), vocabulary=90))
    (tmp_path / "t").write_bytes(content)
    loaded = load_tokenizer(tmp_path / "t")
    assert loaded.kind == kind and loaded.size == tokenizer.size
    assert loaded.encode("The cat runs, dogs 漢!") == tokenizer.encode("The cat runs, dogs 漢!")
    assert UNKNOWN in loaded.encode("漢") and "⁇" in loaded.decode(loaded.encode("漢"))


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("damage", ["truncated", "foreign", "empty", "missing"])
def test_a_damaged_file_is_named(kind: str, damage: str, tmp_path: Path) -> None:
    content = tokenizer_bytes(train_tokenizer(kind, TEXTS, vocabulary=90))
    damaged = {"truncated": content[: len(content) // 2], "foreign": b"PK\x03\x04" * 50, "empty": b"", "missing": b""}
    path = tmp_path / "source.tokenizer"
    if damage != "missing":
        path.write_bytes(damaged[damage])
    with pytest.raises(RunError, match=r"source\.tokenizer"):
        load_tokenizer(path)


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_lowercase(kind: str) -> None:
    tokenizer = train_tokenizer(kind, TEXTS, vocabulary=90, lowercase=True)
    assert tokenizer.encode("THE DOG") == tokenizer.encode("the dog")


def test_the_four_symbols_come_first_and_rare_ones_are_left_out() -> None:
    words = train_tokenizer("words", ["b a", "b c b", "a"], vocabulary=6, min_count=2)
    assert words.pieces(range(words.size)) == [*SYMBOLS, "b", "a"]
    assert words.decode(words.encode("a c b")) == "a ⁇ b"


def test_subwords_share_a_word_with_and_without_punctuation() -> None:
    bpe = train_tokenizer("bpe", TEXTS, vocabulary=300)
    assert bpe.encode("runs.")[:-1] == bpe.encode("runs")


@given(st.text(alphabet="abc ñ\u202f漢", max_size=20))
def test_characters_are_exact(text: str) -> None:
    letters = train_tokenizer("chars", ["abc ñ\u202f漢"], vocabulary=20)
    assert letters.decode(letters.encode(text)) == text


@pytest.mark.parametrize("kind", ["chars", "words", "bpe"])
def test_no_text_no_vocabulary(kind: str) -> None:
    with pytest.raises(DataError, match="empty"):
        train_tokenizer(kind, ["", ""])


def test_wrong_choices_list_the_right_ones() -> None:
    with pytest.raises(ConfigError, match="sentencepiece"):
        train_tokenizer("letters", TEXTS)
    with pytest.raises(ConfigError, match="at least 5"):
        train_tokenizer("chars", TEXTS, vocabulary=4)
