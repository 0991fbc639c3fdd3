"""A training step of every published cell, as a program on the CPU engine and as the plain loop over time.

    OMP_NUM_THREADS=1 python benchmarks/cells.py [NAME…] [--time 50 --batch 32 --hidden 128 --runs 3]

A cell is timed once its outputs, final states and gradients are the same both ways. Prints a Markdown table; times are
the least of a few runs, taken in turn.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import unspool
from unspool.cells.state import Tree, tensors
from unspool.errors import ConfigError

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "cells"))
from published import PUBLISHED, example

INPUT_SIZE = 126
"""About H, and a multiple of 3."""


def training_step(cell: Any, x: Tensor, state: Tree, context: Tree, engine: str) -> Callable[[], list[Tensor]]:
    """One forward and backward pass: outputs, final states, and the gradients of everything that has one."""
    widths = [(*x.shape[:2], cell.output_size), *(v.shape for v in tensors(state))]
    cotangents = [torch.randn(shape, generator=torch.Generator().manual_seed(0)) for shape in widths]
    leaves = [v for v in (x, *tensors(state), *tensors(context), *cell.parameters()) if v.requires_grad]

    def step() -> list[Tensor]:
        y, final = unspool.unfold(cell, x, state, context=context, engine=engine)
        made = [y, *tensors(final)]
        gradients = torch.autograd.grad(made, leaves, cotangents, materialize_grads=True)
        return [*(v.detach() for v in made), *gradients]

    return step


def difference(found: list[Tensor], expected: list[Tensor]) -> float:
    """The largest error of any tensor, as a share of its own size."""
    return max(float((a - b).norm() / (b.norm() + 1e-6)) for a, b in zip(found, expected, strict=True))


def seconds(step: Callable[[], object]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def measure(name: str, chosen: argparse.Namespace) -> str:
    """A line of the table."""
    torch.manual_seed(0)
    call = example(name, chosen.batch, chosen.time, INPUT_SIZE, chosen.hidden, dtype=torch.float32)
    engine, loop = training_step(*call, "cpu"), training_step(*call, "reference")
    try:
        error = difference(engine(), loop())
    except ConfigError as refused:
        print(f"{name}: {refused}", file=sys.stderr)
        return f"| {name} | | {1e3 * seconds(loop):.1f} | by reference |"
    if not error < 1e-3:
        print(f"{name}: the engine differs from the reference by {error:.1e}", file=sys.stderr)
        return f"| {name} | | | differs by {error:.1e} |"
    pairs = [(seconds(engine), seconds(loop)) for _ in range(chosen.runs)]
    fast, slow = (1e3 * min(times) for times in zip(*pairs, strict=True))
    print(f"{name}: {slow / fast:.1f} (differs by {error:.0e})", file=sys.stderr)
    return f"| {name} | {fast:.1f} | {slow:.1f} | {slow / fast:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=list(PUBLISHED), metavar="NAME", help="default: all")
    parser.add_argument("--time", type=int, default=50)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--hidden", type=int, default=128)
    parser.add_argument("--runs", type=int, default=3)
    chosen = parser.parse_args()
    unknown = [name for name in chosen.names if name not in PUBLISHED]
    if unknown:
        parser.error(f"no such cells: {', '.join(unknown)}; choose from {', '.join(PUBLISHED)}")
    print(f"T={chosen.time}, B={chosen.batch}, H={chosen.hidden}, float32, {torch.get_num_threads()} thread(s)\n")
    print("| cell | engine, ms | loop, ms | ratio |\n|---|---:|---:|---:|")
    for name in chosen.names:
        print(measure(name, chosen), flush=True)


if __name__ == "__main__":
    main()
