"""What users write that a tracer could get wrong: each is traced right, or refused with the place and the remedy."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unspool
from unspool.cells.state import tensors
from unspool.errors import ConfigError


def run(cell: Any, engine: str, x: Tensor, state: Any = None, context: Any = None) -> list[Tensor | None]:
    """Outputs, final states, and the gradients of inputs and of all parameters."""
    x = x.clone().requires_grad_()
    y, after = unspool.unfold(cell, x, state, context=context, engine=engine)
    (y.sin().sum() + sum(value.cos().sum() for value in tensors(after))).backward()
    parameters = list(cell.parameters()) if isinstance(cell, nn.Module) else []
    found = [y.detach(), *(value.detach() for value in tensors(after)), x.grad, *(p.grad for p in parameters)]
    for p in parameters:
        p.grad = None
    return found


def agrees(cell: Any, x: Tensor | None = None, **given: Any) -> None:
    x = torch.randn(3, 5, 4, dtype=torch.float64) if x is None else x
    torch.testing.assert_close(run(cell, "cpu", x, **given), run(cell, "reference", x, **given))


def cell_of(step: Callable[..., Any], *layers: nn.Module, hidden: int = 4) -> unspool.Cell:
    """A cell whose forward is `step(self, x, h)`."""

    class Made(unspool.Cell):
        def __init__(self) -> None:
            super().__init__(4, hidden)
            self.layers = nn.ModuleList(layers or [nn.Linear(4, hidden)])

        def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            return step(self, x, h)

    return Made().double()


def refused(cell: Any, *words: str) -> None:
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    with pytest.raises(ConfigError) as raised:
        unspool.unfold(cell, x, engine="cpu")
    for word in words:
        assert word in str(raised.value)
    with pytest.warns(UserWarning, match="runs on the reference loop"):
        unspool.engine.choose._said.clear()
        unspool.unfold(cell, x)


def test_inputs_that_are_one_tensor_are_told_apart() -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(cell.layers[0](x) - 2 * h)
        return h, h

    x = torch.randn(3, 1, 4, dtype=torch.float64)
    agrees(cell_of(step), x, state=x[:, 0])


@pytest.mark.parametrize("rows", [1, 2, 3, 10007])
def test_a_batch_size_written_into_a_view(rows: int) -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        both = cell.layers[0](x).view(x.shape[0], 2, -1) + h.reshape(h.size(0), 2, 2)
        h = torch.tanh(both.transpose(1, 2)).reshape(x.shape[0], 4)
        return h, h

    agrees(cell_of(step), torch.randn(rows, 2, 4, dtype=torch.float64))


@pytest.mark.parametrize("kind", [nn.GRUCell, nn.RNNCell])
def test_cells_of_torch(kind: Any) -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = cell.layers[0](x, h)
        return h, h

    agrees(cell_of(step, kind(4, 4)))


def test_nodes_that_write_in_place() -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        z = cell.layers[0](x)
        z += h
        z = z.mul_(0.5).tanh_() + x
        z[:, :2] = x[:, 2:]
        return z, z

    agrees(cell_of(step))


def test_random_nodes_are_refused_with_the_remedy() -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(cell.layers[0](x) + h * torch.bernoulli(torch.full_like(h, 0.5)))
        return h, h

    refused(cell_of(step), "context", "test_traps.py")


def test_a_counter_is_refused() -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        cell.count = getattr(cell, "count", 0) + 1
        h = torch.tanh(cell.layers[0](x) + h * cell.count)
        return h, h

    refused(cell_of(step), "changes an attribute")


def test_buffers_and_tensors_of_a_closure_are_read_anew() -> None:
    factor = torch.tensor(0.5, dtype=torch.float64)

    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(cell.layers[0](x) * cell.scale + h * factor)
        return h, h

    cell = cell_of(step)
    cell.register_buffer("scale", torch.ones(4, dtype=torch.float64))
    agrees(cell)
    with torch.no_grad():
        cell.scale.mul_(3)  # pyright: ignore[reportCallIssue]
        factor.fill_(-1)
    agrees(cell)


def test_a_branch_on_numbers_is_refused_with_its_line() -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        if h.sum() > 0:
            h = -h
        h = torch.tanh(cell.layers[0](x) + h)
        return h, h

    refused(cell_of(step), "test_traps.py", "line")


@pytest.mark.parametrize(
    "mix", [lambda h: h.mean(0), lambda h: h.cumsum(0), lambda h: h.flip(0), lambda h: h - h.amax(0)]
)
def test_rows_that_see_each_other_are_refused(mix: Callable[[Tensor], Tensor]) -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(cell.layers[0](x) + mix(h))
        return h, h

    refused(cell_of(step), "row")


def test_weights_made_of_parameters() -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(cell.layers[0](x) + cell.layers[1](h))
        return h, h

    normed = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    orthogonal = nn.utils.parametrizations.orthogonal(nn.Linear(4, 4))
    agrees(cell_of(step, normed, orthogonal))


def test_parameters_that_are_replaced_frozen_or_copied() -> None:
    cell = unspool.cells.GRUCell(4, 4).double()
    agrees(cell)
    for name, value in list(cell.named_parameters()):
        owner = cell.get_submodule(name.rpartition(".")[0])
        setattr(owner, name.rpartition(".")[2], nn.Parameter(torch.randn_like(value)))
    agrees(cell)
    next(iter(cell.parameters())).requires_grad_(False)
    agrees(cell)
    agrees(copy.deepcopy(cell))
    agrees(cell.float(), torch.randn(2, 3, 4))


FACTOR = 0.5
TABLE = torch.tensor(0.5, dtype=torch.float64)


def doubled(h: Tensor) -> Tensor:
    return FACTOR * h


def test_names_of_the_module_and_of_functions_around_are_read_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    inner = 1.0

    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(cell.layers[0](x) + doubled(h) * inner + TABLE)
        return h, h

    cell = cell_of(step)
    agrees(cell)
    monkeypatch.setitem(globals(), "FACTOR", -2.0)
    agrees(cell)
    inner = 3.0
    agrees(cell)
    monkeypatch.setitem(globals(), "TABLE", torch.tensor(-1.0, dtype=torch.float64))
    agrees(cell)


def test_a_step_that_looks_at_the_grad_mode() -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(cell.layers[0](x) + cell.layers[1](h)) if torch.is_grad_enabled() else torch.sin(x + h)
        return h, h

    agrees(cell_of(step, nn.Linear(4, 4), nn.Linear(4, 4)))


@pytest.mark.parametrize(
    "step",
    [
        lambda cell, x, h: (torch.sign(cell.layers[0](x) + h),) * 2,
        lambda cell, x, h: ((cell.layers[0](x) + h > 0).to(x.dtype),) * 2,
        lambda cell, x, h: (torch.tanh(cell.layers[0](x) + h).detach(),) * 2,
        lambda cell, x, h: (torch.tanh(cell.layers[0](x) + h), torch.floor(x + h)),
        lambda cell, x, h: (torch.zeros_like(h) + x, h * 0),
    ],
    ids=["sign", "mask", "detached", "floor", "zeros"],
)
def test_derivatives_that_are_zero(step: Callable[..., Any]) -> None:
    cell = cell_of(step)
    x = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    results: list[list[Tensor | None]] = []
    for engine in ("auto", "reference"):
        y, h = unspool.unfold(cell, x, engine=engine)
        total = y.sum() + h.sum()
        found = torch.autograd.grad(total, [x, *cell.parameters()], allow_unused=True) if total.requires_grad else ()
        results.append([y.detach(), h.detach(), *(None if g is None or not g.any() else g for g in found)])
    wide = max(map(len, results))
    torch.testing.assert_close(*(result + [None] * (wide - len(result)) for result in results))


def test_a_step_that_is_looked_at_leaves_nothing_behind() -> None:
    class Busy(unspool.Cell):
        def __init__(self) -> None:
            super().__init__(4, 4)
            self.norm, self.seen = nn.BatchNorm1d(4), []
            self.register_buffer("steps", torch.zeros(()))

        def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            self.seen.append(1)
            self.steps = self.steps + 1
            h = torch.tanh(self.norm(x) + h)
            return h, h

    cell, x = Busy(), torch.randn(3, 5, 4)
    with pytest.warns(UserWarning, match="changes an attribute"):
        unspool.unfold(cell, x)
    assert len(cell.seen) == cell.steps == cell.norm.num_batches_tracked == 5
    assert type(cell.steps) is Tensor


def test_a_step_that_draws_does_so_as_often_as_the_reference() -> None:
    def step(cell: Any, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(cell.layers[0](x) + h + torch.randn_like(h))
        return h, h

    cell, x = cell_of(step), torch.randn(3, 5, 4, dtype=torch.float64)
    drawn: list[Tensor] = []
    for engine in ("auto", "reference"):
        torch.manual_seed(0)
        drawn.append(unspool.unfold(cell, x, engine=engine)[0])
    torch.testing.assert_close(*drawn)
