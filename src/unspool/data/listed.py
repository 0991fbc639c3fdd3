"""Tokenizers whose symbols are a list: characters, and words split at white space."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable

from unspool.data.symbols import SYMBOLS, UNKNOWN


class ListedTokenizer:
    """Characters or words; a symbol that is not in the list is unknown."""

    def __init__(self, kind: str, symbols: list[str], lowercase: bool) -> None:
        self.kind, self.symbols, self.lowercase = kind, symbols, lowercase
        self._ids = {symbol: i for i, symbol in enumerate(symbols) if i >= len(SYMBOLS)}
        self._joint = "" if kind == "chars" else " "

    @classmethod
    def train_chars(cls, texts: Iterable[str], **options: int) -> ListedTokenizer:
        return cls._train("chars", texts, **options)

    @classmethod
    def train_words(cls, texts: Iterable[str], **options: int) -> ListedTokenizer:
        return cls._train("words", texts, **options)

    @classmethod
    def _train(
        cls, kind: str, texts: Iterable[str], *, vocabulary: int, min_count: int, lowercase: int
    ) -> ListedTokenizer:
        empty = cls(kind, list(SYMBOLS), bool(lowercase))
        counts = Counter(symbol for text in texts for symbol in empty.split(text))
        # By frequency, ties by code point: the same list for the same texts in any order.
        ranked = sorted((-count, symbol) for symbol, count in counts.items() if count >= min_count)
        return cls(kind, [*SYMBOLS, *(symbol for _, symbol in ranked[: vocabulary - len(SYMBOLS)])], bool(lowercase))

    @property
    def size(self) -> int:
        return len(self.symbols)

    def split(self, text: str) -> Iterable[str]:
        """The symbols of `text`, one for each id of `encode`, known or not."""
        text = text.lower() if self.lowercase else text
        return text if self.kind == "chars" else text.split()

    def encode(self, text: str) -> list[int]:
        return [self._ids.get(symbol, UNKNOWN) for symbol in self.split(text)]

    def decode(self, ids: Iterable[int]) -> str:
        return self._joint.join("⁇" if i == UNKNOWN else self.symbols[i] for i in ids if i >= UNKNOWN)

    def pieces(self, ids: Iterable[int]) -> list[str]:
        return [self.symbols[i] for i in ids]

    def to_bytes(self) -> bytes:
        content = {"kind": self.kind, "lowercase": self.lowercase, "symbols": self.symbols}
        return json.dumps(content, ensure_ascii=False, indent=0).encode()

    @classmethod
    def from_bytes(cls, content: bytes) -> ListedTokenizer:
        found = json.loads(content)
        if found["kind"] not in ("chars", "words"):
            raise ValueError(f"it holds {found['kind']!r}, not chars or words")
        if not all(isinstance(symbol, str) for symbol in found["symbols"]):
            raise ValueError("a symbol is not text")
        return cls(found["kind"], found["symbols"], bool(found["lowercase"]))
