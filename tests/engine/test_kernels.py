"""The kernels: elementary functions against float64, the same bits in every instruction set, memory left alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from forked import python
from torch import Tensor

import unspool._engine as _engine  # pyright: ignore[reportMissingModuleSource]

FUNCTIONS: dict[str, tuple[Callable[[Tensor], Tensor], float]] = {
    "exp": (torch.exp, 1.1),
    "expm1": (torch.expm1, 1.6),
    "log": (torch.log, 0.9),
    "log1p": (torch.log1p, 1.6),
    "tanh": (torch.tanh, 2.6),
    "sigmoid": (torch.sigmoid, 2.9),
    "softplus": (lambda v: torch.where(v > 40, v, torch.log1p(torch.exp(v))), 2.1),
    "erf": (torch.erf, 1.1),
    "sin": (torch.sin, 0.6),
    "cos": (torch.cos, 0.6),
}
"""Each elementary function in float64, and how many units in the last place float32 may be off, over all arguments."""


def strip(op: str, *inputs: Tensor) -> Tensor:
    """One elementwise operation, as a program of its own."""
    count, width = len(inputs), inputs[0].numel()
    made = torch.empty_like(inputs[0])
    lines = [
        f"unspool 1 {'f32' if made.dtype == torch.float32 else 'f64'} forward",
        f"args {count + 1}",
        *(f"step {slot} {width}" for slot in range(count + 1)),
        "phase loop",
        f"strip 1 1 {width} {count} 1 1",
        *(f"in {slot} 0 0 0 1" for slot in range(count)),
        " ".join(["op", op, *map(str, range(count))]),
        f"out {count} {count} 0 0 0 1",
    ]
    slots = [(value.data_ptr(), 0, 0) for value in (*inputs, made)]
    _engine.Program("\n".join(lines)).run(
        slots, B=1, T=1, tau0=0, tau1=1, lengths=0, reverse=False, truncate=0, threads=1
    )
    return made


def off_by(found: Tensor, exact: Tensor) -> Tensor:
    """Distance in units in the last place; infinite where one is NaN or infinite and the other is not."""
    rounded = exact.float()
    unit = torch.from_numpy(np.spacing(rounded.abs().numpy())).double()
    distance = (found.double() - exact).abs() / unit
    distance = torch.where((found == rounded) & torch.isinf(rounded), 0.0, distance)
    distance = torch.where(torch.isnan(found) & torch.isnan(exact), 0.0, distance)
    return torch.nan_to_num(distance, nan=float("inf"))


def floats(step: int) -> Iterator[Tensor]:
    """Every `step`-th float32 by its bits, in parts."""
    size = (1 << 22) * step
    for start in range(-(2**31), 2**31, size):
        bits = torch.arange(start, min(start + size, 2**31), step, dtype=torch.int64)
        yield bits.to(torch.int32).view(torch.float32)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions(name: str) -> None:
    """A sample of all arguments, with the denormals, infinities and NaNs among them."""
    exact, bound = FUNCTIONS[name]
    special = torch.tensor(
        [0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-45, -1e-45, 1.0, -1.0, 3e38, -3e38]
    )
    for part in (special, *floats(4001)):
        assert off_by(strip(name, part), exact(part.double())).max() <= bound


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions_of_every_float(name: str) -> None:
    exact, bound = FUNCTIONS[name]
    for part in floats(1):
        assert off_by(strip(name, part), exact(part.double())).max() <= bound


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_exact_operations_are_exact(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    special = torch.tensor([0.0, -0.0, float("inf"), float("-inf"), float("nan"), 2.5, -2.5, 0.5], dtype=dtype)
    a = torch.cat([torch.randn(50, dtype=dtype) * 3, special.repeat_interleave(8)])
    b = torch.cat([torch.randn(50, dtype=dtype), special.repeat(8)])
    one: dict[str, Callable[[Tensor], Tensor]] = {
        "neg": torch.neg, "abs": torch.abs, "sqrt": lambda v: torch.from_numpy(np.sqrt(v.numpy())),
        "recip": torch.reciprocal, "floor": torch.floor, "ceil": torch.ceil, "round": torch.round,
        "trunc": torch.trunc, "relu": torch.relu, "isnan": torch.isnan, "logical_not": torch.logical_not,
    }  # fmt: skip
    two: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
        "add": torch.add, "sub": torch.sub, "mul": torch.mul, "div": torch.div, "max": torch.maximum,
        "min": torch.minimum, "lt": torch.lt, "le": torch.le, "gt": torch.gt, "ge": torch.ge, "eq": torch.eq,
        "ne": torch.ne, "logical_and": torch.logical_and, "logical_or": torch.logical_or,
        "logical_xor": torch.logical_xor, "remainder": torch.remainder, "fmod": torch.fmod, "atan2": torch.atan2,
    }  # fmt: skip
    for name, function in one.items():
        torch.testing.assert_close(strip(name, a), function(a).to(dtype), rtol=0, atol=0, equal_nan=True, msg=name)
    for name, function in two.items():
        near = 1e-6 if name == "atan2" else 0
        torch.testing.assert_close(
            strip(name, a, b), function(a, b).to(dtype), rtol=near, atol=0, equal_nan=True, msg=name
        )
    torch.testing.assert_close(strip("where", a, b, a), torch.where(a != 0, b, a), rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("width", [1, 7, 16, 33, 700])
def test_nothing_outside_is_touched(width: int) -> None:
    room = torch.full((width + 128,), float("nan"))
    room[64 : 64 + width] = 0.5
    for name in ("tanh", "sigmoid", "sqrt"):
        inner = room[64 : 64 + width]
        assert not strip(name, inner).isnan().any()
        assert room.isnan().sum() == 128


PROBE = """
import hashlib, sys, torch, unspool
from unspool import _engine
from unspool.cells.state import map_tensors, tensors
digest = hashlib.sha256()
for dtype in (torch.float32, torch.float64):
    for cell in (unspool.cells.CELLS[name] for name in sys.argv[1:] or unspool.cells.CELLS):
        for batch, size, reverse in ((1, 33, False), (5, 64, True), (40, 20, False)):
            torch.manual_seed(0)
            net = cell(size, size).to(dtype)
            x = torch.randn(batch, 6, size, dtype=dtype, requires_grad=True)
            state = map_tensors(lambda v: torch.randn_like(v).requires_grad_(), net.initial_state(batch, dtype=dtype))
            lengths = [(5 * row + 4) % 7 for row in range(batch)]
            y, last = unspool.unfold(net, x, state, lengths=lengths, reverse=reverse, engine="cpu")
            made = [y, *tensors(last)]
            leaves = [x, *tensors(state), *net.parameters()]
            for value in (*made, *torch.autograd.grad(made, leaves, [v.detach() for v in made])):
                digest.update(value.detach().contiguous().numpy().tobytes())
print(_engine.isa(), digest.hexdigest())
"""


def probe(isa: str, *cells: str) -> tuple[str, str]:
    done = python(PROBE, *cells, env={"UNSPOOL_ISA": isa})
    if b"does not run" in done.stderr:
        pytest.skip(f"this processor does not run {isa}")
    assert done.returncode == 0, done.stderr.decode()
    name, digest = done.stdout.decode().split()
    return name, digest


def test_wide_and_narrow_vectors_give_the_same_bits() -> None:
    """Every cell, ragged rows: outputs, final states and all gradients."""
    wide, narrow = probe("avx512"), probe("avx2")
    assert (wide[0], narrow[0]) == ("avx512", "avx2") and wide[1] == narrow[1]


def test_the_baseline_runs() -> None:
    assert probe("base", "lstm", "layernorm-gru")[0] == "base"


def test_an_unknown_instruction_set_is_named() -> None:
    done = python(PROBE, env={"UNSPOOL_ISA": "sse9"})
    assert done.returncode != 0 and b"UNSPOOL_ISA=sse9; expected base, avx2 or avx512" in done.stderr
