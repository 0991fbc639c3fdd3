"""Tokenizers: text to symbol ids and back, learned from the training text."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import chain
from pathlib import Path
from typing import Protocol

from unspool.data.listed import ListedTokenizer
from unspool.data.subwords import SentencePieceTokenizer, SubwordTokenizer
from unspool.data.symbols import SYMBOLS
from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError, RunError, one_of


class Tokenizer(Protocol):
    """What the rest of unspool needs of a tokenizer. Ids 0 to 3 are the symbols of `unspool.data.symbols`."""

    kind: str

    @property
    def size(self) -> int:
        """Number of ids, V."""
        ...

    def encode(self, text: str) -> list[int]:
        """Ids of `text`, without start and end symbols."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`; padding, start and end are left out, an unknown symbol is written `⁇`."""
        ...

    def pieces(self, ids: Iterable[int]) -> list[str]:
        """Each id as text of its own, for pictures and scores."""
        ...

    def to_bytes(self) -> bytes:
        """What `tokenizer_bytes` writes after its own line: JSON, or a sentencepiece model."""
        ...


_TRAINERS: dict[str, Callable[..., Tokenizer]] = {
    "chars": ListedTokenizer.train_chars,
    "words": ListedTokenizer.train_words,
    "bpe": SubwordTokenizer.train,
    "sentencepiece": SentencePieceTokenizer.train,
}
_READERS: dict[str, Callable[[bytes], Tokenizer]] = {
    "chars": ListedTokenizer.from_bytes,
    "words": ListedTokenizer.from_bytes,
    "bpe": SubwordTokenizer.from_bytes,
    "sentencepiece": SentencePieceTokenizer.from_bytes,
}
TOKENIZERS = tuple(_TRAINERS)


def train_tokenizer(
    kind: str, texts: Iterable[str], *, vocabulary: int = 8000, min_count: int = 1, lowercase: bool = False
) -> Tokenizer:
    """Learn a tokenizer from `texts`, the same one for the same texts.

    Args:
        kind: `"chars"`, `"words"` (split at white space), `"bpe"` (byte-pair encoding, by the tokenizers
            library) or `"sentencepiece"` (a unigram model, by the sentencepiece library).
        texts: training text, one item a line.
        vocabulary: largest number of ids; a small text may give fewer.
        min_count: rarer characters or words become the unknown symbol; with `"bpe"`, rarer pairs are not joined;
            `"sentencepiece"` takes only 1.
        lowercase: map all text to lower case, here and in `encode`.

    Raises:
        ConfigError: unknown kind, impossible size, or one too small for the characters of the text ("bpe" and
            "sentencepiece" keep them all). DataError: there is no text. UnspoolError: a library is missing.

    Example:
        >>> from unspool.data.tokenizer import train_tokenizer
        >>> letters = train_tokenizer("chars", ["abc", "cab"])
        >>> letters.decode(letters.encode("cab")), letters.size
        ('cab', 7)
    """
    if kind not in _TRAINERS:
        raise ConfigError(f"tokenizer is {kind!r}; expected {one_of(TOKENIZERS)}")
    if vocabulary < 5:
        raise ConfigError(f"vocabulary is {vocabulary}; expected at least 5 (four symbols are always there)")
    texts = iter(texts)
    first = next((text for text in texts if text.strip()), None)
    if first is None:
        raise DataError("the training text is empty, so there is no vocabulary to learn")
    options = {"vocabulary": vocabulary, "min_count": min_count, "lowercase": lowercase}
    tokenizer = _TRAINERS[kind](chain([first], texts), **options)
    if tokenizer.size == len(SYMBOLS):
        raise ConfigError(f"min_count is {min_count}; nothing in the training text occurs so often")
    return tokenizer


def tokenizer_bytes(tokenizer: Tokenizer) -> bytes:
    """`tokenizer` as the content of a file: a JSON line with its kind, then its own data.

    Example:
        >>> letters = train_tokenizer("chars", ["abc"])
        >>> tokenizer_bytes(letters).splitlines()[0]
        b'{"kind": "chars", "size": 7}'
    """
    return json.dumps({"kind": tokenizer.kind, "size": tokenizer.size}).encode() + b"\n" + tokenizer.to_bytes()


def load_tokenizer(path: Path) -> Tokenizer:
    """Read a tokenizer that `tokenizer_bytes` wrote.

    Raises:
        RunError: the file is missing, truncated or foreign. UnspoolError: a library is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "source.tokenizer")
        ...     _ = file.write_bytes(tokenizer_bytes(train_tokenizer("chars", ["abc"])))
        ...     load_tokenizer(file).encode("cab")
        [6, 4, 5]
    """
    try:
        head, body = path.read_bytes().split(b"\n", 1)
        header = json.loads(head)
        tokenizer = _READERS[header["kind"]](body)
        if tokenizer.size != header["size"]:
            raise ValueError(f"it holds {counted(tokenizer.size, 'symbol')} instead of {header['size']}")
        if tokenizer.kind != header["kind"] or tokenizer.pieces(range(4)) != list(SYMBOLS):
            raise ValueError(f"it is not a {header['kind']} tokenizer that starts with {', '.join(SYMBOLS)}")
    except FileNotFoundError:
        raise RunError(f"{path} is missing; expected a tokenizer file written by unspool train") from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise RunError(
            f"{path} is truncated or not a tokenizer file ({error}); restore it from a copy or train anew"
        ) from error
    return tokenizer
