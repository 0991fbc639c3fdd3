"""Lossless tokenizers: any text comes back to the letter, whatever they were trained on."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool.data.lossless import LOSSLESS, load_lossless, lossless_bytes, train_lossless
from unspool.data.lossless_base import LosslessTokenizer, lines_of
from unspool.errors import ConfigError, DataError, RunError, UnspoolError

TEXT = "def sum(a, b):\n    return a  +  b\n\n\tprint('Größe')\r\nno end" * 5
TRAINED = {kind: train_lossless(kind, [TEXT], vocabulary=320) for kind in LOSSLESS}
ANY = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from(" \n\t\r▁Ġ\u2028\x00\ufeffab<0x41>"), max_size=60
)
every = pytest.mark.parametrize("tokenizer", TRAINED.values(), ids=TRAINED)


@every
@given(text=ANY)
@settings(max_examples=60)
def test_any_text_comes_back(tokenizer: LosslessTokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert ids.dtype == np.int32 and tokenizer.decode(ids.tolist()) == text
    assert not len(ids) or 0 <= ids.min() <= ids.max() < tokenizer.size


@every
@given(first=ANY, second=ANY)
@settings(max_examples=30)
def test_a_line_end_is_where_a_text_can_be_cut(tokenizer: LosslessTokenizer, first: str, second: str) -> None:
    whole = tokenizer.encode(f"{first}\n{second}").tolist()
    assert whole == [*tokenizer.encode(f"{first}\n").tolist(), *tokenizer.encode(second).tolist()]


@given(first=ANY, second=ANY)
def test_characters_can_be_cut_anywhere(first: str, second: str) -> None:
    chars = TRAINED["chars"]
    assert chars.encode(first + second).tolist() == [*chars.encode(first).tolist(), *chars.encode(second).tolist()]


@given(ANY)
def test_lines_are_split_at_line_feeds_only(text: str) -> None:
    lines = list(lines_of(text))
    assert "".join(lines) == text and all(line.find("\n") in (-1, len(line) - 1) and line for line in lines)
    assert len(lines) == text.count("\n") + (text != "" and text[-1] != "\n")


def test_what_training_met_is_not_spelled_out() -> None:
    text = "def sum(a, b):\n    return a\n"
    pieces = {kind: tokenizer.pieces(tokenizer.encode(text).tolist()) for kind, tokenizer in TRAINED.items()}
    assert pieces["chars"] == list(text)
    assert pieces["words"] == ["def", " sum", "(", "a", ",", " b", ")", ":", "\n", "   ", " return", " a", "\n"]
    assert len(pieces["bpe"]) < 20 and " return" in pieces["bpe"]
    assert len(pieces["sentencepiece"]) < len(text)


def test_unknown_characters_are_bytes_and_unknown_words_characters() -> None:
    words = TRAINED["words"]
    assert words.pieces(words.encode(" return nub 漢").tolist()) == [
        " return", " ", "n", "u", "b", " ", "<0xE6>", "<0xBC>", "<0xA2>"
    ]  # fmt: skip
    assert TRAINED["chars"].encode("漢").tolist() == list("漢".encode())


def test_rare_ones_are_spelled_out_and_the_vocabulary_is_bounded() -> None:
    texts = ["aaa bb c", " aaa\n"]
    assert train_lossless("chars", texts).size == 256 + 5
    assert train_lossless("chars", texts, min_count=2).size == 256 + 3
    words = train_lossless("words", texts, vocabulary=256 + 7)
    assert words.pieces(range(256, 263)) == ["a", " ", "b", "\n", "c", " aaa", " bb"]
    assert train_lossless("words", texts, vocabulary=256 + 3).size == 256 + 3
    assert train_lossless("bpe", [TEXT], vocabulary=280).size == 280
    assert train_lossless("bpe", ["ab ab ab xy\n"], min_count=3).size < train_lossless("bpe", ["ab ab ab xy\n"]).size


@every
def test_it_is_the_same_one_from_its_file(tokenizer: LosslessTokenizer, tmp_path: Path) -> None:
    path = tmp_path / "text.tokenizer"
    path.write_bytes(lossless_bytes(tokenizer))
    again = load_lossless(path)
    assert (again.kind, again.contents) == (tokenizer.kind, tokenizer.contents)
    text = TEXT + "unseen: 漢字 ▁\n"
    assert again.encode(text).tolist() == tokenizer.encode(text).tolist()
    assert lossless_bytes(again) == path.read_bytes()


@every
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign", "empty", "another kind"])
def test_a_damaged_file_is_named(tokenizer: LosslessTokenizer, damage: str, tmp_path: Path) -> None:
    path, content = tmp_path / "text.tokenizer", lossless_bytes(tokenizer)
    other = {"chars": b"bpe", "words": b"bpe", "bpe": b"sentencepiece", "sentencepiece": b"chars"}[tokenizer.kind]
    contents = {
        "truncated": content[: len(content) // 2],
        "foreign": b"\x89PNG\r\n" + bytes(100),
        "empty": b"",
        "another kind": content.replace(tokenizer.kind.encode(), other, 1),
    }
    if damage != "missing":
        path.write_bytes(contents[damage])
    with pytest.raises(RunError, match=r"text\.tokenizer"):
        load_lossless(path)


@pytest.mark.parametrize("body", [b"3", b'["a", "a"]', b'[""]', b'["\\ud800"]', b'{"a": 1}', b"[1]"])
def test_a_list_that_is_none_is_named(body: bytes, tmp_path: Path) -> None:
    path = tmp_path / "text.tokenizer"
    path.write_bytes(b'{"lossless": "chars", "size": 257}\n' + body)
    with pytest.raises(RunError, match="not a tokenizer file"):
        load_lossless(path)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"kind": "letters"}, "tokenizer is 'letters'.*sentencepiece"),
        ({"vocabulary": 256}, "vocabulary is 256; expected more than 256"),
        ({"min_count": 0}, "min_count is 0"),
        ({"kind": "sentencepiece", "min_count": 2}, "min_count is 2; sentencepiece"),
    ],
)
def test_impossible_choices_are_refused(choices: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        train_lossless(**{"kind": "chars", "texts": [TEXT], **choices})


@pytest.mark.parametrize("kind", LOSSLESS)
def test_no_text_is_refused(kind: str) -> None:
    with pytest.raises(DataError, match="the training text is empty"):
        train_lossless(kind, ["", ""])


@every
def test_a_lone_surrogate_is_named(tokenizer: LosslessTokenizer) -> None:
    with pytest.raises(DataError, match=r"the text has the lone surrogate '\\ud800' as character 3"):
        tokenizer.encode("ab\ud800")


def test_bytes_that_are_no_text_are_shown() -> None:
    chars = TRAINED["chars"]
    assert chars.decode([0xE6, 0xBC]) == "�" and chars.pieces([0xE6, 0x41]) == ["<0xE6>", "A"]


@pytest.mark.parametrize(("kind", "library"), [("bpe", "tokenizers"), ("sentencepiece", "sentencepiece")])
def test_a_missing_library_is_named(kind: str, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UnspoolError, match=rf"{library} library.*pip install 'unspool\[language\]'"):
        train_lossless(kind, [TEXT])


@pytest.mark.parametrize("kind", TRAINED)
def test_no_two_ids_have_one_name(kind: str) -> None:
    pieces = TRAINED[kind].pieces(range(TRAINED[kind].size))
    assert len(set(pieces)) == len(pieces)
