"""What lossless tokenizers have in common: an id stands for bytes, and a text is the bytes of its ids."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Self

import numpy as np

from unspool.data.given import check_text

BYTES = 256
"""How many ids stand for a single byte; any text can be spelled with them."""


class LosslessTokenizer(ABC):
    """Text to ids and back. `contents[i]` are the UTF-8 bytes that id i writes; some ids write each a single byte.

    Lines are encoded one by one, so that the ids of `a + b` are those of `a` and then those of `b` where a ends with a
    line end (with characters: anywhere).
    """

    kind: str

    def __init__(self, contents: Sequence[bytes]) -> None:
        self.contents = tuple(contents)
        often = Counter(self.contents)
        self._spare = {i for i, content in enumerate(self.contents[:BYTES]) if often[content] > 1}

    @classmethod
    @abstractmethod
    def train(cls, texts: Sequence[str], *, vocabulary: int, min_count: int) -> Self:
        """Learn from `texts`."""

    @abstractmethod
    def _encode(self, text: str) -> np.ndarray:
        """Ids of a text without lone surrogates."""

    @abstractmethod
    def to_bytes(self) -> bytes:
        """Its own data, for a file."""

    @classmethod
    @abstractmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Inverse of `to_bytes`."""

    @property
    def size(self) -> int:
        """Number of ids, V."""
        return len(self.contents)

    def encode(self, text: str) -> np.ndarray:
        """Ids of `text`, int32 `[N]`; `DataError` for a lone surrogate, which is no character."""
        check_text(text, "the text")
        return self._encode(text).astype(np.int32, copy=False)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; bytes that are no UTF-8 are written `�`."""
        return b"".join(self.contents[i] for i in ids).decode("utf-8", "replace")

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Each id as text of its own; a byte that is no character, or that another id stands for too: `<0xE9>`."""
        return [_hexadecimal(self.contents[i]) if i in self._spare else _shown(self.contents[i]) for i in ids]


def lines_of(text: str) -> Iterator[str]:
    """The lines of `text`, split after \\n only, their ends kept.

    >>> list(lines_of("a\\r\\n\\nb\\x0cc"))
    ['a\\r\\n', '\\n', 'b\\x0cc']
    """
    start = 0
    while (end := text.find("\n", start)) >= 0:
        yield text[start : end + 1]
        start = end + 1
    if start < len(text):
        yield text[start:]


def _shown(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _hexadecimal(content)


def _hexadecimal(content: bytes) -> str:
    return "".join(f"<0x{byte:02X}>" for byte in content)
