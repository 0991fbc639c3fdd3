"""Text with symbols that are not in the vocabulary: refused where it must be closed, else said in a warning."""

from __future__ import annotations

import warnings

from unspool.data.batches import plain
from unspool.data.corpus import ParallelCorpus, Side
from unspool.data.listed import ListedTokenizer
from unspool.data.symbols import SYMBOLS, UNKNOWN
from unspool.data.tokenizer import Tokenizer
from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError


def check_covered(tokenizer: Tokenizer, corpus: ParallelCorpus, side: Side) -> None:
    """Refuse a corpus with a character or a word that is not in the vocabulary of `tokenizer`.

    Args:
        tokenizer: of kind `"chars"` or `"words"`.
        corpus: pairs of text; read once, up to the first such symbol.
        side: `"source"` (read as a model reads it, see `unspool.data.batches.plain`) or `"target"`.

    Raises:
        DataError: a symbol is outside the vocabulary; file, line and symbol are named.
        ConfigError: another kind of tokenizer, or another side.

    Example:
        >>> from unspool.data.text import ListCorpus, check_covered, train_tokenizer
        >>> labels = train_tokenizer("words", ["noun verb"])
        >>> check_covered(labels, ListCorpus([("dogs run", "noun verb")]), "target")
    """
    if not isinstance(tokenizer, ListedTokenizer):
        raise ConfigError(f"the tokenizer is of kind {tokenizer.kind!r}; only chars and words list all they know")
    if side not in ("source", "target"):
        raise ConfigError(f"side is {side!r}; expected 'source' or 'target'")
    known = set(tokenizer.symbols[len(SYMBOLS) :])
    for index, (source, target) in enumerate(corpus):
        text = plain(source) if side == "source" else target
        unknown = next((symbol for symbol in tokenizer.split(text) if symbol not in known), None)
        if unknown is not None:
            raise DataError(
                f"{corpus.place(index, side)}: {unknown!r} is not among the {len(known)} symbols of the {side} "
                "vocabulary; correct the line, or learn the vocabulary from text that has this symbol"
            )


def warn_of_unknown(tokenizer: Tokenizer, corpus: ParallelCorpus) -> None:
    """Warn of targets with a symbol that `tokenizer` does not know: no model can write them, whatever it learns."""
    found = [index for index, (_, target) in enumerate(corpus) if UNKNOWN in tokenizer.encode(target)]
    if found:
        warnings.warn(
            f"in {len(found)} of {counted(len(corpus), 'target')} a symbol is not in the vocabulary, so that no answer "
            f"can be exact; the first is {corpus.place(found[0], 'target')}: {_shown(corpus[found[0]][1])}",
            stacklevel=3,
        )


def _shown(text: str, most: int = 60) -> str:
    return repr(text if len(text) <= most else f"{text[:most]}…")
