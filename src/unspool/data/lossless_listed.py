"""Lossless tokenizers whose symbols are a list: characters, and words with the space before them."""

from __future__ import annotations

import json
import re
from array import array
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from unspool.data.lossless_base import BYTES, LosslessTokenizer, lines_of

WORDS = re.compile(r" ?\w+| ?[^\w\s]|\n|[^\S\n]+(?= \S)|[^\S\n]+")
"""A word or a mark with one space before it; a line end; other white space, less a space that a word takes."""


class CharacterTokenizer(LosslessTokenizer):
    """Characters; one that is not in the list is spelled as its bytes in UTF-8, which are ids 0 to 255.

    Example:
        >>> CharacterTokenizer(["a", "b"]).encode("baé").tolist()
        [257, 256, 195, 169]
    """

    kind = "chars"

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__([bytes([byte]) for byte in range(BYTES)] + [symbol.encode() for symbol in symbols])
        self.symbols = list(symbols)
        known = {ord(symbol): BYTES + i for i, symbol in enumerate(symbols) if len(symbol) == 1}
        # The last entry stands for every character beyond the greatest that is known.
        self._table = np.full(max(known, default=0) + 2, -1, dtype=np.int32)
        self._table[list(known)] = list(known.values())

    @classmethod
    def train(cls, texts: Sequence[str], *, vocabulary: int, min_count: int) -> Self:
        counts: Counter[str] = Counter()
        for text in texts:
            counts.update(text)
        return cls(_ranked(counts, min_count)[: vocabulary - BYTES])

    def _encode(self, text: str) -> np.ndarray:
        codes = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        ids = self._table[np.minimum(codes, len(self._table) - 1)]
        unknown = np.flatnonzero(ids < 0)
        if not len(unknown):
            return ids
        spelled = [text[place].encode() for place in unknown.tolist()]
        widths = np.ones(len(ids), dtype=np.int64)
        widths[unknown] = [len(each) for each in spelled]
        ids = np.repeat(ids, widths)
        ids[ids < 0] = np.frombuffer(b"".join(spelled), dtype=np.uint8)
        return ids

    def to_bytes(self) -> bytes:
        return json.dumps(self.symbols, ensure_ascii=False, indent=0).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        symbols = json.loads(content)
        if not (isinstance(symbols, list) and all(isinstance(symbol, str) and symbol for symbol in symbols)):
            raise ValueError("it is not a list of texts")
        if len({*symbols}) < len(symbols):
            raise ValueError("a symbol stands in it twice")
        return cls(symbols)


class WordTokenizer(CharacterTokenizer):
    """Words; one that is not in the list is spelled in characters, and a character that is not, in bytes.

    Example:
        >>> words = WordTokenizer(["a", "t", " cat", "."])
        >>> words.pieces(words.encode("a cat at."))
        ['a', ' cat', ' ', 'a', 't', '.']
    """

    kind = "words"

    def __init__(self, symbols: Sequence[str]) -> None:
        super().__init__(symbols)
        self._ids = {symbol: BYTES + i for i, symbol in enumerate(symbols)}

    @classmethod
    def train(cls, texts: Sequence[str], *, vocabulary: int, min_count: int) -> Self:
        characters, words = Counter[str](), Counter[str]()
        for text in texts:
            characters.update(text)
            for line in lines_of(text):
                words.update(WORDS.findall(line))
        alphabet = _ranked(characters, min_count)
        listed = [*alphabet, *(word for word in _ranked(words, min_count) if len(word) > 1)]
        return cls(listed[: vocabulary - BYTES])

    def _encode(self, text: str) -> np.ndarray:
        return np.frombuffer(array("i", self._walk(text)), dtype=np.intc)

    def _walk(self, text: str) -> Iterable[int]:
        for line in lines_of(text):
            for word in WORDS.findall(line):
                known = self._ids.get(word)
                if known is None:
                    yield from super()._encode(word).tolist()
                else:
                    yield known


def _ranked(counts: Counter[str], min_count: int) -> list[str]:
    """By frequency, ties by code point: the same list for the same texts in any order."""
    return sorted((s for s, count in counts.items() if count >= min_count), key=lambda s: (-counts[s], s))
