"""Sections `custom` and `further`: cells of one's own beside the Python loop, what compiles it, and `jax.lax.scan`."""

from __future__ import annotations

import copy
import importlib.util
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from unspool.bench import fresh
from unspool.bench.case import Bench, Case, Section, compare, seeded
from unspool.bench.further_cells import FURTHER
from unspool.bench.own_cells import OWN, SOURCE, context_of
from unspool.bench.step import gradients, grid, leaf
from unspool.bench.timing import clocked
from unspool.cells.state import Tree, map_tensors, tensors
from unspool.engine import cpu
from unspool.graph.compile import forget
from unspool.unfold import unfold

Loop = Callable[[Any, Tensor, Tree, Tree], tuple[Tensor, Tree]]
"""cell, x, state, context → outputs, final state."""

SIZES = [{"T": time, "B": batch, "I": hidden, "H": hidden, "S": SOURCE} for time, batch, hidden in grid(False)]
"""The first of them is the one of `--quick`, and the one whose first gradients are timed."""


TITLES = {
    "custom": "custom: training step of a cell of one's own beside the Python loop over it",
    "further": "further: the same of cells whose author had not seen the compiler",
}
CELLS = {"custom": OWN, "further": FURTHER}
ALL = OWN | FURTHER


def section(kind: str) -> Callable[[Bench], Section]:
    """The section `kind`, a name of `CELLS`."""

    def measured(bench: Bench) -> Section:
        found = Section(kind, TITLES[kind])
        if importlib.util.find_spec("jax") is None:
            found.notes.append("jax is not installed, so jax.lax.scan is left out: pip install 'unspool[bench-jax]'")
        for name in CELLS[kind]:
            for sizes in SIZES[:1] if bench.quick else SIZES:
                firsts: dict[str, float] = {}
                row = compare(_case(name, sizes, bench, firsts), bench)
                if row.right and sizes is SIZES[0]:
                    row.more |= {**first_gradients(name, sizes), **firsts}
                found.rows.append(row)
        return found

    return measured


def _positive(state: Tree) -> Tree:
    """A state of sLSTM: a normaliser is positive."""
    return (*state[:2], state[2].abs() + 1, state[3])


def _rates(state: Tree) -> Tree:
    """A state of plastic rates: a rate is not negative, and shares are shares."""
    return (state[0].abs(), state[1].sigmoid(), state[2].sigmoid())


MADE_VALID: dict[str, Callable[[Tree], Tree]] = {"sLSTM": _positive, "plastic rates": _rates}
"""Cells that do not go on from just any numbers."""


def _case(name: str, sizes: Mapping[str, int], bench: Bench, peers_first: dict[str, float]) -> Case:
    """The contestants; how long the first run of those that compile took goes into `peers_first`."""
    seeded()
    own, batch, hidden = ALL[name], sizes["B"], sizes["H"]
    cell = own.make(sizes["I"], hidden)
    x, state = torch.randn(batch, sizes["T"], sizes["I"]), map_tensors(torch.randn_like, cell.initial_state(batch))
    state = MADE_VALID.get(name, lambda state: state)(state)
    context = context_of(own, batch, hidden, sizes["S"])
    cotangents = {"y": torch.randn(batch, sizes["T"], hidden)}
    cotangents |= {f"final {i}": torch.randn_like(value) for i, value in enumerate(tensors(state))}
    given = (x, state, context, cotangents)
    peers = {"Python loop": training_step(by_reference, cell, *given)}
    if bench.compile:
        bench.say(f"  {name}: torch.compile (minutes)")
        peers["torch.compile"] = training_step(torch.compile(plain_loop), cell, *given)
    if importlib.util.find_spec("jax") is not None:
        from unspool.bench.jax_scan import scan_step

        peers["jax.lax.scan"] = scan_step(name, cell, *given)
    for peer in [*peers][1:]:
        peers_first[f"first run of {peer} (s)"] = clocked(peers[peer])[0]
    return Case(
        f"{name}, T={sizes['T']} B={batch} H={hidden}",
        sizes,
        ours={"unspool": training_step(by_engine, cell, *given)},
        peers=peers,
        truth=training_step(by_reference, copy.deepcopy(cell).double(), *given),
        operations=3 * 2 * sizes["T"] * batch * own.products(sizes["I"], hidden, sizes["S"]),
    )


def by_engine(cell: Any, x: Tensor, state: Tree, context: Tree) -> tuple[Tensor, Tree]:
    return unfold(cell, x, state, context=context, engine="cpu")


def by_reference(cell: Any, x: Tensor, state: Tree, context: Tree) -> tuple[Tensor, Tree]:
    return unfold(cell, x, state, context=context, engine="reference")


def plain_loop(cell: Any, x: Tensor, state: Tree, context: Tree) -> tuple[Tensor, Tree]:
    """The loop as a user writes it, for a compiler to take in whole."""
    outputs = []
    for now in x.unbind(1):
        y, state = cell(now, state) if context is None else cell(now, state, context)
        outputs.append(y)
    return torch.stack(outputs, 1), state


def training_step(
    loop: Loop, cell: torch.nn.Module, x: Tensor, state: Tree, context: Tree, cotangents: Mapping[str, Tensor]
) -> Callable[[], dict[str, Tensor]]:
    """Outputs, final state and all gradients, in the type of the cell's parameters."""
    dtype = next(cell.parameters()).dtype
    own, begin = leaf(x, dtype), map_tensors(lambda value: leaf(value, dtype), state)
    seen = map_tensors(lambda value: leaf(value, dtype) if value.is_floating_point() else value, context)
    leaves = {"x": own, **{f"state {i}": value for i, value in enumerate(tensors(begin))}}
    leaves |= {f"context {key}": value for key, value in (seen or {}).items() if value.requires_grad}
    leaves |= dict(cell.named_parameters())
    weights = {name: value.to(dtype) for name, value in cotangents.items()}

    def step() -> dict[str, Tensor]:
        y, final = loop(cell, own, begin, seen)
        return gradients({"y": y, **{f"final {i}": v for i, v in enumerate(tensors(final))}}, leaves, weights)

    return step


def first_gradients(name: str, sizes: Mapping[str, int]) -> dict[str, float]:
    """Seconds until a gradient is there: the first of a process, of a further structure, of one that is known."""
    forget()
    cpu.programs.cache_clear()
    return {
        "first gradient of a process (s)": fresh.call(first_gradient, name=name, sizes=dict(sizes)),
        "of a further structure (s)": first_gradient(name, sizes),
        "of a known structure (s)": first_gradient(name, sizes),
    }


def first_gradient(name: str, sizes: Mapping[str, int]) -> float:
    """Seconds of the first training step of a new cell."""
    own = ALL[name]
    cell = own.make(sizes["I"], sizes["H"])
    x = torch.randn(sizes["B"], sizes["T"], sizes["I"])
    context = context_of(own, sizes["B"], sizes["H"], sizes["S"])
    state = cell.initial_state(sizes["B"])
    return clocked(training_step(by_engine, cell, x, state, context, {"y": torch.ones(*x.shape[:2], sizes["H"])}))[0]
