"""The cross-entropy that never holds all logits is PyTorch's, and so is its gradient."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from unspool.layers import symbol_loss
from unspool.layers.symbol_loss import symbol_cross_entropy


def judged(features: Tensor, output: nn.Linear, target: Tensor, smoothing: float) -> Tensor:
    return nn.functional.cross_entropy(output(features), target, reduction="sum", label_smoothing=smoothing)


def layer(features: int, symbols: int, bias: bool = True) -> nn.Linear:
    return nn.Linear(features, symbols, bias=bias, dtype=torch.float64)


@given(
    rows=st.integers(0, 7), size=st.integers(1, 5), symbols=st.integers(1, 9), at_a_time=st.integers(1, 40),
    smoothing=st.sampled_from([0.0, 0.1, 1.0]), bias=st.booleans(), seed=st.integers(0, 99),
)  # fmt: skip
def test_it_is_pytorchs(
    rows: int, size: int, symbols: int, at_a_time: int, smoothing: float, bias: bool, seed: int
) -> None:
    torch.manual_seed(seed)
    output, target = layer(size, symbols, bias), torch.randint(symbols, (rows,))
    features = torch.randn(rows, size, dtype=torch.float64, requires_grad=True)
    leaves = [features, *output.parameters()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(symbol_loss, "AT_A_TIME", at_a_time)
        found = symbol_cross_entropy(features, output, target, smoothing)
        gradients = torch.autograd.grad(3 * found, leaves)
    expected = judged(features, output, target, smoothing)
    torch.testing.assert_close(found, expected)
    for one, other in zip(gradients, torch.autograd.grad(3 * expected, leaves), strict=True):
        torch.testing.assert_close(one, other)


def test_large_logits_stay_finite() -> None:
    features, output = torch.full((2, 1), 1e4, dtype=torch.float64, requires_grad=True), layer(1, 3)
    found = symbol_cross_entropy(features, output, torch.tensor([0, 2]), 0.1)
    torch.testing.assert_close(found, judged(features, output, torch.tensor([0, 2]), 0.1))
    (gradient,) = torch.autograd.grad(found, [features])
    assert bool(gradient.isfinite().all())


def test_single_precision_is_as_near_as_pytorchs() -> None:
    torch.manual_seed(0)
    output, features, target = (
        nn.Linear(64, 3000),
        torch.randn(500, 64, requires_grad=True),
        torch.randint(3000, (500,)),
    )
    double = nn.Linear(64, 3000).double()
    double.load_state_dict(output.state_dict())
    exact = torch.autograd.grad(judged(features.double(), double, target, 0.1), list(double.parameters()))

    def errors(loss: Tensor) -> list[float]:
        found = torch.autograd.grad(loss, list(output.parameters()))
        return [float((one - other).norm() / other.norm()) for one, other in zip(found, exact, strict=True)]

    ours = errors(symbol_cross_entropy(features, output, target, 0.1))
    theirs = errors(judged(features, output, target, 0.1))
    assert all(one <= 2 * other for one, other in zip(ours, theirs, strict=True)), (ours, theirs)


def test_frozen_parts_get_no_gradient() -> None:
    output, target = layer(3, 4).requires_grad_(False), torch.tensor([0, 3])
    features = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    symbol_cross_entropy(features, output, target).backward()
    assert features.grad is not None and output.weight.grad is None
    assert not symbol_cross_entropy(features.detach(), output, target).requires_grad


def test_under_autocast_it_is_pytorchs_to_the_bit() -> None:
    torch.manual_seed(1)
    output, features, target = nn.Linear(8, 30), torch.randn(5, 8), torch.randint(30, (5,))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = symbol_cross_entropy(features, output, target, 0.1)
        assert torch.equal(found, judged_in_float(features, output, target))


def judged_in_float(features: Tensor, output: nn.Linear, target: Tensor) -> Tensor:
    return nn.functional.cross_entropy(output(features).float(), target, reduction="sum", label_smoothing=0.1)


def test_half_precision_is_summed_in_single() -> None:
    torch.manual_seed(2)
    output, features = nn.Linear(16, 5000).half(), torch.randn(8000, 16).half()
    found = symbol_cross_entropy(features, output, torch.randint(5000, (8000,)), 0.1)
    assert found.dtype == torch.float32 and bool(found.isfinite())


def test_a_symbol_that_is_never_written() -> None:
    output, features = layer(3, 4), torch.randn(2, 3, dtype=torch.float64)
    with torch.no_grad():
        output.bias[1] = -torch.inf
        target = torch.tensor([0, 3])
        torch.testing.assert_close(
            symbol_cross_entropy(features, output, target), judged(features, output, target, 0.0)
        )
