"""Every shipped cell: its equations in float64, its derivatives by three routes, its initial values."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, jacfwd, jacrev, vmap

from unspool.cells import (
    CELLS,
    Cell,
    ElementwiseCell,
    GRUCell,
    IndRNNCell,
    LayerNormGRUCell,
    LayerNormLSTMCell,
    LinearIn,
    LSTMCell,
    RNNCell,
    find_cell,
)
from unspool.cells.state import map_tensors, tensors
from unspool.errors import ConfigError, ShapeError

I, H, B = 3, 4, 5  # noqa: E741
VARIANTS: list[tuple[type[Cell], dict[str, Any]]] = [
    (ElementwiseCell, {}),
    (ElementwiseCell, {"nonlinearity": "relu"}),
    (IndRNNCell, {}),
    (RNNCell, {}),
    (RNNCell, {"nonlinearity": "relu", "recurrent_init": "identity"}),
    (GRUCell, {}),
    (GRUCell, {"reset": "before", "recurrent_init": "orthogonal"}),
    (LSTMCell, {}),
    (LSTMCell, {"peephole": True, "projection_size": 2}),
    (LayerNormGRUCell, {}),
    (LayerNormLSTMCell, {}),
]
every_variant = pytest.mark.parametrize(("cls", "options"), VARIANTS, ids=lambda v: getattr(v, "__name__", str(v)))


def build(cls: type[Cell], options: dict[str, Any]) -> Cell:
    torch.manual_seed(3)
    size = H if cls.requires_equal_sizes else I
    cell = cls(size, H, **options).double()
    for parameter in cell.parameters():  # no value of a start is special: biases and gains are random too
        parameter.data += 0.1 * torch.randn_like(parameter)
    return cell


def inputs(cell: Cell) -> tuple[Tensor, Any]:
    state = cell.initial_state(B, dtype=torch.float64)
    return torch.randn(B, cell.input_size).double(), map_tensors(lambda v: torch.randn(v.shape).double(), state)


def norm(x: Tensor, layer: torch.nn.LayerNorm) -> Tensor:
    deviation = x - x.mean(-1, keepdim=True)
    return deviation / (deviation.square().mean(-1, keepdim=True) + layer.eps).sqrt() * layer.weight + layer.bias


def equations(cell: Any, x: Tensor, state: Any, mask: Tensor) -> Any:
    """The docstrings' equations, written out once more without any module; `mask` where h enters a product."""
    name = type(cell).__name__
    p = dict(cell.named_parameters())
    sigma = lambda v: 1 / (1 + torch.exp(-v))  # noqa: E731
    act = {"tanh": torch.tanh, "relu": lambda v: v.clamp(min=0)}
    h, c = state if isinstance(state, tuple) else (state, state)
    seen = h * mask
    if name == "ElementwiseCell":
        return act[cell.activation.__name__](p["u"] * seen + p["w"] * x + p["b"])
    if name == "IndRNNCell":
        return act[cell.activation.__name__](x @ p["x.weight"].T + p["x.bias"] + p["u"] * seen)
    if name == "RNNCell":
        total = x @ p["x.weight"].T + p["x.bias"] + seen @ p["h.weight"].T + p["h.bias"]
        return act[cell.activation.__name__](total)
    if name in ("GRUCell", "LayerNormGRUCell"):
        xs, hs = x @ p["x.weight"].T, seen @ p["h.weight"].T
        if name == "GRUCell":
            xs, hs = xs + p["x.bias"], hs + p["h.bias"]
        else:
            xs, hs = norm(xs, cell.norm_x), norm(hs, cell.norm_h)
        r, z = sigma(xs[:, :H] + hs[:, :H]), sigma(xs[:, H : 2 * H] + hs[:, H : 2 * H])
        new = r * hs[:, 2 * H :]
        if getattr(cell, "reset", "after") == "before":
            new = (r * seen) @ p["h.weight"][2 * H :].T + p["h.bias"][2 * H :]
        return (1 - z) * torch.tanh(xs[:, 2 * H :] + new) + z * h
    if name == "LSTMCell":
        total = x @ p["x.weight"].T + p["x.bias"] + seen @ p["h.weight"].T + p["h.bias"]
    else:
        total = norm(x @ p["x.weight"].T, cell.norm_x) + norm(seen @ p["h.weight"].T, cell.norm_h)
    i, f, g, o = total[:, :H], total[:, H : 2 * H], total[:, 2 * H : 3 * H], total[:, 3 * H :]
    peephole = p.get("peephole", torch.zeros(3, H).double())
    new_c = sigma(f + peephole[1] * c) * c + sigma(i + peephole[0] * c) * torch.tanh(g)
    shown = norm(new_c, cell.norm_c) if name == "LayerNormLSTMCell" else new_c
    new_h = sigma(o + peephole[2] * new_c) * torch.tanh(shown)
    return (new_h @ p["projection.weight"].T if "projection.weight" in p else new_h), new_c


