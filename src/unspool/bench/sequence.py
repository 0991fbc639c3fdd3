"""Section `sequence`: sequences so long that whatever is wrong with counting or with memory shows."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from torch import Tensor, nn

from unspool.bench.case import Bench, Row, Section, seeded
from unspool.bench.check import judged
from unspool.bench.lengths import same_weights
from unspool.bench.timing import Timing, clocked
from unspool.cells import Cell, LSTMCell
from unspool.cells.state import Tree
from unspool.unfold import unfold

PROVED = 2000
"""Steps at the beginning that are held against float64; the rest follows from them by chunks."""


def section(bench: Bench) -> Section:
    found = Section("sequence", "sequence: an LSTM over one sequence, whole and in chunks, the same to the last bit")
    steps = 5000 if bench.quick else 1_000_000
    found.rows.append(_row(f"T={steps:,} B=1 H=8", steps, 1, 8, bench))
    steps, batch, hidden = (3000, 4, 16) if bench.quick else (131_200, 64, 64)
    need = 3 * steps * batch * hidden * 4
    if need > (available := _available()):
        lacks = f"{need / 2**30:.1f} GiB of memory, of which {available / 2**30:.1f} are available"
        found.notes.append(f"T·B·G·H above 2^31 is left out: it takes about {lacks}")
        return found
    name = f"T·B·G·H = {steps * batch * 4 * hidden / 2**31:.4f} · 2^31"
    found.rows.append(_row(name, steps, batch, hidden, bench))
    return found


def _row(name: str, steps: int, batch: int, hidden: int, bench: Bench) -> Row:
    """Forward without gradient: right at the beginning, and in chunks what it is at once."""
    bench.say(f"  {name}")
    seeded()
    inputs = 4
    judge = nn.LSTM(inputs, hidden, batch_first=True)
    cell = same_weights(LSTMCell(inputs, hidden), judge)
    x = torch.randn(batch, steps, inputs)
    with torch.no_grad():
        seconds, (y, final) = clocked(lambda: unfold(cell, x, engine="cpu"))
        head = x[:, :PROVED]
        truth = {"y": copy.deepcopy(judge).double()(head.double())[0]}
        verdict = judged({"y": y[:, :PROVED]}, {"y": judge(head)[0]}, truth)
        apart = _first_difference(cell, x, y, final, chunk=steps // 7 + 1)
    problems = [] if verdict.problem is None else [f"{name}: {verdict.problem}"]
    problems += [] if apart is None else [f"{name}: in chunks it differs {apart}"]
    sizes = {"T": steps, "B": batch, "I": inputs, "H": hidden}
    return Row(name, sizes, not problems, problems, verdict, {"unspool": Timing.of([seconds])})


def _first_difference(cell: Cell, x: Tensor, y: Tensor, final: Tree, chunk: int) -> str | None:
    """Where the sequence in chunks, its state carried, is not the whole to the last bit."""
    state = None
    for start in range(0, x.shape[1], chunk):
        part, state = unfold(cell, x[:, start : start + chunk], state, engine="cpu")
        if not torch.equal(part, y[:, start : start + chunk]):
            return f"in steps {start} … {start + part.shape[1] - 1}"
    assert state is not None
    return None if all(map(torch.equal, state, final)) else "in the final state"


def _available() -> float:
    """Bytes that may still be had; no bound where the system does not say."""
    path = Path("/proc/meminfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((float(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), float("inf"))
