"""How far a walk over many series has come, said on stderr once it turns out to be long."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

from unspool.train.progress import clock

Item = TypeVar("Item")

SILENT = 3.0
"""Seconds before anything is said."""

TIMES = 10
"""How often it is said, unless in a terminal, where one line is kept up to date."""


def watched(items: Iterable[Item], total: int, what: str) -> Iterator[Item]:
    """The items, unchanged, of which there are `total`.

    >>> list(watched("abc", 3, "counting"))
    ['a', 'b', 'c']
    """
    started = said = time.monotonic()
    inside = sys.stderr.isatty()
    shown = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        due = now - said >= 0.2 if inside else done * TIMES // total > shown * TIMES // total or not shown
        if due and now - started >= SILENT and done < total:
            left = clock((now - started) / done * (total - done))
            line = f"{what}: {done:,} of {total:,} series, about {left} left"
            print(f"\r{line}\033[K" if inside else line, end="" if inside else "\n", file=sys.stderr, flush=True)
            said, shown = now, done
    if inside and shown:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
