"""Levels of quantiles, as a caller names them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from numbers import Real
from typing import Any

from unspool.errors import ConfigError


def levels_of(given: Any) -> tuple[float, ...]:
    """At least one number, rising between 0 and 1.

    Raises:
        ConfigError: it is something else.

    Example:
        >>> levels_of([0.1, 0.5])
        (0.1, 0.5)
    """
    several = isinstance(given, Iterable) and not isinstance(given, str) and getattr(given, "ndim", 1)
    values = list(given) if several else []
    levels = tuple(float(value) for value in values if isinstance(value, Real))
    if not levels or len(levels) < len(values) or any(low >= high for low, high in pairwise((0.0, *levels, 1.0))):
        shown = levels if levels and len(levels) == len(values) else repr(given)
        raise ConfigError(f"levels are {shown}; expected rising numbers between 0 and 1, such as (0.1, 0.5, 0.9)")
    return levels
