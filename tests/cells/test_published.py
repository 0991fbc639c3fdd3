"""Cells from the literature, written in plain PyTorch, run as programs and give what the plain loop gives."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from published import PUBLISHED, example
from torch import Tensor

import unspool
from unspool.cells.state import Tree, map_tensors, tensors
from unspool.errors import ConfigError

BY_REFERENCE = {"conv-lstm": "uses convolution.default, which the compiler does not know"}
"""Cells that no program can say, and why, in the words of the engine."""

COMPILED = [name for name in PUBLISHED if name not in BY_REFERENCE]
FEW = frozenset(COMPILED[::4])
SOME = [pytest.param(name, marks=() if name in FEW else pytest.mark.slow) for name in COMPILED]
"""All of them; those that stand for the others are not slow."""
LENGTHS = [6, 0, 3, 1, 4]
MANY = 40
"""More rows than are done at a time between two products."""


def ran(cell: Any, x: Tensor, state: Tree, context: Tree, **options: Any) -> dict[str, Tensor]:
    """Outputs and final states, and every gradient under random cotangents, by name."""
    y, final = unspool.unfold(cell, x, state, context=context, lengths=LENGTHS, **options)
    made = {"output": y, **{f"state {i}": v for i, v in enumerate(tensors(final))}}
    draw = torch.Generator().manual_seed(1)
    cotangents = [torch.randn(v.shape, dtype=torch.float64, generator=draw).to(v.dtype) for v in made.values()]
    given = {"x": x}
    for kind, tree in (("state", state), ("context", context)):
        given |= {f"{kind} {i}": v for i, v in enumerate(tensors(tree)) if v.requires_grad}
    given |= dict(cell.named_parameters())
    found = torch.autograd.grad(list(made.values()), list(given.values()), cotangents, materialize_grads=True)
    return made | {f"gradient of {name}": g for name, g in zip(given, found, strict=True)}


def test_the_table_is_long_and_most_of_it_compiles() -> None:
    assert len(PUBLISHED) >= 27 and len(COMPILED) >= 25
    assert BY_REFERENCE.keys() <= PUBLISHED.keys()
    assert all(type(make(6, 12)).__doc__ for make in PUBLISHED.values())


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", COMPILED)
def test_it_equals_the_reference(name: str, reverse: bool) -> None:
    torch.manual_seed(0)
    call = example(name, len(LENGTHS), 6, 6, 12)
    expected = ran(*call, reverse=reverse, engine="reference")
    found = ran(*call, reverse=reverse, engine="cpu")
    for what, value in expected.items():
        torch.testing.assert_close(found[what], value, rtol=1e-9, atol=1e-9, msg=lambda m, what=what: f"{what}: {m}")
        assert value.abs().sum() > 0, f"{what} is zero, which proves nothing"


@pytest.mark.parametrize("name", SOME)
def test_single_precision_agrees_to_rounding(name: str) -> None:
    torch.manual_seed(1)
    cell, *given = example(name, len(LENGTHS), 6, 6, 12)
    exact = ran(cell, *given, engine="reference")
    single = [map_tensors(_single, tree) for tree in given]
    found = ran(cell.float(), single[0], single[1], single[2], engine="cpu")
    for what, value in exact.items():
        assert (found[what] - value).norm() <= 1e-5 * (1 + value.norm()), what


def _single(value: Tensor) -> Tensor:
    return value.detach().float().requires_grad_() if value.is_floating_point() else value


@pytest.mark.parametrize("name", SOME)
def test_rows_that_are_done_some_at_a_time(name: str) -> None:
    torch.manual_seed(4)
    size = 66  # a multiple of what every cell divides by
    cell, x, state, context = example(name, MANY, 2, size, 2 * size)
    for engine_sees in (torch.enable_grad, torch.no_grad):
        with engine_sees():
            expected = tensors(unspool.unfold(cell, x, state, context=context, engine="reference"))
            found = tensors(unspool.unfold(cell, x, state, context=context, engine="cpu"))
        for one, value in zip(found, expected, strict=True):
            torch.testing.assert_close(one, value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", COMPILED)
def test_a_row_is_alone_and_steps_are_a_sequence_to_the_last_bit(name: str) -> None:
    torch.manual_seed(3)
    cell, x, state, context = example(name, 5, 6, 6, 12, dtype=torch.float32)
    whole = list(tensors(unspool.unfold(cell, x, state, context=context, engine="cpu")))
    own_state, own_context = (map_tensors(lambda v: v[2:3], tree) for tree in (state, context))
    alone = tensors(unspool.unfold(cell, x[2:3], own_state, context=own_context, engine="cpu"))
    assert all(torch.equal(one, value[2:3]) for one, value in zip(alone, whole, strict=True))
    outputs = []
    for part in x.split([1, 2, 3], 1):
        y, state = unspool.unfold(cell, part, state, context=context, engine="cpu")
        outputs.append(y)
    chunked = [torch.cat(outputs, 1), *tensors(state)]
    assert all(torch.equal(one, value) for one, value in zip(chunked, whole, strict=True))


@pytest.mark.parametrize("name", BY_REFERENCE)
def test_what_cannot_be_compiled_runs_by_the_reference(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unspool.engine.choose._said", set())
    torch.manual_seed(2)
    call = example(name, len(LENGTHS), 6, 6, 12)
    with pytest.raises(ConfigError, match=BY_REFERENCE[name]):
        ran(*call, engine="cpu")
    with pytest.warns(UserWarning, match=f"runs on the reference loop: .*{BY_REFERENCE[name]}"):
        found = ran(*call)
    expected = ran(*call, engine="reference")
    assert all(torch.equal(found[what], value) for what, value in expected.items())
