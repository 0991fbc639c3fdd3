"""Memory for what a forward pass keeps: given back, used again, and nobody's but its holder's."""

from __future__ import annotations

import gc
import threading

import pytest
import torch

import unspool
import unspool._engine as _engine  # pyright: ignore[reportMissingModuleSource]

COUNT = 300_000


def room(count: int = COUNT, single: bool = True) -> torch.Tensor:
    return torch.from_dlpack(_engine.room(count, single))


def test_it_is_a_tensor_like_any_other() -> None:
    for single, dtype in ((True, torch.float32), (False, torch.float64)):
        made = room(7, single)
        assert (made.shape, made.dtype, made.device.type) == ((7,), dtype, "cpu")
        made.fill_(1.5)
        assert made.sum() == 10.5
        assert made.data_ptr() % 64 == 0


def test_a_capsule_that_nobody_takes_gives_its_memory_back() -> None:
    first = room().data_ptr()
    unused = _engine.room(COUNT, True)
    del unused
    gc.collect()
    assert room().data_ptr() == first


def test_what_is_held_is_never_given_out_twice() -> None:
    held = [room().fill_(index) for index in range(8)]
    view = held[3][10:20]
    del held[2], held[2]  # the room of `view` lives as long as the view
    others = [room().fill_(-1) for _ in range(8)]
    assert view.eq(3).all()
    assert len({value.data_ptr() for value in [*held, *others]}) == len(held) + len(others)


def test_from_many_threads() -> None:
    wrong: list[int] = []

    def work(index: int) -> None:
        for turn in range(200):
            mine = room(1000 + 37 * (turn % 11)).fill_(index)
            if not mine.eq(index).all():
                wrong.append(index)

    threads = [threading.Thread(target=work, args=(index,)) for index in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_graph_that_is_kept_keeps_its_values() -> None:
    """Another call in between must not take the memory of a graph that will run backward twice."""
    torch.manual_seed(0)
    cell, x = unspool.cells.LSTMCell(8, 8), torch.randn(4, 9, 8, requires_grad=True)
    y = unspool.unfold(cell, x, engine="cpu")[0].sum()
    (first,) = torch.autograd.grad(y, x, retain_graph=True)
    for _ in range(3):
        unspool.unfold(cell, torch.randn(4, 9, 8), engine="cpu")[0].sum().backward()
    (second,) = torch.autograd.grad(y, x)
    assert torch.equal(first, second)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(y, x)
