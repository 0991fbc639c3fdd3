"""A cell of the size that a layer needs, and what is said of options and factories that cannot work."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

import unspool
from unspool.cells import CELLS, Cell, ElementwiseCell, GRUCell, LinearIn, LSTMCell
from unspool.errors import ConfigError
from unspool.layers.build import build_cell
from unspool.layers.encoder_decoder import EncoderDecoder, EncoderDecoderConfig


class Sized(Cell):
    def __init__(self, *sizes: int, scale: float = 1.0) -> None:
        super().__init__(*sizes)
        self.scale = float(scale)


class Open(Cell):
    def __init__(self, input_size: int, hidden_size: int, **options: Any) -> None:
        super().__init__(input_size, hidden_size)
        self.options = options


class Needy(Cell):
    def __init__(self, input_size: int, hidden_size: int, *, levels: int) -> None:
        super().__init__(input_size, hidden_size)


class Broken(Cell):
    def __init__(self, input_size: int, hidden_size: int) -> None:
        raise ValueError("a fault of its own")


@pytest.mark.parametrize("name", CELLS)
def test_an_option_that_no_cell_has_is_named_with_those_that_it_has(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"{CELLS[name].__name__} has no option 'foo'; it takes .*'initial_state'"):
        build_cell(CELLS[name], 4, 4, initial_state="zeros", foo=1)


@pytest.mark.parametrize(
    ("factory", "options", "message"),
    [
        (GRUCell, {"hidden_size": 3}, "no option 'hidden_size'"),
        (Sized, {"size": 3}, "Sized has no option 'size'; it takes 'scale'"),
        (GRUCell, {"chrono": "abc"}, r"GRUCell\(input_size, hidden_size, chrono='abc'\) failed: TypeError: '<'"),
        (LSTMCell, {"projection_size": 2.5}, "LSTMCell.*projection_size=2.5.*TypeError"),
        (LSTMCell, {"forget_bias": "high"}, "LSTMCell.*forget_bias='high'"),
        (LSTMCell, {"peephole": "yes"}, "peephole is 'yes'; expected True or False"),
        (Sized, {"scale": "wide"}, "ValueError: could not convert.*'scale'"),
        (Needy, {}, r"Needy cannot be called as Needy\(input_size, hidden_size\): missing.*'levels'"),
        (lambda size: GRUCell(size, size), {}, r"<lambda> cannot be called as .*too many positional"),
        (nn.GRUCell, {}, r"GRUCell makes a torch.nn.modules.rnn.GRUCell, which is no unspool.Cell.*unspool.cells"),
        ("gru", {}, "'gru' is no class of cells; expected one, such as unspool.cells.GRUCell"),
        (GRUCell(3, 4), {}, "a GRUCell is no class of cells"),
        (lambda i, h: i + h, {}, r"makes a builtins.int, which is no unspool.Cell"),
    ],
    ids=range(13),
)
def test_what_cannot_be_built_says_why(factory: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_cell(factory, 3, 4, **options)


def test_the_cause_of_a_failed_build_is_kept() -> None:
    with pytest.raises(ConfigError) as raised:
        build_cell(GRUCell, 3, 4, chrono="abc")
    assert isinstance(raised.value.__cause__, TypeError)


def test_a_fault_of_the_cell_itself_is_left_as_it_is() -> None:
    with pytest.raises(ValueError, match="^a fault of its own$"):
        build_cell(Broken, 3, 4)


def test_what_a_factory_takes_arrives() -> None:
    assert build_cell(Open, 3, 4, anything=1).options == {"anything": 1}
    assert build_cell(Sized, 3, 4, scale=2).scale == 2
    assert build_cell(lambda i, h: LSTMCell(i, h, peephole=True), 3, 4).hidden_size == 4


def test_one_cell_of_several_gets_an_option_by_partial() -> None:
    with pytest.raises(
        ConfigError, match=r"ElementwiseCell has no option 'peephole'.*functools.partial\(ThatCell, peep"
    ):
        unspool.Recurrent([LSTMCell, ElementwiseCell], 3, 4, peephole=True)
    cells = [partial(LSTMCell, peephole=True), partial(ElementwiseCell, nonlinearity="relu")]
    net = unspool.Recurrent(cells, 3, 4, bidirectional=True)
    assert all(isinstance(cell, LinearIn) for cell in net.layers[1])  # pyright: ignore[reportGeneralTypeIssues]
    assert net(torch.randn(2, 5, 3))[0].shape == (2, 5, 8)


@pytest.mark.parametrize("name", ["hidden_size", "layers", "dropout", "engine", "residual"])
def test_a_cell_option_is_never_taken_for_the_layers_own(name: str) -> None:
    config = EncoderDecoderConfig(9, 9, embedding=4, hidden=4, cell_options={name: 1})
    with pytest.raises(ConfigError, match=f"GRUCell has no option '{name}'"):
        EncoderDecoder(GRUCell, config)
