"""`jax.lax.scan` over a cell of one's own. Imported only where jax is installed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from unspool.bench import jax_cells, jax_further
from unspool.cells.state import Tree, tensors

# By name, so that a check of types does not need jax.
jax: Any = importlib.import_module("jax")
jnp: Any = importlib.import_module("jax.numpy")


def _with_output(cell: Callable[..., Any]) -> Callable[..., tuple[Any, list[Any]]]:
    """A cell whose output is the first part of its state."""

    def step(*given: Any) -> tuple[Any, list[Any]]:
        made = cell(*given)
        state = list(made) if isinstance(made, tuple) else [made]
        return state[0], state

    return step


STEPS = {name: _with_output(cell) for name, cell in jax_cells.CELLS.items()} | jax_further.CELLS
"""Weights, x, state and context → output and the list of new states."""


def scan_step(
    name: str, cell: torch.nn.Module, x: Tensor, state: Tree, context: Tree, cotangents: Mapping[str, Tensor]
) -> Callable[[], dict[str, Tensor]]:
    """A compiled training step with the results of `custom.training_step`, under the same names."""
    step_of = STEPS[name]
    weights = {key: _array(value) for key, value in cell.named_parameters()}
    buffers = {key: _array(value) for key, value in cell.named_buffers()}
    begin = [_array(value) for value in tensors(state)]
    seen = {key: _array(value) for key, value in (context or {}).items()}
    learned = {key: value for key, value in seen.items() if value.dtype != jnp.bool_}
    fixed = {key: value for key, value in seen.items() if key not in learned}
    weighed = {key: _array(value) for key, value in cotangents.items()}

    def loop(x: Any, begin: Any, learned: Any, weights: Any) -> Any:
        def step(carry: Any, now: Any) -> Any:
            y, made = step_of(weights | buffers, now, carry if len(carry) > 1 else carry[0], learned | fixed)
            return made, y

        last, y = jax.lax.scan(step, begin, x.swapaxes(0, 1))
        return {"y": y.swapaxes(0, 1), **{f"final {i}": value for i, value in enumerate(last)}}

    @jax.jit
    def train(x: Any, begin: Any, learned: Any, weights: Any) -> Any:
        outputs, pull = jax.vjp(loop, x, begin, learned, weights)
        return outputs, pull(weighed)

    given = _array(x)

    def run() -> dict[str, Tensor]:
        outputs, (dx, dstate, dcontext, dweights) = jax.block_until_ready(train(given, begin, learned, weights))
        found = {"d x": dx, **{f"d state {i}": value for i, value in enumerate(dstate)}}
        found |= {f"d context {key}": value for key, value in dcontext.items()}
        found |= {f"d {key}": value for key, value in dweights.items()}
        return {key: torch.from_dlpack(value) for key, value in {**outputs, **found}.items()}

    return run


def _array(value: Tensor) -> Any:
    return jnp.asarray(value.detach().numpy())
