"""Tokenizers that lose nothing: every text becomes ids, and the ids give the text back to the last character."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from unspool.data.lossless_base import BYTES, LosslessTokenizer
from unspool.data.lossless_listed import CharacterTokenizer, WordTokenizer
from unspool.data.lossless_subwords import ByteBPETokenizer, ByteUnigramTokenizer
from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError, RunError, one_of

_KINDS: dict[str, type[LosslessTokenizer]] = {
    "chars": CharacterTokenizer,
    "words": WordTokenizer,
    "bpe": ByteBPETokenizer,
    "sentencepiece": ByteUnigramTokenizer,
}
LOSSLESS = tuple(_KINDS)


def train_lossless(kind: str, texts: Sequence[str], *, vocabulary: int = 8000, min_count: int = 1) -> LosslessTokenizer:
    """Learn a lossless tokenizer from `texts`, the same one for the same texts.

    Args:
        kind: `"chars"`, `"words"` (a word or a mark with the space before it), `"bpe"` (byte-pair encoding over bytes,
            by the tokenizers library) or `"sentencepiece"` (a unigram model that falls back to bytes, by the
            sentencepiece library).
        texts: training text, of any length each.
        vocabulary: largest number of ids, 256 of which are bytes; a small text may give fewer.
        min_count: rarer characters and words are spelled out; with `"bpe"`, rarer pairs are not joined;
            `"sentencepiece"` takes only 1.

    Raises:
        ConfigError: unknown kind or impossible size. DataError: there is no text. UnspoolError: a library is missing.

    Example:
        >>> letters = train_lossless("chars", ["abc\\n"])
        >>> letters.size, letters.decode(letters.encode("a  né\\n"))
        (260, 'a  né\\n')
    """
    if kind not in _KINDS:
        raise ConfigError(f"tokenizer is {kind!r}; expected {one_of(LOSSLESS)}")
    if vocabulary <= BYTES:
        raise ConfigError(f"vocabulary is {vocabulary}; expected more than {BYTES}, the bytes that are always there")
    if min_count < 1:
        raise ConfigError(f"min_count is {min_count}; expected at least 1")
    if not any(texts):
        raise DataError("the training text is empty, so there is no vocabulary to learn")
    return _KINDS[kind].train(texts, vocabulary=vocabulary, min_count=min_count)


def lossless_bytes(tokenizer: LosslessTokenizer) -> bytes:
    """`tokenizer` as the content of a file: a JSON line with its kind and size, then its own data.

    Example:
        >>> lossless_bytes(train_lossless("chars", ["abc"])).splitlines()[0]
        b'{"lossless": "chars", "size": 259}'
    """
    return json.dumps({"lossless": tokenizer.kind, "size": tokenizer.size}).encode() + b"\n" + tokenizer.to_bytes()


def load_lossless(path: Path) -> LosslessTokenizer:
    """Read a tokenizer that `lossless_bytes` wrote.

    Raises:
        RunError: the file is missing, truncated or foreign. UnspoolError: a library is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "text.tokenizer")
        ...     _ = file.write_bytes(lossless_bytes(train_lossless("chars", ["abc"])))
        ...     load_lossless(file).encode("cab").tolist()
        [258, 256, 257]
    """
    try:
        head, body = path.read_bytes().split(b"\n", 1)
        header = json.loads(head)
        read: Callable[[bytes], LosslessTokenizer] = _KINDS[header["lossless"]].from_bytes
        tokenizer = read(body)
        if tokenizer.size != header["size"]:
            raise ValueError(f"it holds {counted(tokenizer.size, 'symbol')} instead of {header['size']}")
        return tokenizer
    except FileNotFoundError:
        raise RunError(f"{path} is missing; expected a tokenizer file written by unspool train language") from None
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise RunError(
            f"{path} is truncated or not a tokenizer file ({error}); restore it from a copy or train anew"
        ) from error
