"""Made-up sizes to trace a step with: so unlikely that a trace says what counts rows and what a context's steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BATCHES = (10007, 10009)
"""Numbers of rows of a first and a second trace, prime: whatever is a multiple of one counts rows."""

LENGTHS = (
    (100517, 103511, 106501, 109507, 112507, 115513, 118529, 121507),
    (200513, 203531, 206543, 209549, 212557, 215573, 218579, 221603),
)
"""Lengths of what stands in the context, such as the steps of a memory, of a first and a second trace: what is the same
step with both goes with any. Prime, far from each other and from what people choose as a size."""

MORE = 64
"""What a step may join to a length, such as a sentinel or a few places of its own, or leave out of it."""


def is_multiple(number: Any, batch: int) -> bool:
    return isinstance(number, int) and number > 0 and number % batch == 0


def as_length(number: Any, lengths: Sequence[int]) -> tuple[int, int, int] | None:
    """Which of `lengths` a number counts, how many times, and how many more; `None` if it counts something else.

    >>> as_length(3 * LENGTHS[0][1], LENGTHS[0]), as_length(LENGTHS[0][0] + 1, LENGTHS[0]), as_length(256, LENGTHS[0])
    ((1, 3, 0), (0, 1, 1), None)
    """
    if not number or isinstance(number, bool) or not isinstance(number, (int, float)):
        return None
    for place, made_up in enumerate(lengths):
        if number % made_up == 0:
            return place, int(number // made_up), 0
    for place, made_up in enumerate(lengths):
        if isinstance(number, int) and abs(number - made_up) <= MORE:
            return place, 1, number - made_up
    return None
