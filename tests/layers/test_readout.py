"""The readouts against naive loops over rows and steps."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from unspool.cells import GRUCell, LSTMCell
from unspool.errors import ConfigError
from unspool.layers.readout import READOUTS, Readout, final_state
from unspool.layers.recurrent import Recurrent

SHAPES = {
    "lengths": st.lists(st.integers(0, 6), min_size=1, max_size=5),
    "bidirectional": st.booleans(),
    "layers": st.integers(1, 2),
    "seed": st.integers(0, 999),
}


def network(bidirectional: bool, layers: int, seed: int) -> Recurrent:
    torch.manual_seed(seed)
    return Recurrent(LSTMCell, 3, 5, layers=layers, bidirectional=bidirectional)


def naive(readout: Readout, net: Recurrent, x: Tensor) -> Tensor:
    """One row alone, without any padding, step by step."""
    y, finals = net(x.unsqueeze(0))
    steps = [y[0, t] for t in range(x.shape[0])]
    if readout.kind == "final":
        states = finals[-1] if net.bidirectional else (finals[-1],)
        return torch.cat([h[0] for h, _ in states])
    if not steps:
        return torch.zeros(net.output_size)
    if readout.kind == "mean":
        total = torch.zeros_like(steps[0])
        for step in steps:
            total = total + step
        return total / len(steps)
    if readout.kind == "max":
        return torch.tensor([max(step[i].item() for step in steps) for i in range(net.output_size)])
    assert readout.key is not None and readout.v is not None
    key, v = readout.key.weight.detach(), readout.v.weight.detach()[0]
    scores = [float(v @ torch.tanh(key @ step.detach())) for step in steps]
    total, read = sum(map(math.exp, scores)), torch.zeros(net.output_size)
    for score, step in zip(scores, steps, strict=True):
        read = read + math.exp(score) / total * step
    return read


@pytest.mark.parametrize("kind", READOUTS)
@settings(max_examples=8)
@given(**SHAPES)
def test_a_row_reads_as_if_alone(kind: str, lengths: list[int], bidirectional: bool, layers: int, seed: int) -> None:
    net = network(bidirectional, layers, seed)
    readout, limits = Readout(kind, net), torch.tensor(lengths)
    x = torch.randn(len(lengths), max(lengths) + 1, 3)
    found = readout(*net(x, lengths=limits), limits)
    assert found.shape == (len(lengths), readout.size)
    for row, length in enumerate(lengths):
        torch.testing.assert_close(found[row], naive(readout, net, x[row, :length]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", READOUTS)
def test_nothing_of_the_padding_leaks(kind: str) -> None:
    """NaN in the outputs past the end, which a residual connection could bring, not even into a gradient."""
    net = network(True, 1, 3)
    readout, lengths = Readout(kind, net), torch.tensor([4, 0, 2])
    x = torch.randn(3, 4, 3)
    y, finals = net(x, lengths=lengths)
    expected = readout(y, finals, lengths)
    spoilt = y.detach().clone()
    spoilt[1], spoilt[2, 2:] = torch.nan, torch.nan
    spoilt.requires_grad_()
    found = readout(spoilt, finals, lengths)
    assert torch.equal(found, expected)
    if kind != "final":
        (gradient,) = torch.autograd.grad(found.square().sum(), spoilt)
        assert gradient.isfinite().all() and gradient[0].any() and not gradient[1].any() and not gradient[2, 2:].any()


@pytest.mark.parametrize("kind", READOUTS[1:])
def test_rows_without_steps_are_zero(kind: str) -> None:
    net = network(False, 1, 0)
    readout = Readout(kind, net)
    for steps in (0, 3):
        lengths = torch.tensor([0, 0])
        assert not readout(*net(torch.randn(2, steps, 3), lengths=lengths), lengths).any()


def test_attention_looks_where_the_score_is_high() -> None:
    net = network(False, 1, 1)
    readout = Readout("attention", net)
    assert readout.key is not None and readout.v is not None
    with torch.no_grad():
        readout.key.weight.copy_(10 * torch.eye(5))
        readout.v.weight.copy_(100 * torch.eye(5)[:1])
    y = torch.zeros(1, 4, 5)
    y[0, 2, 0] = 1
    assert readout.weights(y, torch.zeros(1, 4, dtype=torch.bool))[0, 2] > 0.99


def test_the_final_state_is_that_of_the_top_layer() -> None:
    net = Recurrent([GRUCell, LSTMCell], 3, 5, bidirectional=True)
    y, finals = net(torch.randn(2, 6, 3))
    state = final_state(finals, bidirectional=True)
    torch.testing.assert_close(state, torch.cat([y[:, -1, :5], y[:, 0, 5:]], 1))


def test_an_unknown_readout_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"readout is 'last'; expected one of 'final', 'mean'"):
        Readout("last", network(False, 1, 0))
