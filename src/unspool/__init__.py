"""unspool: write one transition function, get a recurrent network."""

from unspool import cells
from unspool.cells import Cell
from unspool.explain import explain
from unspool.layers.recurrent import Recurrent
from unspool.unfold import unfold

__version__ = "0.1.0"

__all__ = ["Cell", "Recurrent", "__version__", "cells", "explain", "unfold"]
