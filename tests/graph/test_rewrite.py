"""What the compiler makes of a step: less work, the same numbers (those are compared in `tests/cells`)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import unspool
from unspool.bench.own_cells import OWN, context_of
from unspool.graph.compile import compiled


def texts(cell: Any, inputs: int, context: Any = None) -> dict[str, str]:
    """The programs of a training step, by pass."""
    x = torch.randn(3, 1, inputs, requires_grad=True)
    found, _ = compiled(cell, x, cell.initial_state(3), context)
    told = json.loads(found.program)
    return {name: told[name]["text"] for name in ("forward", "backward")}


def lines(text: str, word: str, phase: str | None = None) -> list[str]:
    """The lines of a program that begin with `word`, in one phase or in all."""
    now, found = "", []
    for line in text.splitlines():
        now = line.split()[1] if line.startswith("phase ") else now
        if line.startswith(word + " ") and phase in (None, now):
            found.append(line)
    return found


class Of(unspool.Cell):
    """h' = step(self, x, h), with layers."""

    def __init__(self, step: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__(4, 4)
        self.step = step
        for name, layer in layers.items():
            setattr(self, name, layer)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = self.step(self, x, h)
        return h, h


def test_a_product_with_a_vector_takes_no_tile() -> None:
    wide = Of(lambda c, x, h: torch.tanh(c.up(c.down(h)) + x), down=nn.Linear(4, 1), up=nn.Linear(1, 4, bias=False))
    made = texts(wide, 4)
    assert not lines(made["forward"], "gemm")
    assert len(lines(made["forward"], "matmul", "loop")) == 1
    x, h = torch.randn(5, 7, 4, dtype=torch.float64, requires_grad=True), torch.randn(5, 4, dtype=torch.float64)
    ends = [unspool.unfold(wide.double(), x, h, engine=engine)[0].square().sum() for engine in ("cpu", "reference")]
    found = [torch.autograd.grad(end, [x, *wide.parameters()]) for end in ends]
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_attention_keeps_nothing_as_wide_as_its_memory() -> None:
    own = OWN["attending GRU"]
    cell, context = own.make(8, 8), context_of(own, 3, 8, 20)
    context["keys"].requires_grad_()
    made = texts(cell, 8, context)
    widths = [int(line.split()[2]) for line in lines(made["forward"], "saved")]
    assert widths
    assert max(widths) < 20 * 8
    assert all(int(line.split()[1]) < 20 * 8 for line in lines(made["backward"], "chunk"))


def test_gates_are_put_together_in_the_loop() -> None:
    backward = texts(unspool.cells.GRUCell(4, 4), 4)["backward"]
    assert not lines(backward, "strip", "after")


def test_a_layer_norm_of_the_input_is_differentiated_after_the_loop() -> None:
    backward = texts(unspool.cells.LayerNormGRUCell(4, 4), 4)["backward"]
    assert len(lines(backward, "reduce", "loop")) == len(lines(backward, "reduce", "after")) == 2
    # The gradients of both normalised values, those times what was normalised, and those of both products.
    assert sum(int(line.split()[1]) for line in lines(backward, "chunk")) == 6 * 3 * 4


def test_a_sum_that_the_step_needs_too_is_made_once() -> None:
    """The gradient of a bias before a broadcast is that of its sum, where the sum is there."""

    def attend(cell: Any, x: Tensor, h: Tensor) -> Tensor:
        spread = torch.tanh(cell.query(h).unsqueeze(1) + cell.keys)
        return torch.tanh(x + F.softmax(spread.sum(-1), 1) @ cell.keys)

    cell = Of(attend, query=nn.Linear(4, 4))
    cell.keys = nn.Parameter(torch.randn(6, 4))
    subrows = [line.split()[4] for line in lines(texts(cell, 4)["backward"], "bgrad")]
    assert set(subrows) == {"1"}
