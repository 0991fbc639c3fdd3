"""The two decoders of an encoder–decoder: one segment after another, or each from the encoder's last state."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from toy_forecasting import fit, waves

import unspool
from unspool.cells import Cell, GRUCell, LSTMCell
from unspool.layers.recurrent import Recurrent
from unspool.tasks.forecast import Forecaster
from unspool.tasks.forecast.encoder_decoder import EncoderDecoderForecaster, decoded_at_once, decoded_in_turn
from unspool.tasks.forecast.windows import WindowBatch
from unspool.train.weights import weights_of

WHICH = torch.tensor([1, 0, 1])


class OwnCell(Cell):
    """One that joins what it reads, so that nothing is multiplied alone."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.linear = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.tanh(self.linear(torch.cat([x, h], 1)))
        return h, h


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", [GRUCell, LSTMCell, OwnCell])
def test_each_segment_is_one_step_after_the_state(cell: type[Cell], layers: int, training: bool) -> None:
    torch.manual_seed(0)
    decoder = Recurrent(cell, 4, 4, layers=layers, residual=True).double().train(training)
    _, state = decoder(torch.randn(3, 2, 4, dtype=torch.float64))
    asked = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    found = decoded_at_once(decoder, asked, WHICH, state)
    alone = torch.cat([decoder(asked[WHICH][:, [k]], state)[0] for k in range(5)], 1)
    torch.testing.assert_close(found, alone)
    wanted = [asked, *decoder.parameters()]
    gradients = [torch.autograd.grad(made.square().sum(), wanted, retain_graph=True) for made in (found, alone)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)
    (gradient,) = torch.autograd.grad(found[:, 3].square().sum(), asked)
    assert set(gradient.abs().sum((0, 2)).nonzero().flatten().tolist()) == {3}


def test_segments_in_turn_follow_from_those_before() -> None:
    torch.manual_seed(0)
    decoder = Recurrent(GRUCell, 4, 4)
    _, state = decoder(torch.randn(3, 2, 4))
    asked = torch.randn(2, 5, 4, requires_grad=True)
    found = decoded_in_turn(decoder, asked, WHICH, state)
    (gradient,) = torch.autograd.grad(found[:, 3].square().sum(), asked)
    assert set(gradient.abs().sum((0, 2)).nonzero().flatten().tolist()) == {0, 1, 2, 3}
    torch.testing.assert_close(found[:, :1], decoded_at_once(decoder, asked[:, :1], WHICH, state))


@pytest.mark.parametrize("calendar", [False, True])
def test_what_a_series_is_asked_is_worked_out_once(
    calendar: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But where each window has a future of its own."""
    fit(tmp_path / "run", steps=1, decoder="parallel", segment=3, calendar=calendar, lags=(), series_embedding=3)
    model: Forecaster = unspool.load(tmp_path / "run")
    (network,) = model.networks
    assert isinstance(network, EncoderDecoderForecaster)
    batch = model.windows(waves()).batch(np.array([2, 0, 2, 2, 3]), np.array([30, 40, 31, 26, 50]))
    with torch.no_grad():
        alone = [network(select(batch, row)) for row in range(5)]
    torch.testing.assert_close(network(batch), torch.cat(alone))
    monkeypatch.setattr("unspool.tasks.forecast.embed.RARELY_UNKNOWN", 0.0)
    wanted = [network.place.weight, network.inputs.fixed.tables[0].weight]
    gradients = []
    for training, rows in ((False, 5), (True, 5 if calendar else 3)):
        network.train(training)
        network.dropout.eval()
        assert len(network.asked(batch)[0]) == rows
        gradients.append(torch.autograd.grad(network(batch).square().sum(), wanted))
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def select(batch: WindowBatch, row: int) -> WindowBatch:
    return WindowBatch(*(getattr(batch, item.name)[[row]] for item in fields(batch)))


@pytest.mark.parametrize("decoder", ["recurrent", "parallel"])
def test_one_net_reads_and_writes(tmp_path: Path, decoder: str) -> None:
    fit(tmp_path / "run", tie_decoder=True, decoder=decoder, segment=6)
    model: Forecaster = unspool.load(tmp_path / "run")
    (network,) = model.networks
    assert isinstance(network, EncoderDecoderForecaster) and network.decoder is network.encoder
    assert not [name for name in weights_of(network) if name.startswith("decoder")]
    ours, naive = (result.scores.mse for result in model.compare(waves(), windows=2, methods=["naive"]).values())
    assert ours is not None and naive is not None and ours < naive


def test_one_net_goes_on_as_if_never_stopped(tmp_path: Path) -> None:
    for name, stops in (("at once", [40]), ("in parts", [20, 40])):
        for steps in stops:
            fit(tmp_path / name, steps=steps, tie_decoder=True, decoder="parallel", segment=6, resume=steps != stops[0])
    at_once, in_parts = (unspool.load(tmp_path / name).predict(waves()).mean for name in ("at once", "in parts"))
    for one, other in zip(at_once, in_parts, strict=True):
        np.testing.assert_array_equal(one, other)
