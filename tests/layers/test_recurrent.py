"""Stacks and directions, against torch.nn and onnxruntime, which nobody here wrote."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn

import unspool
from unspool.cells import ElementwiseCell, GRUCell, LinearIn, LSTMCell, RNNCell
from unspool.cells.state import tensors
from unspool.errors import ConfigError, ShapeError

THEIRS = {RNNCell: nn.RNN, GRUCell: nn.GRU, LSTMCell: nn.LSTM}


def like_torch(cls: Any, layers: int, bidirectional: bool) -> tuple[unspool.Recurrent, Any]:
    """A `Recurrent` and a torch.nn layer with the same weights."""
    torch.manual_seed(2)
    ours = unspool.Recurrent(cls, 3, 4, layers=layers, bidirectional=bidirectional).double()
    theirs = THEIRS[cls](3, 4, layers, bidirectional=bidirectional, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        for depth, directions in enumerate(ours.layers):
            for suffix, cell in zip(("", "_reverse"), directions, strict=False):  # pyright: ignore[reportArgumentType]
                for gate, part in (("ih", cell.x), ("hh", cell.h)):
                    part.bias.uniform_(-1, 1)
                    getattr(theirs, f"weight_{gate}_l{depth}{suffix}").copy_(part.weight)
                    getattr(theirs, f"bias_{gate}_l{depth}{suffix}").copy_(part.bias)
    return ours, theirs


@pytest.mark.parametrize("cls", THEIRS)
@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_stacked_in_both_directions_equals_torch(cls: Any, layers: int, bidirectional: bool) -> None:
    ours, theirs = like_torch(cls, layers, bidirectional)
    x, lengths = torch.randn(4, 6, 3).double(), torch.tensor([3, 6, 1, 6])
    packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    expected, final = theirs(packed)
    expected, _ = nn.utils.rnn.pad_packed_sequence(expected, batch_first=True)
    y, state = ours(x, lengths=lengths)
    torch.testing.assert_close(y, expected)
    by_kind = final if isinstance(final, tuple) else (final,)
    flat = [tuple(tensors(own)) for layer in state for own in (layer if bidirectional else (layer,))]
    for kind, tensor in enumerate(by_kind):
        torch.testing.assert_close(torch.stack([own[kind] for own in flat]), tensor)


ORDERS = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}
"""ONNX stacks its gates z, r, h and i, o, f, c; ours are r, z, n and i, f, g, o."""


def onnx_gates(weight: Tensor, kind: str) -> np.ndarray:
    return torch.cat([weight.chunk(len(ORDERS[kind]))[i] for i in ORDERS[kind]]).detach().numpy()


def run_onnx(
    kind: str, cells: list[Any], x: Tensor, lengths: Tensor, direction: str, **attributes: Any
) -> list[np.ndarray]:
    """Y `[T, D, B, H]` and Y_h `[D, B, H]` by onnxruntime, with the weights of `cells` (one for each direction)."""
    weights = {
        "W": np.stack([onnx_gates(cell.x.weight, kind) for cell in cells]),
        "R": np.stack([onnx_gates(cell.h.weight, kind) for cell in cells]),
        "B": np.stack([np.concatenate([onnx_gates(part.bias, kind) for part in (cell.x, cell.h)]) for cell in cells]),
    }
    names = ["X", "W", "R", "B", "lengths"]
    if getattr(cells[0], "peephole", None) is not None:
        p = [cell.peephole.detach() for cell in cells]
        weights["P"] = np.stack([torch.cat([v[0], v[2], v[1]]).numpy() for v in p])  # ONNX: i, o, f
        names += ["", "", "P"]
    node = helper.make_node(kind, names, ["Y", "Y_h"], hidden_size=4, direction=direction, **attributes)
    fed = {"X": x.transpose(0, 1).numpy(), "lengths": lengths.int().numpy(), **weights}
    given = [
        helper.make_tensor_value_info(name, TensorProto.INT32 if name == "lengths" else TensorProto.FLOAT, value.shape)
        for name, value in fed.items()
    ]
    made = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims))
        for name, dims in (("Y", "TDBH"), ("Y_h", "DBH"))
    ]
    model = helper.make_model(helper.make_graph([node], "g", given, made), opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, fed)  # pyright: ignore[reportReturnType]


@pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])
@pytest.mark.parametrize(
    ("kind", "cls", "options", "attributes"),
    [
        ("RNN", RNNCell, {}, {}),
        ("RNN", RNNCell, {"nonlinearity": "relu"}, {"activations": ["Relu"]}),
        ("GRU", GRUCell, {}, {"linear_before_reset": 1}),
        ("GRU", GRUCell, {"reset": "before"}, {"linear_before_reset": 0}),
        ("LSTM", LSTMCell, {}, {}),
        ("LSTM", LSTMCell, {"peephole": True}, {}),
    ],
)
def test_cells_equal_onnxruntime(
    kind: str, cls: Any, options: dict[str, Any], attributes: dict[str, Any], direction: str
) -> None:
    torch.manual_seed(4)
    both = direction == "bidirectional"
    attributes = {
        name: value * (2 if both else 1) if name == "activations" else value for name, value in attributes.items()
    }
    net = unspool.Recurrent(cls, 3, 4, bidirectional=both, **options)
    cells: list[Any] = list(net.layers[0])  # pyright: ignore[reportArgumentType]
    for cell in cells:
        for part in (cell.x, cell.h):
            nn.init.uniform_(part.bias, -1, 1)
    x, lengths = torch.randn(5, 7, 3), torch.tensor([7, 1, 4, 6, 2])
    expected, last = run_onnx(kind, cells, x, lengths, direction, **attributes)
    with torch.no_grad():
        if both:
            y, (finals,) = net(x, lengths=lengths)
        else:
            y, final = unspool.unfold(cells[0], x, lengths=lengths, reverse=direction == "reverse")
            finals = (final,)
    joined = torch.from_numpy(expected).permute(2, 0, 1, 3).flatten(2)
    torch.testing.assert_close(y, joined, atol=2e-6, rtol=2e-5)
    hidden = torch.stack([next(tensors(own)) for own in finals])
    torch.testing.assert_close(hidden, torch.from_numpy(last), atol=2e-6, rtol=2e-5)


def test_directions_are_summed_on_request() -> None:
    torch.manual_seed(0)
    joined = unspool.Recurrent(GRUCell, 3, 4, bidirectional=True)
    summed = unspool.Recurrent(GRUCell, 3, 4, bidirectional=True, merge="sum")
    summed.load_state_dict(joined.state_dict())
    x = torch.randn(2, 5, 3)
    y, _ = joined(x)
    torch.testing.assert_close(summed(x)[0], y[..., :4] + y[..., 4:])
    assert (joined.output_size, summed.output_size) == (8, 4)


def test_state_out_is_state_in() -> None:
    net = unspool.Recurrent(LSTMCell, 3, 4, layers=2).double()
    x = torch.randn(2, 8, 3).double()
    whole, last = net(x)
    first, state = net(x[:, :3])
    second, state = net(x[:, 3:], state)
    torch.testing.assert_close(torch.cat([first, second], 1), whole)
    torch.testing.assert_close(tuple(tensors(state)), tuple(tensors(last)))


class Recording(RNNCell):
    """Keeps the masks that it was handed."""

    masks: list[Tensor]

    def forward(self, x: Tensor, h: Tensor, *, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if mask is not None:
            self.masks.append(mask)
        return super().forward(x, h, mask=mask)


def test_recurrent_dropout_is_one_mask_a_sequence() -> None:
    torch.manual_seed(0)
    net = unspool.Recurrent(Recording, 3, 50, recurrent_dropout=0.4)
    cell: Any = net.layers[0][0]  # pyright: ignore[reportIndexIssue]
    cell.masks = []
    net(torch.randn(4, 6, 3))
    first = cell.masks[0]
    assert len(cell.masks) == 6 and all(torch.equal(mask, first) for mask in cell.masks)
    assert first.unique().tolist() == pytest.approx([0, 1 / 0.6])
    assert not torch.equal(first[0], first[1]) and abs((first == 0).float().mean() - 0.4) < 0.12
    net(torch.randn(4, 6, 3))
    assert not torch.equal(cell.masks[-1], first)
    cell.masks = []
    net.eval()(torch.randn(4, 6, 3))
    assert not cell.masks


def test_dropout_falls_between_layers_only() -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 5, 3)
    one = unspool.Recurrent(RNNCell, 3, 4, dropout=0.9)
    assert torch.equal(one(x)[0], one(x)[0])
    two = unspool.Recurrent(RNNCell, 3, 4, layers=2, dropout=0.9)
    assert not torch.equal(two(x)[0], two(x)[0])
    assert torch.equal(two(x)[1][0], two(x)[1][0])
    two.eval()
    assert torch.equal(two(x)[0], two(x)[0])


class NoMask(unspool.Cell):
    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        return h + x.sum(1, keepdim=True), h


def test_recurrent_dropout_needs_a_cell_that_takes_a_mask() -> None:
    with pytest.raises(ConfigError, match=r"Let NoMask.forward take `\*, mask=None`"):
        unspool.Recurrent(NoMask, 3, 4, recurrent_dropout=0.1)


def test_residual_goes_around_layers_of_equal_width() -> None:
    torch.manual_seed(0)
    plain = unspool.Recurrent(RNNCell, 4, 4, layers=1)
    residual = unspool.Recurrent(RNNCell, 4, 4, layers=1, residual=True)
    residual.load_state_dict(plain.state_dict())
    x = torch.randn(2, 5, 4)
    torch.testing.assert_close(residual(x)[0], plain(x)[0] + x)
    assert unspool.Recurrent(RNNCell, 3, 4, layers=2, residual=True)(torch.randn(2, 5, 3))[0].shape == (2, 5, 4)


def test_different_cells_in_one_stack_and_a_linear_where_sizes_differ() -> None:
    net = unspool.Recurrent([LSTMCell, ElementwiseCell], 3, 4, bidirectional=True)
    assert all(isinstance(cell, LinearIn) for cell in net.layers[1])  # pyright: ignore[reportGeneralTypeIssues]
    assert net(torch.randn(2, 5, 3))[0].shape == (2, 5, 8)


def test_wrong_choices_are_named() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"merge": "mean"}, "concat"),
        ({"dropout": 1.0}, "below 1"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout"),
        ({"layers": 0}, "at least one layer"),
    ]
    for options, message in wrong:
        with pytest.raises(ConfigError, match=message):
            unspool.Recurrent(RNNCell, 3, 4, **options)
    with pytest.raises(ConfigError, match="2 cells were given for layers=3"):
        unspool.Recurrent([RNNCell, RNNCell], 3, 4, layers=3)
    with pytest.raises(ShapeError, match="expected 2, one for each layer"):
        unspool.Recurrent(RNNCell, 3, 4, layers=2)(torch.zeros(1, 2, 3), (torch.zeros(1, 4),))
