"""Words as ids: that of the word, and those of the character n-grams in it."""

from __future__ import annotations

import json
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from unspool.data.wording import counted
from unspool.errors import ConfigError, RunError

UNKNOWN_WORD = 0
"""The id of any word that is not in the vocabulary."""


@dataclass(frozen=True)
class Pieces:
    """Character n-grams of a word with its borders, hashed into `buckets` (none if that is 0).

    `<word>` is cut into all runs of `least` to `most` characters; a word too short for any is one piece. The id of a
    piece is the CRC-32 of its UTF-8 bytes modulo `buckets`, the same on every machine. Bojanowski et al. 2017,
    https://aclanthology.org/Q17-1010.

    Example:
        >>> Pieces(buckets=1000, least=3, most=4).texts("ab")
        ['<ab', 'ab>', '<ab>']
    """

    buckets: int
    least: int
    most: int

    def __post_init__(self) -> None:
        if self.buckets < 0:
            raise ConfigError(f"buckets is {self.buckets}; expected at least 1, or 0 for none")
        if not 1 <= self.least <= self.most:
            raise ConfigError(f"pieces have {self.least} to {self.most} characters; expected at least 1, least first")

    def texts(self, word: str) -> list[str]:
        """The pieces of a word, in order of their length."""
        bordered = f"<{word}>"
        lengths = range(self.least, self.most + 1)
        found = [bordered[at : at + n] for n in lengths for at in range(len(bordered) - n + 1)]
        return found or [bordered]

    def ids(self, word: str) -> np.ndarray:
        """The buckets of the pieces, int64."""
        if not self.buckets:
            return np.empty(0, dtype=np.int64)
        encoded = (piece.encode("utf-8", "surrogatepass") for piece in self.texts(word))
        return np.asarray([zlib.crc32(piece) % self.buckets for piece in encoded], dtype=np.int64)


class Words:
    """A vocabulary of words, and the pieces of any word.

    Args:
        words: those with an id of their own, from 1 on; id 0 is any other word.
        pieces: how words are cut.
        lowercase: read all in lower case.

    Example:
        >>> words = Words.learn([["a", "b", "a"]], pieces=Pieces(100, 2, 3), min_count=2)
        >>> words.size, words.id("a"), words.id("b")
        (2, 1, 0)
    """

    def __init__(self, words: Sequence[str], pieces: Pieces, *, lowercase: bool = False) -> None:
        self.words, self.pieces, self.lowercase = list(words), pieces, lowercase
        self._ids = {word: i for i, word in enumerate(self.words, UNKNOWN_WORD + 1)}

    @classmethod
    def learn(
        cls, rows: Iterable[Sequence[str]], *, pieces: Pieces, min_count: int = 1, vocabulary: int | None = None,
        lowercase: bool = False,
    ) -> Words:  # fmt: skip
        """The most frequent words of `rows`, ties by code point: the same ones for the same rows in any order."""
        counts = Counter(token.lower() if lowercase else token for row in rows for token in row)
        ranked = sorted((-count, word) for word, count in counts.items() if count >= min_count)
        return cls([word for _, word in ranked[:vocabulary]], pieces, lowercase=lowercase)

    @property
    def size(self) -> int:
        """Number of ids, that of unknown words included."""
        return len(self.words) + 1

    def id(self, token: str) -> int:
        """The id of a token's word."""
        return self._ids.get(token.lower() if self.lowercase else token, UNKNOWN_WORD)

    def piece_ids(self, token: str) -> np.ndarray:
        """The ids of a token's pieces."""
        return self.pieces.ids(token.lower() if self.lowercase else token)

    def to_bytes(self) -> bytes:
        """The vocabulary as JSON."""
        content = {
            "lowercase": self.lowercase,
            "pieces": [self.pieces.buckets, self.pieces.least, self.pieces.most],
            "size": self.size,
            "words": self.words,
        }
        return json.dumps(content, ensure_ascii=False, indent=0).encode()

    @classmethod
    def load(cls, path: Path) -> Words:
        """Read what `to_bytes` wrote; `RunError` for a file that is missing, truncated or foreign."""
        try:
            found = json.loads(path.read_bytes())
            words = found["words"]
            if not (isinstance(words, list) and all(isinstance(word, str) for word in words)):
                raise ValueError("a word is not text")
            read = cls(words, Pieces(*map(int, found["pieces"])), lowercase=bool(found["lowercase"]))
            if len(read._ids) + 1 != found["size"]:
                raise ValueError(f"it holds {counted(len(read._ids) + 1, 'word')} instead of {found['size']}")
        except FileNotFoundError:
            raise RunError(f"{path} is missing; expected a vocabulary written by unspool train") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path} is truncated or no vocabulary ({error}); restore it from a copy or train anew"
            ) from error
        return read


@dataclass(frozen=True)
class WordBatch:
    """Rows of words, padded with 0.

    `words` `[B, T]`: ids of words. `forms` `[B, T]`: for each word the number of its form, the batch's distinct tokens.
    `pieces` `[P]`: the pieces of all forms, one form after the other; `offsets` `[F]`: where those of each begin.
    `lengths` `[B]`: valid steps of each row.
    """

    words: Tensor
    forms: Tensor
    pieces: Tensor
    offsets: Tensor
    lengths: Tensor

    def to(self, device: torch.device | str) -> WordBatch:
        return WordBatch(*(v.to(device) for v in (self.words, self.forms, self.pieces, self.offsets, self.lengths)))


class Forms:
    """Rows of tokens as numbers of their distinct tokens, each of which is looked up and cut once.

    Example:
        >>> forms = Forms(Words(["a"], Pieces(100, 2, 3)), [["a", "b", "a"], ["b"]])
        >>> batch = forms.batch([0, 1])
        >>> batch.words.tolist(), batch.forms.tolist(), batch.lengths.tolist()
        ([[1, 0, 1], [0, 0, 0]], [[0, 1, 0], [1, 0, 0]], [3, 1])
    """

    def __init__(self, words: Words, rows: Iterable[Sequence[str]]) -> None:
        numbers: dict[str, int] = {}
        self.rows = [np.asarray([numbers.setdefault(t, len(numbers)) for t in row], dtype=np.int32) for row in rows]
        self._words = np.asarray([words.id(token) for token in numbers], dtype=np.int64)
        self._pieces = [words.piece_ids(token) for token in numbers]

    def batch(self, rows: Sequence[int]) -> WordBatch:
        """The rows with these numbers, in this order."""
        chosen = [self.rows[row] for row in rows]
        lengths = np.asarray([len(row) for row in chosen], dtype=np.int64)
        inside = np.arange(lengths.max(initial=0)) < lengths[:, None]
        distinct, places = np.unique(np.concatenate(chosen), return_inverse=True)
        words, forms = np.zeros(inside.shape, dtype=np.int64), np.zeros(inside.shape, dtype=np.int64)
        words[inside], forms[inside] = self._words[distinct][places], places
        pieces = [self._pieces[form] for form in distinct]
        offsets = np.cumsum([0, *map(len, pieces)])[: len(pieces)]
        joined = np.concatenate([np.empty(0, dtype=np.int64), *pieces])
        return WordBatch(*map(torch.from_numpy, (words, forms, joined, offsets, lengths)))
