"""Dropout drops as often as it says, keeps the mean, and lets the gradient through where it lets numbers through."""

from __future__ import annotations

import pytest
import torch

from unspool.layers.dropout import Dropout, dropout_mask


@pytest.mark.parametrize("p", [0.0, 0.001, 0.3, 0.5, 0.999])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_how_often_and_the_mean(p: float, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    mask = dropout_mask(torch.empty(1000, 1001, dtype=dtype), p)
    assert mask.dtype == dtype and mask.shape == (1000, 1001)
    spread = (p * (1 - p) / mask.numel()) ** 0.5
    assert abs(float((mask == 0).double().mean()) - p) <= 4 * spread + 2**-17
    kept = mask[mask != 0]
    assert bool((kept == kept[0]).all())
    assert float(kept[0]) == pytest.approx(1 / (1 - p), rel=1e-2)


def test_neighbours_are_independent() -> None:
    torch.manual_seed(1)
    zero = (dropout_mask(torch.empty(1 << 20), 0.3) == 0).double() - 0.3
    for lag in (1, 2, 3, 4, 8):
        assert abs(float((zero[:-lag] * zero[lag:]).mean())) < 4 * 0.21 / 1024


@pytest.mark.parametrize("shape", [(), (0,), (1,), (3, 5), (2, 0, 4)])
def test_any_shape(shape: tuple[int, ...]) -> None:
    assert dropout_mask(torch.empty(shape), 0.5).shape == shape


def test_all_and_none() -> None:
    assert not dropout_mask(torch.empty(100), 1.0).any()
    assert bool((dropout_mask(torch.empty(100), 0.0) == 1).all())


def test_the_seed_decides() -> None:
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(dropout_mask(torch.empty(64), 0.5))
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_gradient_and_eval() -> None:
    torch.manual_seed(2)
    dropout, x = Dropout(0.4), torch.ones(200, requires_grad=True)
    y = dropout(x)
    y.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, y.detach()) and 0 < int((y == 0).sum()) < 200
    assert dropout.eval()(x) is x


def test_in_place() -> None:
    x = torch.ones(200)
    assert Dropout(0.4, inplace=True)(x) is x and 0 < int((x == 0).sum()) < 200
