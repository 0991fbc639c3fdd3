"""Drop-ins and cells against onnxruntime's RNN, GRU and LSTM: random weights, ragged lengths, all directions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import unspool
from unspool.cells import GRUCell, LSTMCell, RNNCell
from unspool.cells.state import tensors

I, H = 3, 4  # noqa: E741
LENGTHS = torch.tensor([7, 1, 4, 6, 2])
ORDERS = {"RNN": [0], "GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2]}
"""ONNX stacks its gates z, r, h and i, o, f, c; ours are r, z, n and i, f, g, o."""


class Weights(NamedTuple):
    """One direction: W `[G·H, I]`, U `[G·H, H]`, their biases `[G·H]`, peepholes `[3, H]` for i, f, o."""

    w: Tensor
    u: Tensor
    b: Tensor
    c: Tensor
    peephole: Tensor | None = None


def for_onnx(kind: str, directions: list[Weights]) -> dict[str, np.ndarray]:
    def gates(weight: Tensor) -> Tensor:
        return torch.cat([weight.chunk(len(ORDERS[kind]))[i] for i in ORDERS[kind]])

    tensors_by_name = {
        "W": [gates(own.w) for own in directions],
        "R": [gates(own.u) for own in directions],
        "B": [torch.cat([gates(own.b), gates(own.c)]) for own in directions],
        "P": [own.peephole[[0, 2, 1]].flatten() for own in directions if own.peephole is not None],  # ONNX: i, o, f
    }
    return {name: torch.stack(values).detach().numpy() for name, values in tensors_by_name.items() if values}


def run_onnx(
    kind: str, directions: list[Weights], x: Tensor, initial: tuple[Tensor, ...], direction: str, **attributes: Any
) -> list[Tensor]:
    """onnxruntime's Y as `[B, T, D·H]`, Y_h and, for an LSTM, Y_c, each `[D, B, H]`."""
    states = dict(zip(("initial_h", "initial_c"), (state.numpy() for state in initial), strict=False))
    fed = {
        "X": x.transpose(0, 1).numpy(),
        "sequence_lens": LENGTHS.int().numpy(),
        **for_onnx(kind, directions),
        **states,
    }
    order = ["X", "W", "R", "B", "sequence_lens", "initial_h", "initial_c", "P"]
    names = [name if name in fed else "" for name in order[: 8 if "P" in fed else 6 + (kind == "LSTM")]]
    results = ["Y", "Y_h", "Y_c"] if kind == "LSTM" else ["Y", "Y_h"]
    node = helper.make_node(kind, names, results, hidden_size=H, direction=direction, **attributes)
    given = [
        helper.make_tensor_value_info(
            name, TensorProto.INT32 if name == "sequence_lens" else TensorProto.FLOAT, value.shape
        )
        for name, value in fed.items()
    ]
    made = [helper.make_tensor_value_info(n, TensorProto.FLOAT, list("TDBH" if n == "Y" else "DBH")) for n in results]
    model = helper.make_model(helper.make_graph([node], "g", given, made), opset_imports=[helper.make_opsetid("", 14)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    y, *last = (torch.from_numpy(value) for value in session.run(None, fed))
    return [y.permute(2, 0, 1, 3).flatten(2), *last]


def agree(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """Both in float32; a permuted gate or a step too many is off by tenths."""
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=2e-5)


def states(kind: str, directions: int) -> tuple[Tensor, ...]:
    return tuple(torch.randn(directions, len(LENGTHS), H) for _ in range(2 if kind == "LSTM" else 1))


directions = pytest.mark.parametrize("direction", ["forward", "reverse", "bidirectional"])


@directions
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
def test_cells(kind: str, cls: Any, options: dict[str, Any], attributes: dict[str, Any], direction: str) -> None:
    torch.manual_seed(4)
    both = direction == "bidirectional"
    if both and "activations" in attributes:
        attributes = {"activations": attributes["activations"] * 2}
    net = unspool.Recurrent(cls, I, H, bidirectional=both, **options)
    cells: list[Any] = list(net.layers[0])  # pyright: ignore[reportArgumentType]
    for cell in cells:
        nn.init.uniform_(cell.x.bias, -1, 1)
        nn.init.uniform_(cell.h.bias, -1, 1)
    x, initial = torch.randn(len(LENGTHS), 7, I), states(kind, len(cells))
    weights = [
        Weights(cell.x.weight, cell.h.weight, cell.x.bias, cell.h.bias, getattr(cell, "peephole", None))
        for cell in cells
    ]
    begin = [tuple(state[d] for state in initial) if kind == "LSTM" else initial[0][d] for d in range(len(cells))]
    with torch.no_grad():
        if both:
            y, (finals,) = net(x, (tuple(begin),), lengths=LENGTHS)
        else:
            y, final = unspool.unfold(cells[0], x, begin[0], lengths=LENGTHS, reverse=direction == "reverse")
            finals = (final,)
    last = [torch.stack(parts) for parts in zip(*(tuple(tensors(own)) for own in finals), strict=True)]
    agree([y, *last], run_onnx(kind, weights, x, initial, direction, **attributes))


@pytest.mark.parametrize("direction", ["forward", "bidirectional"])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize(
    ("kind", "attributes"), [("RNN", {}), ("GRU", {"linear_before_reset": 1}), ("LSTM", {})], ids=str
)
def test_dropins(kind: str, attributes: dict[str, Any], direction: str, packed: bool) -> None:
    """A drop-in with a PackedSequence, unsorted, or row by row without a batch."""
    torch.manual_seed(5)
    layer = getattr(unspool, kind)(I, H, bidirectional=direction == "bidirectional", batch_first=True)
    for parameter in layer.parameters():
        nn.init.uniform_(parameter, -1, 1)
    x, initial = torch.randn(len(LENGTHS), 7, I), states(kind, len(layer.all_weights))
    with torch.no_grad():
        if packed:
            sequences = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
            y, last = layer(sequences, initial if kind == "LSTM" else initial[0])
            y, _ = pad_packed_sequence(y, batch_first=True)
            last = tensors(last)
        else:
            rows = []
            for b, length in enumerate(LENGTHS):
                own = tuple(state[:, b] for state in initial)
                rows.append(layer(x[b, :length], own if kind == "LSTM" else own[0]))
            y = nn.utils.rnn.pad_sequence([row for row, _ in rows], batch_first=True)
            last = [torch.stack(parts, 1) for parts in zip(*(tuple(tensors(own)) for _, own in rows), strict=True)]
    weights = [Weights(*own) for own in layer.all_weights]
    agree([y, *last], run_onnx(kind, weights, x, initial, direction, **attributes))
