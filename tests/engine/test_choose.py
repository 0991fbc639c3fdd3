"""The engine that was asked for runs, or an error says why not."""

from __future__ import annotations

import pytest

from unspool.cells import GRUCell
from unspool.engine.choose import ENGINES, choose
from unspool.errors import ConfigError


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_has_a_reason(engine: str) -> None:
    chosen = choose(GRUCell(3, 4), engine)
    assert chosen.engine == "reference" and chosen.reason
    assert engine == "auto" or chosen.engine == engine


@pytest.mark.parametrize("engine", ["cpu", "Reference", ""])
def test_an_engine_that_is_not_here_is_never_replaced(engine: str) -> None:
    with pytest.raises(ConfigError, match=f"engine={engine!r} cannot run GRUCell.*'auto', 'reference'"):
        choose(GRUCell(3, 4), engine)
