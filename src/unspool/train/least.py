"""Where a function of one positive number is least."""

from __future__ import annotations

import math
from collections.abc import Callable

GOLDEN = (math.sqrt(5) - 1) / 2
TOLERANCE = 1e-4


def least(function: Callable[[float], float], bounds: tuple[float, float]) -> float:
    """The positive number, to a relative 1e-4, whose logarithm minimises `function`, which has one minimum; an end of
    `bounds` exactly, where it is there. By golden-section search (Kiefer 1953,
    https://doi.org/10.1090/S0002-9939-1953-0055639-3).

    Example:
        >>> round(least(lambda log: (log - math.log(3)) ** 2, (0.1, 10.0)), 3)
        3.0
        >>> least(lambda log: log, (0.1, 10.0))
        0.1
    """
    low, high = map(math.log, bounds)
    one, other = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_one, at_other = function(one), function(other)
    while high - low > TOLERANCE:
        if at_one <= at_other:
            high, other, at_other = other, one, at_one
            one = high - GOLDEN * (high - low)
            at_one = function(one)
        else:
            low, one, at_one = one, other, at_other
            other = low + GOLDEN * (high - low)
            at_other = function(other)
    found = (low + high) / 2
    return next((end for end in bounds if abs(found - math.log(end)) < 2 * TOLERANCE), math.exp(found))