@every_variant
def test_the_equations(cls: type[Cell], options: dict[str, Any]) -> None:
    cell = build(cls, options)
    x, state = inputs(cell)
    first = tensors(state)[0]
    for mask in (None, torch.rand_like(first)):
        y, after = cell(x, state, mask=mask)
        expected = equations(cell, x, state, torch.ones_like(first) if mask is None else mask)
        torch.testing.assert_close(tuple(tensors(after)), tuple(tensors(expected)))
        torch.testing.assert_close(y, tensors(expected)[0])


@every_variant
def test_first_and_second_derivatives(cls: type[Cell], options: dict[str, Any]) -> None:
    cell = build(cls, options)
    x, state = inputs(cell)
    leaves = tuple(v.requires_grad_() for v in (x, *tensors(state)))

    def step(x: Tensor, *parts: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensors(cell(x, parts[0] if cell.state_sizes is None else parts)))

    assert torch.autograd.gradcheck(step, leaves)
    assert torch.autograd.gradgradcheck(step, leaves)


@every_variant
def test_vmap_jacrev_and_forward_mode_agree_with_autograd(cls: type[Cell], options: dict[str, Any]) -> None:
    cell = build(cls, options)
    x, state = inputs(cell)
    weights: dict[str, Tensor] = dict(cell.named_parameters())

    def one(weights: dict[str, Tensor], x: Tensor, *parts: Tensor) -> Tensor:
        rows = tuple(v.unsqueeze(0) for v in parts)
        y, _ = functional_call(cell, weights, (x.unsqueeze(0), rows[0] if cell.state_sizes is None else rows))
        return y[0]

    parts = tuple(tensors(state))
    together, _ = cell(x, state)
    lanes = (None, 0, *(0 for _ in parts))
    torch.testing.assert_close(vmap(one, lanes)(weights, x, *parts), together)
    for number in range(1 + len(parts)):
        backward = vmap(jacrev(one, 1 + number), lanes)(weights, x, *parts)
        forward = vmap(jacfwd(one, 1 + number), lanes)(weights, x, *parts)
        torch.testing.assert_close(backward, forward)

        def row(value: Tensor, number: int = number) -> Tensor:
            given = [x[0], *(v[0] for v in parts)]
            given[number] = value
            return one(weights, *given)

        by_autograd = torch.autograd.functional.jacobian(row, (x, *parts)[number][0])
        torch.testing.assert_close(backward[0], by_autograd)
    row_of = (x[0], *(v[0] for v in parts))
    by_weights = jacrev(one)(weights, *row_of)
    torch.testing.assert_close(jacfwd(one)(weights, *row_of), by_weights)
    single = {name: value.float() for name, value in weights.items()}
    for transform in (jacrev, jacfwd):
        rough: Any = transform(one)(single, *(v.float() for v in row_of))
        for name, value in rough.items():
            torch.testing.assert_close(value.double(), by_weights[name], atol=2e-6, rtol=1e-4)


@every_variant
def test_a_context_is_never_taken_for_a_mask(cls: type[Cell], options: dict[str, Any]) -> None:
    cell = build(cls, options)
    x, state = inputs(cell)
    with pytest.raises(TypeError):
        cell(x, state, torch.ones_like(tensors(state)[0]))


