"""Threads change nothing: many at once, many in one call, after a fork, and in the caller's floating-point mode."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from forked import python
from torch import Tensor

import unspool
from unspool.cells import CELLS, RNNCell
from unspool.cells.state import map_tensors, tensors


@pytest.fixture(autouse=True)
def keep_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Work:
    """A call large enough that the engine wants several threads for it; made anew, it is the same call."""

    def __init__(self, name: str, *, batch: int, time: int, size: int, ragged: bool, dtype: torch.dtype) -> None:
        draw = torch.Generator().manual_seed(0)
        torch.manual_seed(0)
        self.cell = CELLS[name](size, size).to(dtype)
        self.lengths = [1 + (7 * row) % time for row in range(batch)] if ragged else None
        self.x = torch.randn(batch, time, size, generator=draw, dtype=dtype)
        zero = self.cell.initial_state(batch, dtype=dtype)
        self.state = map_tensors(lambda v: torch.randn(v.shape, generator=draw, dtype=dtype), zero)

    def done(self) -> list[Tensor]:
        """Outputs, final states, and the gradients of inputs, states and parameters."""
        x, state = self.x.clone().requires_grad_(), map_tensors(lambda v: v.clone().requires_grad_(), self.state)
        y, last = unspool.unfold(self.cell, x, state, lengths=self.lengths, engine="cpu")
        made = [y, *tensors(last)]
        leaves = [x, *tensors(state), *self.cell.parameters()]
        return [*made, *torch.autograd.grad(made, leaves, [v.detach().cos() for v in made])]


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.timeout(120)
def test_any_number_of_threads_gives_the_same_bits(name: str, ragged: bool, dtype: torch.dtype) -> None:
    """Few rows and many; gradients of parameters, which sum over rows, too."""
    for batch, time, size in ((3, 40, 65), (70, 12, 33)):
        work = Work(name, batch=batch, time=time, size=size, ragged=ragged, dtype=dtype)
        torch.set_num_threads(1)
        expected = work.done()
        for threads in (2, 3, 5):
            torch.set_num_threads(threads)
            assert all(same(work.done(), expected) for _ in range(2)), f"{threads} threads, {batch} rows"


@pytest.mark.parametrize("name", ["lstm", "layernorm-gru"])
@pytest.mark.timeout(120)
def test_a_hundred_runs_give_the_same_bits(name: str) -> None:
    work = Work(name, batch=24, time=9, size=40, ragged=True, dtype=torch.float32)
    torch.set_num_threads(3)
    expected = work.done()
    assert all(same(work.done(), expected) for _ in range(100))


@pytest.mark.parametrize("inner", [1, 2])
@pytest.mark.timeout(180)
def test_many_python_threads_call_at_once(inner: int) -> None:
    """Each of them with one thread for a call, and with two."""
    work = Work("lstm", batch=24, time=6, size=32, ragged=True, dtype=torch.float32)
    expected = work.done()
    wrong: list[Any] = []

    def call() -> None:
        torch.set_num_threads(inner)  # counts for the thread that says it
        try:
            wrong.extend(run for run in range(100) if not same(work.done(), expected))
        except Exception as error:  # a thread has nobody to raise it to
            wrong.append(error)

    callers = [threading.Thread(target=call, daemon=True) for _ in range(16)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(150)
    assert not wrong and not any(caller.is_alive() for caller in callers)


FORKS = """
import os, sys, torch, unspool
torch.manual_seed(0)
torch.set_num_threads(3)
cell, x = unspool.cells.GRUCell(32, 32), torch.randn(24, 20, 32)

def bits():
    own = x.clone().requires_grad_()
    y, last = unspool.unfold(cell, own, lengths=[1 + row % 20 for row in range(24)], engine="cpu")
    grads = torch.autograd.grad(y.square().sum() + last.sum(), [own, *cell.parameters()])
    return [value.detach().clone() for value in (y, last, *grads)]

expected = bits()

def child(depth):
    if depth and child_of(depth - 1):
        return 1
    return 0 if all(all(map(torch.equal, bits(), expected)) for _ in range(20)) else 1

def child_of(depth):
    if (pid := os.fork()) == 0:
        status = 2
        try:
            status = child(depth)
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

wrong = child_of(1)
assert all(map(torch.equal, bits(), expected)), "the parent"
sys.exit(wrong)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.timeout(150)
def test_a_forked_child_and_its_child_compute_the_same() -> None:
    """The threads of the parent are not there any more, and none is waited for; the parent still has its own."""
    done = python(FORKS, timeout=120)
    assert done.returncode == 0, done.stderr.decode()


TRACES = """
import os, signal, sys, threading, torch, unspool

class Scaled(unspool.Cell):
    def __init__(self, by):
        super().__init__(8, 8)
        self.by, self.inner = by, torch.nn.Linear(8, 8)
    def forward(self, x, h):
        h = torch.tanh(self.inner(h) + self.by * x)
        return h, h

def another(by):
    unspool.unfold(Scaled(by), torch.randn(2, 3, 8), engine="cpu")

another(0.5)
ended, number = False, 0
def trace():
    global number
    while not ended:
        number += 1
        another(float(number))

thread = threading.Thread(target=trace)
thread.start()
wrong = 0
for index in range(5):
    if (pid := os.fork()) == 0:
        signal.alarm(20)
        torch.set_num_threads(1)  # PyTorch's own products wait for the parent's threads otherwise
        another(-1.0 - index)
        os._exit(0)
    wrong += os.waitpid(pid, 0)[1] != 0
ended = True
thread.join()
sys.exit(wrong)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.timeout(150)
def test_a_child_forked_while_another_thread_traces_can_trace() -> None:
    """The lock that a trace holds is free in the child, which lacks the thread that held it."""
    done = python(TRACES, timeout=140)
    assert done.returncode == 0, done.stderr.decode()


def test_the_floating_point_mode_of_the_caller_holds_in_all_threads_and_stays() -> None:
    """Numbers below the least normal one: rows of every thread show whether it flushes them to zero."""
    cell = RNNCell(48, 48).requires_grad_(False)
    for parameter in cell.parameters():
        parameter.fill_(0)
    cell.x.weight.copy_(torch.eye(48))
    tiny = torch.full((60, 8, 48), 1e-39)

    def seen(threads: int) -> set[bool]:
        torch.set_num_threads(threads)
        y = unspool.unfold(cell, tiny, engine="cpu")[0]
        return set((y.view(torch.int32) != 0).flatten().tolist())

    for threads in (1, 2, 3, 5):
        assert seen(threads) == {True}
        try:
            torch.set_flush_denormal(True)
            assert seen(threads) == {False}
        finally:
            torch.set_flush_denormal(False)
        assert seen(threads) == {True}
