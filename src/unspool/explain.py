"""`explain`: which engine runs a cell, why, and what it does inside and outside the loop over time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from unspool.engine.choose import choose


@dataclass(frozen=True)
class Explanation:
    """What `explain` found; `str()` of it is for people."""

    cell: str
    engine: str
    reason: str
    before: tuple[str, ...]
    loop: tuple[str, ...]
    after: tuple[str, ...]

    def __str__(self) -> str:
        parts = (("before the loop", self.before), ("in the loop", self.loop), ("after the loop", self.after))
        rows = [f"{where}: {', '.join(what) or 'nothing'}" for where, what in parts]
        return "\n".join([f"{self.cell} runs on the {self.engine} engine ({self.reason})", *rows])


def explain(cell: Any, inputs: Tensor | None = None, *, engine: str = "auto") -> Explanation:
    """Say how `unfold(cell, inputs, engine=engine)` runs. The Python loop hoists nothing out of the loop.

    Example:
        >>> print(unspool.explain(unspool.cells.GRUCell(3, 4)))
        GRUCell runs on the reference engine (the Python loop is the only engine of this version)
        before the loop: nothing
        in the loop: the whole step
        after the loop: nothing
    """
    chosen = choose(cell, engine)
    return Explanation(type(cell).__name__, chosen.engine, chosen.reason, (), ("the whole step",), ())
