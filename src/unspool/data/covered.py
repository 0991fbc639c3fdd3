"""Closed vocabularies: text in which no symbol may be unknown."""

from __future__ import annotations

from unspool.data.batches import plain
from unspool.data.corpus import ParallelCorpus, Side
from unspool.data.listed import ListedTokenizer
from unspool.data.symbols import SYMBOLS
from unspool.data.tokenizer import Tokenizer
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
