"""Bare words and the tags that bring capitals and marks back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.lines import Lines
from unspool.data.recase import CASES, MARKS, bare, case, restored, split_mark

WRITTEN = st.tuples(
    st.sampled_from(["it's", "I", "Ann", "USA", "3.5", "o'clock", "Żółć"]), st.sampled_from(["", *MARKS])
).map("".join)


@given(st.lists(WRITTEN, max_size=8))
def test_plain_sentences_come_back(written: list[str]) -> None:
    words, tags = bare(" ".join(written))
    assert restored(words, tags) == " ".join(written)
    assert words == [word.rstrip("".join(MARKS)).lower() for word in written]


@given(st.text(max_size=30))
def test_any_text_gives_lower_case_words_with_known_tags(text: str) -> None:
    words, tags = bare(text)
    assert len(words) == len(tags)
    for word, tag in zip(words, tags, strict=True):
        kind, mark = split_mark(tag)
        assert kind in CASES and mark in ("", *MARKS)
        assert word and not word.isspace() and word == word.lower()


@pytest.mark.parametrize(
    ("sentence", "words", "tags"),
    [
        ("“Run!” he said...", ["run", "he", "said"], ["Title!", "lower", "lower."]),
        ("What?! No", ["what", "no"], ["Title?", "Title"]),
        ("Wait ... - OK ;", ["wait", "ok"], ["Title.", "UPPER;"]),
        ("a, , b", ["a", "b"], ["lower,", "lower"]),
        ("... !", [], []),
        ("(McCoy)", ["mccoy"], ["other"]),
    ],
)
def test_by_hand(sentence: str, words: list[str], tags: list[str]) -> None:
    assert bare(sentence) == (words, tags)


def test_most_of_tatoeba_comes_back(shared_data: Callable[[str], Path]) -> None:
    """All but quotes, dashes, brackets, repeated marks and words of mixed case."""
    lines = Lines(shared_data("tatoeba") / "deu-eng.tsv.gz")
    sentences = [lines[i].split("\t")[0] for i in range(0, len(lines), 50)]
    share = sum(restored(*bare(sentence)) == sentence for sentence in sentences) / len(sentences)
    assert share > 0.9
    assert {case(word) for sentence in sentences for word in sentence.split()} == set(CASES)
