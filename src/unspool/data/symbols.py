"""The four symbols that every vocabulary starts with."""

from unspool.layers.symbols import END, PAD, START

UNKNOWN = 3
SYMBOLS = ("<pad>", "<s>", "</s>", "<unk>")
"""Fills up shorter rows, starts a sequence, ends it, stands for anything outside the vocabulary."""

__all__ = ["END", "PAD", "START", "SYMBOLS", "UNKNOWN"]
