"""The cells of sections `custom` and `further`: the engine and JAX compute what the Python loop over them computes."""

from __future__ import annotations

import importlib.util

import pytest
import torch

from unspool.bench import custom
from unspool.bench.case import Bench

SIZES = {"T": 4, "B": 3, "I": 8, "H": 8, "S": 5}
LARGE = {"T": 3, "B": 40, "I": 128, "H": 128, "S": 20}
"""More rows than are done at a time between two products."""


@pytest.mark.parametrize("name", custom.ALL)
def test_all_contestants_agree(name: str) -> None:
    firsts: dict[str, float] = {}
    case = custom._case(name, SIZES, Bench(quick=True), firsts)
    truth = case.truth()
    contestants = {**case.ours, **case.peers}
    assert ("jax.lax.scan" in contestants) == (importlib.util.find_spec("jax") is not None)
    assert len(firsts) == len(case.peers) - 1
    for run in contestants.values():
        found = run()
        assert found.keys() == truth.keys()
        for key, value in truth.items():
            torch.testing.assert_close(found[key].double(), value, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", custom.ALL)
def test_rows_that_are_done_some_at_a_time(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)  # the engine alone
    case = custom._case(name, LARGE, Bench(quick=True), {})
    truth, found = case.truth(), case.ours["unspool"]()
    for key, value in truth.items():
        torch.testing.assert_close(found[key].double(), value, atol=1e-4, rtol=1e-4)


def test_without_jax_the_section_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(custom.CELLS, "custom", {})
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "unspool[bench-jax]" in custom.section("custom")(Bench(quick=True)).notes[0]


def test_first_gradients_are_found_anew_and_then_known() -> None:
    found = custom.first_gradients("layer-norm GRU", SIZES)
    anew, known = found["of a further structure (s)"], found["of a known structure (s)"]
    assert found["first gradient of a process (s)"] > known and anew > 3 * known
