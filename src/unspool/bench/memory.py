"""Section `memory`: what a training step needs beyond its inputs, outputs and gradients; and what less of it costs."""

from __future__ import annotations

import copy
import ctypes
import gc
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from unspool.bench import fresh
from unspool.bench.case import Bench, Case, Section, compare, seeded
from unspool.bench.lengths import NAMES, same_weights
from unspool.bench.step import GATES, flat_weights, gradients, leaf, operations
from unspool.cells import LSTMCell
from unspool.unfold import unfold

STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
HOW = (
    "extra MiB: the most resident memory of a fresh process in the step (VmHWM, reset before it), less what was "
    "resident before (VmRSS), outputs and gradients"
)
Run = Callable[[], dict[str, Tensor]]


def section(bench: Bench) -> Section:
    found = Section("memory", "memory: LSTM training step, plain, with checkpoint=, and torch.nn.LSTM")
    sizes = {"T": 60, "B": 8, "H": 32} if bench.quick else {"T": 1000, "B": 32, "H": 128}
    segment = math.isqrt(sizes["T"])
    row = compare(_case(sizes, segment), bench)
    found.rows.append(row)
    if not RESET.exists():
        found.notes.append("memory itself is left out: it is read from /proc, which this system lacks")
    elif row.right:
        found.notes.append(HOW)
        for name in contestants(sizes, segment):
            bench.say(f"  {name}: the memory")
            row.more[f"extra MiB, {name}"] = fresh.call(extra, name=name, sizes=sizes, segment=segment) / 2**20
    return found


def _case(sizes: Mapping[str, int], segment: int) -> Case:
    time, batch, hidden = sizes["T"], sizes["B"], sizes["H"]
    plain, less, judge = contestants(sizes, segment).items()
    return Case(
        f"T={time} B={batch} H={hidden}",
        {"T": time, "B": batch, "I": hidden, "H": hidden},
        ours=dict([plain, less]),
        peers=dict([judge]),
        truth=contestants(sizes, segment, torch.float64)[judge[0]],
        operations=operations(time * batch, GATES["lstm"], hidden, hidden),
    )


def contestants(sizes: Mapping[str, int], segment: int, dtype: torch.dtype = torch.float32) -> dict[str, Run]:
    """The steps by name, on the same numbers."""
    seeded()
    hidden = sizes["H"]
    judge = nn.LSTM(hidden, hidden, batch_first=True)
    cell = same_weights(LSTMCell(hidden, hidden), judge)
    x, cotangent = torch.randn(sizes["B"], sizes["T"], hidden), torch.randn(sizes["B"], sizes["T"], hidden)
    net = copy.deepcopy(judge).to(dtype)
    mine = {NAMES[name]: value for name, value in cell.named_parameters()}
    return {
        "unspool": _step(lambda own: unfold(cell, own)[0], mine, x, cotangent),
        f"checkpoint={segment}": _step(lambda own: unfold(cell, own, checkpoint=segment)[0], mine, x, cotangent),
        "torch.nn.LSTM": _step(lambda own: net(own)[0], flat_weights(net), x.to(dtype), cotangent.to(dtype)),
    }


def _step(run: Callable[[Any], Tensor], weights: Mapping[str, Tensor], x: Tensor, cotangent: Tensor) -> Run:
    own = leaf(x, x.dtype)
    return lambda: gradients({"y": run(own)}, {"x": own, **weights}, {"y": cotangent})


def extra(name: str, sizes: Mapping[str, int], segment: int) -> int:
    """Bytes that a step of the contestant needed at most, beyond what it was given and what it gave."""
    contestants({**sizes, "T": 2 * segment}, segment)[name]()  # code is loaded, threads are there
    step = contestants(sizes, segment)[name]
    _give_back()
    RESET.write_text("5")
    before = _resident("VmRSS")
    made = step()
    return _resident("VmHWM") - before - sum(value.nbytes for value in made.values())


def _give_back() -> None:
    """Hand what was freed back to the system, so that it is not used again unseen."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)


def _resident(name: str) -> int:
    (line,) = (text for text in STATUS.read_text().splitlines() if text.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024
