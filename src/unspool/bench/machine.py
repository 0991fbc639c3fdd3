"""The machine that measures, and what it could do at most."""

from __future__ import annotations

import os
import platform
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch

from unspool.bench.timing import clocked
from unspool.engine import cpu


@dataclass(frozen=True)
class Machine:
    """What a reader needs to know; no name of a host, no path.

    Peaks are of float32 multiply-adds, GFLOP/s. `product` is what PyTorch's product of two 1024 × 1024 matrices reaches
    on all threads: as much as a layer made of products can hope for.
    """

    cpu: str
    cores: int
    threads: int
    isa: str
    peak_of_one_thread: float
    peak_of_all_threads: float
    product: float
    load: float | None
    python: str
    torch: str
    unspool: str


def machine(seconds: float) -> Machine:
    """Describe this machine; `seconds` of multiply-adds for each peak."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    threads = torch.get_num_threads()
    one = cpu.fma_peak(seconds)
    return Machine(
        cpu=_model(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        threads=threads,
        isa=cpu.isa(),
        peak_of_one_thread=one / 1e9,
        peak_of_all_threads=(one if threads == 1 else peak(threads, seconds)) / 1e9,
        product=large_product(seconds) / 1e9,
        load=load,
        python=platform.python_version(),
        torch=torch.__version__,
        unspool=metadata.version("unspool"),
    )


def peak(threads: int, seconds: float) -> float:
    """Float32 operations a second of so many threads at once."""
    with ThreadPoolExecutor(threads) as pool:
        return sum(pool.map(cpu.fma_peak, [seconds] * threads))


def large_product(seconds: float, size: int = 1024) -> float:
    """Float32 operations a second of PyTorch's product of two matrices, the best of what fits into `seconds`."""
    one, other = torch.randn(size, size), torch.randn(size, size)
    best, end = float("inf"), time.perf_counter() + seconds
    while time.perf_counter() < end or best == float("inf"):
        best = min(best, clocked(lambda: one @ other)[0])
    return 2 * size**3 / best


def _model() -> str:
    path = Path("/proc/cpuinfo")
    found = re.search(r"^model name\s*:\s*(.+)$", path.read_text(), re.MULTILINE) if path.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
