"""The two decoders of an encoder–decoder: one segment after another, or each from the encoder's last state."""

from __future__ import annotations

import pytest
import torch

from unspool.cells import Cell, GRUCell, LSTMCell
from unspool.layers.recurrent import Recurrent
from unspool.tasks.forecast.encoder_decoder import decoded_at_once, decoded_in_turn


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("cell", [GRUCell, LSTMCell])
def test_each_segment_is_one_step_after_the_state(cell: type[Cell], layers: int) -> None:
    torch.manual_seed(0)
    decoder = Recurrent(cell, 4, 4, layers=layers).double()
    _, state = decoder(torch.randn(3, 2, 4, dtype=torch.float64))
    asked = torch.randn(3, 5, 4, dtype=torch.float64, requires_grad=True)
    found = decoded_at_once(decoder, asked, state)
    alone = torch.cat([decoder(asked[:, [k]], state)[0] for k in range(5)], 1)
    torch.testing.assert_close(found, alone)
    (gradient,) = torch.autograd.grad(found[:, 3].square().sum(), asked)
    assert set(gradient.abs().sum((0, 2)).nonzero().flatten().tolist()) == {3}


def test_segments_in_turn_follow_from_those_before() -> None:
    torch.manual_seed(0)
    decoder = Recurrent(GRUCell, 4, 4)
    _, state = decoder(torch.randn(3, 2, 4))
    asked = torch.randn(3, 5, 4, requires_grad=True)
    found = decoded_in_turn(decoder, asked, state)
    (gradient,) = torch.autograd.grad(found[:, 3].square().sum(), asked)
    assert set(gradient.abs().sum((0, 2)).nonzero().flatten().tolist()) == {0, 1, 2, 3}
    torch.testing.assert_close(found[:, :1], decoded_at_once(decoder, asked[:, :1], state))
