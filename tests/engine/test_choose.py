"""The engine that was asked for runs, or an error says why not."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

import unspool
from unspool.cells import GRUCell
from unspool.engine.choose import ENGINES, choose
from unspool.errors import ConfigError

X, H = torch.randn(2, 5, 3), torch.zeros(2, 4)


class Sorted(GRUCell):
    """Sorts its hidden state, which no program can say."""

    def forward(self, x: Tensor, h: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = torch.sort(super().forward(x, h)[0])[0]
        return h, h


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_has_a_reason(engine: str) -> None:
    chosen = choose(GRUCell(3, 4), engine, X, H, None)
    assert chosen.reason and chosen.engine == ("cpu" if engine == "auto" else engine)


@pytest.mark.parametrize("engine", ["cuda", "Reference", ""])
def test_an_engine_that_is_not_here_is_never_replaced(engine: str) -> None:
    with pytest.raises(ConfigError, match=f"engine={engine!r} cannot run GRUCell.*'auto', 'cpu', 'reference'"):
        choose(GRUCell(3, 4), engine, X, H, None)


def test_what_cannot_be_lowered_is_named_once_and_runs_on_the_reference() -> None:
    cell = Sorted(3, 4)
    with pytest.warns(
        UserWarning, match=r"Sorted runs on the reference loop: Sorted \(test_choose.py, line \d+\) uses sort"
    ):
        y, _ = unspool.unfold(cell, X)
    assert torch.equal(y, unspool.unfold(cell, X, engine="reference")[0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        unspool.unfold(cell, X)
    with pytest.raises(ConfigError, match="engine='cpu' cannot run Sorted.*uses sort.*engine='auto' or 'reference'"):
        unspool.unfold(cell, X, engine="cpu")


@pytest.mark.parametrize(
    ("like", "why"),
    [
        ({"dtype": torch.bfloat16}, "sees torch.bfloat16; expected float32 alone or float64 alone"),
        ({"device": "meta"}, "tensors are on meta"),
    ],
    ids=["bfloat16", "meta"],
)
def test_tensors_that_the_engine_does_not_take(like: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        choose(GRUCell(3, 4).to(**like), "cpu", X.to(**like), H.to(**like), None)


def test_transforms_and_autocast_go_to_the_reference() -> None:
    cell = GRUCell(3, 4)
    seen: list[Any] = []

    def step(x: Tensor) -> Tensor:
        seen.append(choose(cell, "auto", x, H, None).engine)
        return x.sum()

    torch.func.grad(step)(X)
    torch.func.jvp(step, (X,), (X,))
    torch.func.vmap(step)(X.unsqueeze(0))
    with torch.autocast("cpu", torch.bfloat16):
        step(X)
    assert seen == ["reference"] * 4