def test_a_gru_carries_what_the_mask_drops() -> None:
    cell: Any = build(GRUCell, {})
    with torch.no_grad():
        cell.x.bias[H : 2 * H] = 50  # z = 1: keep everything
    x, h = inputs(cell)
    torch.testing.assert_close(cell(x, h, mask=torch.zeros_like(h))[1], h)


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("kind", ["zeros", "learned"])
def test_initial_states(name: str, kind: str) -> None:
    cell = CELLS[name](H, H, initial_state=kind)
    assert all(v.dtype == torch.float64 for v in tensors(cell.initial_state(B, dtype=torch.float64)))
    state = cell.initial_state(B, dtype=torch.float32)
    assert all(v.shape[0] == B and (v == 0).all() for v in tensors(state))
    y, _ = cell(torch.randn(B, H), state)
    y.sum().backward()
    learned = [p for n, p in cell.named_parameters() if n.startswith("learned_state")]
    assert bool(learned) is (kind == "learned")
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in learned)


@pytest.mark.parametrize(
    ("cls", "gates"), [(RNNCell, 1), (GRUCell, 3), (LSTMCell, 4), (LayerNormGRUCell, 3), (LayerNormLSTMCell, 4)]
)
def test_orthogonal_and_identity_for_each_gate(cls: Any, gates: int) -> None:
    for how in ("default", "orthogonal", "identity"):
        options = {} if how == "default" else {"recurrent_init": how}
        blocks = cls(I, H, **options).h.weight.chunk(gates)
        for block in blocks:
            torch.testing.assert_close(block @ block.T, torch.eye(H))
            assert torch.equal(block, torch.eye(H)) is (how == "identity")
    with pytest.raises(ConfigError, match="orthogonal"):
        cls(I, H, recurrent_init="orthgonal")


def test_parameters_can_start_as_pytorch_starts_them() -> None:
    torch.manual_seed(0)
    for cls in (RNNCell, GRUCell, LayerNormGRUCell):
        cell = cls(9, 100, recurrent_init="uniform")
        for weight in (cell.x.weight, cell.h.weight):
            assert 0.099 < weight.abs().max() <= 0.1 and abs(weight.mean()) < 0.01


def test_forget_gates_remember() -> None:
    assert (LSTMCell(I, H).x.bias + LSTMCell(I, H).h.bias)[H : 2 * H].tolist() == [1] * H
    assert LayerNormLSTMCell(I, H, forget_bias=3).norm_x.bias.tolist() == [0] * H + [3] * H + [0] * 2 * H
    torch.manual_seed(0)
    lstm, gru = LSTMCell(I, 400, chrono=50), GRUCell(I, 400, chrono=50)
    torch.testing.assert_close(lstm.x.bias[400:800], -lstm.x.bias[:400])
    for cell in (lstm, gru):  # the forget gate of the one and the update gate of the other are second
        spans = cell.x.bias[400:800].exp()
        assert spans.min() > 0.999 and spans.max() < 49.001 and abs(spans.mean() - 25) < 3
        assert not cell.h.bias[400:800].any()
    with pytest.raises(ConfigError, match="at least 3"):
        LSTMCell(I, H, chrono=2)


def test_unequal_sizes_name_the_fix() -> None:
    with pytest.raises(ShapeError, match=r"torch\.nn\.Linear\(3, 4\) in front"):
        ElementwiseCell(3, 4)
    fixed = LinearIn(3, ElementwiseCell(4, 4))
    assert fixed(torch.randn(2, 3), fixed.initial_state(2))[0].shape == (2, 4)


def test_wrong_options_list_the_right_ones() -> None:
    for make, message in (
        (lambda: RNNCell(0, 4), "at least 1"),
        (lambda: RNNCell(3, 4, nonlinearity="sin"), "tanh"),
        (lambda: GRUCell(3, 4, reset="never"), "before"),
        (lambda: LSTMCell(3, 4, projection_size=4), "1 to 3"),
        (lambda: RNNCell(3, 4, initial_state="ones"), "learned"),
        (lambda: find_cell("grru"), "gru"),
    ):
        with pytest.raises(ConfigError, match=message):
            make()
