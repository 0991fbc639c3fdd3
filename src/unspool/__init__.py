"""unspool: write one transition function, get a recurrent network."""

import os
from typing import TYPE_CHECKING, Any

# Before torch loads its thread pool: threads that wait go to sleep soon instead of spinning. On a machine that does
# anything else, spinning made training up to 48 times slower; on a quiet one this
# costs nothing (docs/decisions/0007, 0013).
os.environ.setdefault("GOMP_SPINCOUNT", "10000")

from unspool import cells
from unspool.cells import Cell
from unspool.explain import explain
from unspool.layers.dropins import GRU, LSTM, RNN
from unspool.layers.recurrent import Recurrent
from unspool.layers.stream import stream
from unspool.unfold import unfold

if TYPE_CHECKING:
    from unspool.tasks.load import load

__version__ = "0.1.0"

__all__ = ["GRU", "LSTM", "RNN", "Cell", "Recurrent", "__version__", "cells", "explain", "load", "stream", "unfold"]


def __getattr__(name: str) -> Any:
    # Tasks need more libraries than cells and layers do; who uses only these should not wait for them.
    if name == "load":
        from unspool.tasks.load import load

        return load
    raise AttributeError(f"module 'unspool' has no attribute {name!r}")
