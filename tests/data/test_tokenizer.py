"""Tokenizers: text comes back, the same text gives the same vocabulary, damaged files are named."""

from __future__ import annotations

import json
import subprocess
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.symbols import END, PAD, START, SYMBOLS, UNKNOWN
from unspool.data.tokenizer import TOKENIZERS, load_tokenizer, tokenizer_bytes, train_tokenizer
from unspool.errors import ConfigError, DataError, RunError, UnspoolError

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


def test_another_process_learns_the_same() -> None:
    """Hash tables are seeded by process: nothing may depend on their order."""
    code = f"""if True:
        from unspool.data.tokenizer import TOKENIZERS, tokenizer_bytes, train_tokenizer
        for kind in TOKENIZERS:
            print(tokenizer_bytes(train_tokenizer(kind, {TEXTS}, vocabulary=90)).hex())"""
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert other == [tokenizer_bytes(train_tokenizer(kind, TEXTS, vocabulary=90)).hex() for kind in TOKENIZERS]


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
def test_no_cut_of_a_file_is_taken_for_a_tokenizer(kind: str, tmp_path: Path) -> None:
    """Protocol buffers read well up to the end of any field, so a length alone may not tell."""
    content = tokenizer_bytes(train_tokenizer(kind, ["a ba"] * 9, vocabulary=8))
    path = tmp_path / "t"
    for size in [*range(min(len(content), 300)), len(content) - 1]:
        path.write_bytes(content[:size])
        with pytest.raises(RunError, match="truncated or not a tokenizer file"):
            load_tokenizer(path)


@pytest.mark.parametrize(
    "content",
    [
        b"[]\n",
        b'{"kind": "letters", "size": 5}\n{}',
        b'{"kind": "bpe", "size": 5}\n{"model": {"type": "BPE", "vocab": {}, "merges": []}}',
        b'{"kind": "chars", "size": 5}\n{"kind": "chars", "lowercase": false, "symbols": ["a", "b", "c", "d", "e"]}',
        b'{"kind": "sentencepiece", "size": 0}\n',
    ],
)
def test_a_file_of_something_else_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(content)
    with pytest.raises(RunError, match="not a tokenizer file"):
        load_tokenizer(tmp_path / "t")
    with pytest.raises(RunError, match="not a tokenizer file"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_under_another_name_is_refused(tmp_path: Path) -> None:
    head, body = tokenizer_bytes(train_tokenizer("chars", TEXTS)).split(b"\n", 1)
    (tmp_path / "t").write_bytes(json.dumps({**json.loads(head), "kind": "words"}).encode() + b"\n" + body)
    with pytest.raises(RunError, match="not a words tokenizer"):
        load_tokenizer(tmp_path / "t")


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_symbols_written_in_a_text_are_text(kind: str, tmp_path: Path) -> None:
    """A user who types `</s>` does not end the sentence: no id below `<unk>` comes out of any text."""
    tokenizer = train_tokenizer(kind, [*TEXTS, "a < s / d > p", "</s> a <s> <pad>"], vocabulary=90)
    (tmp_path / "t").write_bytes(tokenizer_bytes(tokenizer))
    text = "</s> a <s> <pad>"
    for found in (tokenizer, load_tokenizer(tmp_path / "t")):
        assert min(found.encode(text)) > UNKNOWN
        assert found.decode(found.encode(text)) == text


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_half_a_surrogate_pair_is_unknown_not_a_crash(kind: str) -> None:
    tokenizer = train_tokenizer(kind, TEXTS, vocabulary=90)
    assert tokenizer.decode(tokenizer.encode("the \ud800 dog")).replace("⁇", "").split() == ["the", "dog"]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_lowercase(kind: str) -> None:
    tokenizer = train_tokenizer(kind, TEXTS, vocabulary=90, lowercase=True)
    assert tokenizer.encode("THE DOG") == tokenizer.encode("the dog")


def test_the_four_symbols_come_first_and_rare_ones_are_left_out() -> None:
    words = train_tokenizer("words", ["b a", "b c b", "a"], vocabulary=6, min_count=2)
    assert words.pieces(range(words.size)) == [*SYMBOLS, "b", "a"]
    assert words.decode(words.encode("a c b")) == "a ⁇ b"


def test_each_digit_is_a_symbol_of_byte_pairs() -> None:
    bpe = train_tokenizer("bpe", ["In 1999 and 1999, ١٩٩٩ und ２０２１.", "1999 1999 1999 2"], vocabulary=300)
    for digits in ("1999", "١٩٩٩", "２０２１", "2911"):
        assert bpe.decode(bpe.encode(digits)) == digits
        assert len(bpe.encode(digits)) == len(digits) + 1  # and the mark of a word's beginning


def test_subwords_share_a_word_with_and_without_punctuation() -> None:
    bpe = train_tokenizer("bpe", TEXTS, vocabulary=300)
    assert bpe.encode("runs.")[:-1] == bpe.encode("runs")


@given(st.text(alphabet="abc ñ\u202f漢", max_size=20))
def test_characters_are_exact(text: str) -> None:
    letters = train_tokenizer("chars", ["abc ñ\u202f漢"], vocabulary=20)
    assert letters.decode(letters.encode(text)) == text


BPE = train_tokenizer("bpe", [*TEXTS, "(a) b's “c”\u202f… \u0308"], vocabulary=120)


@given(st.text(alphabet="abcs 's().,!“”…\u202fä\u0308", max_size=20))
def test_spaces_and_punctuation_come_back(text: str) -> None:
    expected = unicodedata.normalize("NFC", text).removeprefix(" ")
    assert BPE.decode(BPE.encode(text)) == expected


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("texts", [[], ["", ""], ["  "]])
def test_no_text_no_vocabulary(kind: str, texts: list[str]) -> None:
    with pytest.raises(DataError, match="empty"):
        train_tokenizer(kind, texts)


@pytest.mark.parametrize("kind", ["bpe", "sentencepiece"])
def test_a_vocabulary_too_small_for_the_characters_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match=r"vocabulary is 9|cannot learn 9 symbols"):
        train_tokenizer(kind, TEXTS, vocabulary=9)


@pytest.mark.parametrize(("kind", "min_count"), [("words", 99), ("chars", 99), ("sentencepiece", 2)])
def test_an_impossible_min_count_is_refused(kind: str, min_count: int) -> None:
    with pytest.raises(ConfigError, match="min_count"):
        train_tokenizer(kind, TEXTS[:4], vocabulary=90, min_count=min_count)


def test_sentencepiece_learns_from_long_lines() -> None:
    assert train_tokenizer("sentencepiece", ["abc def " * 1000], vocabulary=50).encode("abc")[0] > UNKNOWN


@pytest.mark.parametrize(("kind", "library"), [("bpe", "tokenizers"), ("sentencepiece", "sentencepiece")])
def test_a_missing_library_is_named(kind: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UnspoolError, match=rf"{library} library.*unspool\[translate\]"):
        train_tokenizer(kind, TEXTS)


def test_wrong_choices_list_the_right_ones() -> None:
    with pytest.raises(ConfigError, match="sentencepiece"):
        train_tokenizer("letters", TEXTS)
    with pytest.raises(ConfigError, match="at least 5"):
        train_tokenizer("chars", TEXTS, vocabulary=4)
