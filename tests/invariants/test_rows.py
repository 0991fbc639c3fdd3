"""On the CPU engine a row is alone to the last bit, whatever stands beside it and however its sequence is cut."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

import unspool
from unspool.cells import CELLS, GRUCell
from unspool.cells.state import Tree, map_tensors, tensors
from unspool.layers.decoder_cell import Conditioning, DecoderCell

MOST, TIME = 64, 7
RAGGED = [(5 * row) % (TIME + 1) for row in range(MOST)]


class Run:
    """A cell, inputs and states of 64 rows, and fixed cotangents of all that comes out."""

    def __init__(self, name: str, size: int, dtype: torch.dtype, lengths: list[int] | None) -> None:
        torch.manual_seed(0)
        self.cell = CELLS[name](size, size).to(dtype)
        self.lengths = lengths
        zero = self.cell.initial_state(MOST, dtype=dtype)
        self.x, self.dy = (torch.randn(MOST, TIME, size, dtype=dtype) for _ in range(2))
        self.state, self.dstate = (map_tensors(torch.randn_like, zero) for _ in range(2))

    def rows(self, rows: Sequence[int], cuts: Sequence[int] = (), reverse: bool = False) -> list[Tensor]:
        """Outputs, final states, gradients of inputs and of first states, of these rows; the sequence cut at `cuts`."""
        x, dy = (value[list(rows)].requires_grad_() for value in (self.x, self.dy))
        first, dlast = (map_tensors(lambda v: v[list(rows)].requires_grad_(), v) for v in (self.state, self.dstate))
        outputs, state = [], first
        for start, stop in zip((0, *cuts), (*cuts, TIME), strict=True):
            lengths = None
            if self.lengths is not None:
                lengths = [min(max(self.lengths[row] - start, 0), stop - start) for row in rows]
            y, state = unspool.unfold(
                self.cell, x[:, start:stop], state, lengths=lengths, reverse=reverse, engine="cpu"
            )
            outputs.append(y)
        made = [torch.cat(outputs, 1), *tensors(state)]
        return [*made, *torch.autograd.grad(made, [x, *tensors(first)], [dy, *tensors(dlast)])]


def same(found: list[Tensor], expected: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["full", "ragged"])
@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reverse"])
@pytest.mark.parametrize(("size", "dtype"), [(33, torch.float32), (6, torch.float64)], ids=["33-f32", "6-f64"])
def test_in_any_batch(name: str, lengths: list[int] | None, reverse: bool, size: int, dtype: torch.dtype) -> None:
    run = Run(name, size, dtype, lengths)
    whole = run.rows(range(MOST), reverse=reverse)
    shuffled = torch.randperm(MOST).tolist()
    for batch in (1, 2, 3, 8, 16, 33, 64):
        rows = shuffled[:batch]
        assert same(run.rows(rows, reverse=reverse), [value[rows] for value in whole])
    assert all(same(run.rows([row], reverse=reverse), [value[[row]] for value in whole]) for row in range(8))


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("lengths", [None, RAGGED], ids=["full", "ragged"])
@pytest.mark.parametrize("batch", [1, 3, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_in_any_chunks(name: str, lengths: list[int] | None, batch: int, dtype: torch.dtype) -> None:
    """Step by step is one of the ways to cut."""
    run = Run(name, 33, dtype, lengths)
    whole = run.rows(range(batch))
    for cuts in ([1], [6], [1, 5], [2, 3, 5], range(1, TIME)):
        assert same(run.rows(range(batch), cuts), whole)


@pytest.mark.parametrize("name", CELLS)
def test_in_any_batch_and_chunks_where_sums_are_long(name: str) -> None:
    """Sums over more than one block of 256, and more rows and panels than one tile holds."""
    run = Run(name, 300, torch.float32, RAGGED)
    whole = run.rows(range(MOST))
    for batch in (1, 5, 13, 33):
        rows = list(range(0, MOST, MOST // batch))[:batch]
        assert same(run.rows(rows, [2, 3]), [value[rows] for value in whole])


@pytest.mark.parametrize("place", ["before", "after"])
def test_what_a_row_attends_to_is_its_own(place: str) -> None:
    """Gradients of a memory too."""
    torch.manual_seed(1)
    attention = Conditioning("attention", score="additive", place=place)
    cell = DecoderCell(GRUCell, 3, 32, layers=1, conditioning=attention, vector_size=5, memory_size=4, features_size=6)
    x, memory, keys, dropped = (torch.randn(40, *shape) for shape in ((6, 3), (5, 4), (5, 32), (32,)))
    mask, lengths = torch.rand(40, 5) > 0.3, [1 + (5 * row) % 6 for row in range(40)]
    mask[:, 0] = True

    def run(rows: list[int]) -> list[Tensor]:
        own = [value[rows].requires_grad_() for value in (x, memory, keys)]
        context: dict[str, Any] = {
            "memory": own[1], "keys": own[2], "mask": mask[rows], "between": None, "recurrent": (dropped[rows],),
            "vector": None,
        }  # fmt: skip
        state: Tree = cell.initial_state(len(rows))
        y, last = unspool.unfold(cell, own[0], state, context=context, lengths=[lengths[b] for b in rows], engine="cpu")
        made = [y, *(value for value in tensors(last) if value.requires_grad)]
        return [*made, *torch.autograd.grad(made, own, [value.detach().cos() for value in made])]

    whole = run(list(range(40)))
    for rows in ([0], [39, 7], list(range(3, 40, 2))):
        assert same(run(rows), [value[rows] for value in whole])
