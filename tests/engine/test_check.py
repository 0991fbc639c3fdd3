"""A program that computes something else than its step is found on its first call, and never used."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
import torch

import unspool
from unspool.engine import check, choose
from unspool.errors import ConfigError
from unspool.graph.compile import Compiled, compiled

FAULTS = {
    "a gate for another": ("forward", "op sigmoid", "op tanh"),
    "a sign": ("forward", "op add", "op sub"),
    "a derivative": ("backward", "op dtanh", "op dsigmoid"),
}


def faulty(found: Compiled, part: str, old: str, new: str) -> Compiled:
    told = json.loads(found.program)
    for name in (part, "forward_only") if part == "forward" else (part,):
        assert old in told[name]["text"]
        told[name]["text"] = told[name]["text"].replace(old, new, 1)
    return dataclasses.replace(found, program=json.dumps(told))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_wrong_program_is_not_used(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any) -> Any:
        found, captured = compiled(*args)
        return faulty(found, *FAULTS[fault]), captured

    monkeypatch.setattr(choose, "compiled", broken)
    monkeypatch.setattr(choose, "recall", lambda *_: None)
    cell = unspool.cells.GRUCell(3, 4)
    x = torch.randn(2, 5, 3, requires_grad=True)
    with pytest.raises(ConfigError, match="its program gives another"):
        unspool.unfold(cell, x, engine="cpu")
    with pytest.warns(UserWarning, match="its program gives another"):
        choose._said.clear()
        y, _ = unspool.unfold(cell, x)
    assert torch.equal(y, unspool.unfold(cell, x, engine="reference")[0])


def test_a_program_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_checked", set())
    cell = unspool.cells.LSTMCell(3, 4)
    x = torch.randn(2, 5, 3)
    for _ in range(3):
        unspool.unfold(cell, x, engine="cpu")
    assert len(check._checked) == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 1e38])
def test_numbers_beyond_reason_are_no_fault_of_the_program(bad: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "_checked", set())
    cell = unspool.cells.RNNCell(3, 4, nonlinearity="relu")
    x = torch.randn(2, 5, 3)
    x[0, 1, 2] = bad
    unspool.unfold(cell, x, engine="cpu")
    assert not check._checked or bad == 1e38  # it will be checked where there is something to learn
    unspool.unfold(cell, torch.randn(2, 5, 3), engine="cpu")
    assert len(check._checked) == 1
