"""The engine as PyTorch operators: opcheck, `torch.compile` without a break, `torch.export` with any batch and time."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from forked import python
from torch import Tensor, nn

import unspool
from unspool.cells.state import tensors
from unspool.engine import operators
from unspool.graph.compile import compiled


class Tagger(nn.Module):
    """Two layers and a read-out."""

    def __init__(self, cell: Any) -> None:
        super().__init__()
        self.net = unspool.Recurrent(cell, 5, 7, layers=2)
        self.out = nn.Linear(7, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.net(x)[0])


class Scaled(unspool.Cell):
    """A weight that is made of parameters, anew in every call."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.x = nn.utils.parametrizations.weight_norm(nn.Linear(input_size, hidden_size))
        self.h = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.x(x) + self.h(h))
        return h, h


def with_gradients(module: nn.Module, run: Callable[..., Any], x: Tensor, **options: Any) -> list[Tensor]:
    module.zero_grad()
    x = x.clone().requires_grad_()
    y, state = run(x, **options)
    (y.sin().sum() + sum(value.cos().sum() for value in tensors(state))).backward()
    assert x.grad is not None
    return [y.detach(), x.grad, *(p.grad for p in module.parameters() if p.grad is not None)]


@pytest.mark.parametrize("checkpoint", [0, 2])
@pytest.mark.parametrize("cell", [unspool.cells.GRUCell, unspool.cells.LSTMCell, unspool.cells.LayerNormGRUCell])
def test_opcheck(cell: Any, checkpoint: int) -> None:
    step = cell(3, 4)
    x = torch.randn(2, 5, 3, requires_grad=True)
    states = [torch.randn(2, 4, requires_grad=True) for _ in range(2 if cell is unspool.cells.LSTMCell else 1)]
    found, captured = compiled(step, x, tuple(states) if len(states) > 1 else states[0], None)
    assert found.once is None and found.tail is not None
    operators.tails[found.program] = (found.learned, found.tail)
    for lengths in (None, torch.tensor([5, 2])):
        args = (x, states, [], captured, lengths, found.program, False, 0, checkpoint, True)
        results = torch.library.opcheck(torch.ops.unspool.unfold.default, args)
        assert set(results.values()) == {"SUCCESS"}


@pytest.mark.parametrize("cell", [unspool.cells.LSTMCell, Scaled])
def test_compile_of_recurrent_layers(cell: Any) -> None:
    net = unspool.Recurrent(cell, 5, 7, layers=2, bidirectional=True)
    run = torch.compile(net, fullgraph=True, dynamic=True, backend="aot_eager")
    for rows, steps in ((3, 6), (4, 9)):
        x = torch.randn(rows, steps, 5)
        for lengths in (None, torch.randint(0, steps + 1, (rows,))):
            got = with_gradients(net, run, x, lengths=lengths)
            expected = with_gradients(net, net, x, lengths=lengths)
            torch.testing.assert_close(got, expected)


@pytest.mark.parametrize("make", [unspool.LSTM, unspool.GRU, unspool.RNN])
@torch._dynamo.config.patch(allow_rnn=True)  # torch.compile refuses every torch.nn.RNNBase otherwise
def test_compile_of_drop_ins(make: Any) -> None:
    net = make(5, 7, 2, batch_first=True, bidirectional=True)
    run = torch.compile(net, fullgraph=True, dynamic=True, backend="aot_eager")
    for rows, steps in ((3, 6), (4, 9)):
        x = torch.randn(rows, steps, 5)
        torch.testing.assert_close(with_gradients(net, run, x), with_gradients(net, net, x))


def test_compile_of_recurrent_dropout_draws_one_mask_a_sequence() -> None:
    net = unspool.Recurrent(unspool.cells.GRUCell, 5, 7, recurrent_dropout=0.5)
    run = torch.compile(net, fullgraph=True, backend="aot_eager")
    x = torch.randn(3, 6, 5)
    torch.manual_seed(0)
    got = with_gradients(net, run, x)
    torch.manual_seed(0)
    torch.testing.assert_close(got, with_gradients(net, net, x))


def test_compile_of_a_step_that_is_no_program_unrolls_it() -> None:
    class Sorted(unspool.Cell):
        def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
            h = torch.sort(h + x, -1).values
            return h, h

    cell = Sorted(4, 4)
    run = torch.compile(lambda x: unspool.unfold(cell, x), fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(run(x), unspool.unfold(cell, x, engine="reference"))


@pytest.mark.parametrize("strict", [False, True])
def test_export_with_any_batch_and_time(strict: bool) -> None:
    model = Tagger(unspool.cells.LSTMCell).eval()
    sizes = {0: torch.export.Dim("batch"), 1: torch.export.Dim("time")}
    program = torch.export.export(model, (torch.randn(3, 6, 5),), dynamic_shapes=(sizes,), strict=strict)
    assert sum(node.target is torch.ops.unspool.unfold.default for node in program.graph.nodes) == 2
    for rows, steps in ((1, 1), (5, 11)):
        x = torch.randn(rows, steps, 5)
        torch.testing.assert_close(program.module()(x), model(x))


def test_an_exported_program_runs_in_another_process(tmp_path: Path) -> None:
    model = Tagger(unspool.cells.GRUCell).eval()
    x = torch.randn(2, 4, 5)
    program = torch.export.export(model, (x,))
    stored = io.BytesIO()
    torch.export.save(program, stored)
    (tmp_path / "model.pt2").write_bytes(stored.getvalue())
    torch.save({"x": x, "y": model(x).detach()}, tmp_path / "example.pt")
    script = (
        "import torch, unspool; made = torch.export.load('model.pt2').module(); "
        "example = torch.load('example.pt'); torch.testing.assert_close(made(example['x']), example['y'])"
    )
    done = python(script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr.decode()


def test_a_second_derivative_of_the_operator_is_refused_not_zero() -> None:
    cell = unspool.cells.RNNCell(3, 4)
    run = torch.compile(lambda x: unspool.unfold(cell, x)[0], fullgraph=True, backend="aot_eager")
    x = torch.randn(2, 3, 3, requires_grad=True)
    (first,) = torch.autograd.grad(run(x).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError):
        torch.autograd.grad(first.sum(), x)


def test_what_compiles_is_imported_only_when_something_is_compiled() -> None:
    """`torch._dynamo` takes as long to import as torch itself."""
    told = (
        "import sys, torch, unspool; print('torch._dynamo' in sys.modules);"
        "net = torch.compile(unspool.Recurrent(unspool.cells.GRUCell, 3, 4), backend='eager', fullgraph=True);"
        "print(net(torch.zeros(2, 5, 3))[0].shape == (2, 5, 4))"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]
