"""The ids that every model of sequences of symbols knows."""

PAD, START, END = 0, 1, 2
"""Fills up shorter rows, starts a sequence, ends it."""
