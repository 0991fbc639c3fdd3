"""Which engine runs a cell, and why."""

from __future__ import annotations

from dataclasses import dataclass

from unspool.cells.base import step_name
from unspool.errors import ConfigError

ENGINES = ("auto", "reference")


@dataclass(frozen=True)
class Choice:
    """The engine that runs, and the reason in a sentence."""

    engine: str
    reason: str


def choose(cell: object, engine: str) -> Choice:
    """Decide by the cell and the engine asked for, never by batch size, length or number of threads.

    Raises:
        ConfigError: the engine does not exist here; an engine that was asked for is never replaced in silence.

    Example:
        >>> choose(torch.nn.Identity(), "reference")
        Choice(engine='reference', reason='asked for')
    """
    if engine not in ENGINES:
        raise ConfigError(f"engine={engine!r} cannot run {step_name(cell)} in this version; expected one of {ENGINES}")
    if engine == "auto":
        return Choice("reference", "the Python loop is the only engine of this version")
    return Choice(engine, "asked for")
