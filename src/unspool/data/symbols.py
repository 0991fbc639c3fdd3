"""The four symbols that every vocabulary starts with."""

PAD, START, END, UNKNOWN = 0, 1, 2, 3
SYMBOLS = ("<pad>", "<s>", "</s>", "<unk>")
"""Fills up shorter rows, starts a sequence, ends it, stands for anything outside the vocabulary."""
