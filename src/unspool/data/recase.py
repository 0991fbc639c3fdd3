"""A sentence as bare lower-case words, and for each the tag that brings back its capitals and the mark after it."""

from __future__ import annotations

import re

MARKS = (",", ".", "?", "!", ":", ";")
CASES = ("lower", "Title", "UPPER", "other")
_WORD = re.compile(r"[^\W_](?:.*[^\W_])?")
"""From the first letter or digit of a written word to the last: `it's`, `3.5`."""


def bare(sentence: str) -> tuple[list[str], list[str]]:
    """The words of a sentence in lower case without punctuation, and the tag of each: its case, and the mark after it.

    Of several marks the first counts; a mark that stands alone belongs to the word before it. `other` is any mixture of
    capitals; quotes, brackets and dashes are left out.

    Example:
        >>> bare('"Hi, Ann," said NASA\\'s McCoy.')
        (['hi', 'ann', 'said', "nasa's", 'mccoy'], ['Title,', 'Title,', 'lower', 'other', 'other.'])
    """
    words: list[str] = []
    tags: list[str] = []
    for written in sentence.split():
        found = _WORD.search(written)
        if found is not None:
            words.append(found[0].lower())
            tags.append(case(found[0]) + first_mark(written[found.end() :]))
        elif tags and tags[-1] in CASES:
            tags[-1] += first_mark(written)
    return words, tags


def case(word: str) -> str:
    """How a word is written: one of `CASES`. One capital alone, as in `I`, is `Title`.

    Example:
        >>> [case(word) for word in ("at", "I'm", "USA", "iPad", "7")]
        ['lower', 'Title', 'UPPER', 'other', 'lower']
    """
    if word == word.lower():
        return "lower"
    if word[0].isupper() and word[1:] == word[1:].lower():
        return "Title"
    return "UPPER" if word == word.upper() else "other"


def first_mark(text: str) -> str:
    """The first mark in a text; empty if there is none."""
    return next((character for character in text if character in MARKS), "")


def split_mark(tag: str) -> tuple[str, str]:
    """Case and mark of a tag.

    Example:
        >>> split_mark("Title,"), split_mark("lower")
        (('Title', ','), ('lower', ''))
    """
    return (tag[:-1], tag[-1]) if tag.endswith(MARKS) else (tag, "")


def restored(words: list[str], tags: list[str]) -> str:
    """The sentence that words and tags say; how `other` is written is not known, so it stays in lower case.

    Example:
        >>> restored(*bare("Hello, world! It's 5 p.m."))
        "Hello, world! It's 5 p.m."
    """
    written: list[str] = []
    for word, tag in zip(words, tags, strict=True):
        kind, mark = split_mark(tag)
        title, upper = word[:1].upper() + word[1:], word.upper()
        written.append({"Title": title, "UPPER": upper}.get(kind, word) + mark)
    return " ".join(written)
