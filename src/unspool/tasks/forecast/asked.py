"""What is asked of a forecast, looked at before anything is worked out."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from unspool.data.given import whole
from unspool.errors import ConfigError


class Asked(NamedTuple):
    """Steps to forecast, paths to draw where that is needed, and the seed of the draws."""

    horizon: int
    paths: int
    seed: int

    @classmethod
    def of(cls, horizon: Any, paths: Any, seed: Any) -> Asked:
        """As a caller gives them.

        Raises:
            ConfigError: one is no whole number, or too small.

        Example:
            >>> Asked.of(12, 200, 0).horizon
            12
        """
        return cls(whole(horizon, "horizon"), whole(paths, "paths", option="--draws"), whole(seed, "seed", least=0))


def check_memory(needed: int, horizon: int) -> None:
    """Refuse a forecast over `horizon` steps that needs more bytes than the machine has.

    Raises:
        ConfigError: it does; how much it needs is said.
    """
    there = memory()
    if needed > there:
        raise ConfigError(
            f"to forecast {horizon} steps takes about {needed // 10**9:,} GB of memory, but this machine has "
            f"{there / 1e9:,.0f}; choose a shorter horizon, fewer paths (--draws), or fewer series at once"
        )


def memory() -> float:
    """Bytes of memory of this machine; infinite where that is not known."""
    if not hasattr(os, "sysconf"):
        return float("inf")
    return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
