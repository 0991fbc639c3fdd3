"""Times side by side: all contestants take turns in one run, so that whatever the machine does, it does to all."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Timing:
    """Seconds of one run: the best and the median of `n`."""

    best: float
    median: float
    n: int

    @staticmethod
    def of(seconds: list[float]) -> Timing:
        return Timing(min(seconds), statistics.median(seconds), len(seconds))


def clocked(function: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds that one call took, and what it gave."""
    with _no_collection():
        start = time.perf_counter()
        made = function()
        return time.perf_counter() - start, made


def alternating(contestants: Mapping[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """Seconds of every run: each contestant once a round, in turn."""
    found: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            found[name].append(clocked(run)[0])
    return found


def rounds_for(one: float, budget: float, least: int, most: int) -> int:
    """How many rounds of `one` second each fit into `budget` seconds, within bounds.

    >>> rounds_for(0.5, 3.0, 3, 30), rounds_for(10.0, 3.0, 3, 30)
    (6, 3)
    """
    return max(least, min(most, int(budget / max(one, 1e-9))))


@contextmanager
def _no_collection() -> Iterator[None]:
    gc.collect(0)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
