"""Stacks and directions, against torch.nn; what falls between layers, and what goes around them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import unspool
from unspool.cells import ElementwiseCell, GRUCell, LinearIn, LSTMCell, RNNCell
from unspool.cells.state import tensors
from unspool.errors import ConfigError, ShapeError
from unspool.layers.dropout import Dropout

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
    net = unspool.Recurrent(Recording, 3, 50, recurrent_dropout=0.4, engine="reference")
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


def test_recurrent_dropout_leaves_the_cells_name_in_errors() -> None:
    net = unspool.Recurrent(GRUCell, 3, 4, recurrent_dropout=0.5)
    with pytest.raises(ShapeError, match="GRUCell was built for input_size=3"):
        net(torch.zeros(2, 5, 2))


def test_recurrent_dropout_needs_a_cell_that_takes_a_mask() -> None:
    with pytest.raises(ConfigError, match=r"Let NoMask.forward take `\*, mask=None`"):
        unspool.Recurrent(NoMask, 3, 4, recurrent_dropout=0.1)


def test_the_residual_is_what_the_layer_reads_after_dropout() -> None:
    torch.manual_seed(0)
    net = unspool.Recurrent(RNNCell, 4, 4, layers=2, dropout=0.5, residual=True)
    first, second = (directions[0] for directions in net.layers)  # pyright: ignore[reportIndexIssue]
    x = torch.randn(2, 5, 4)
    torch.manual_seed(1)
    y, _ = net(x)
    torch.manual_seed(1)
    read = Dropout(0.5)(unspool.unfold(first, x)[0] + x)
    torch.testing.assert_close(y, unspool.unfold(second, read)[0] + read)


def test_residual_goes_around_layers_of_equal_width() -> None:
    torch.manual_seed(0)
    plain = unspool.Recurrent(RNNCell, 4, 4, layers=1)
    residual = unspool.Recurrent(RNNCell, 4, 4, layers=1, residual=True)
    residual.load_state_dict(plain.state_dict())
    x = torch.randn(2, 5, 4)
    torch.testing.assert_close(residual(x)[0], plain(x)[0] + x)
    assert unspool.Recurrent(RNNCell, 3, 4, layers=2, residual=True)(torch.randn(2, 5, 3))[0].shape == (2, 5, 4)


@pytest.mark.parametrize("options", [{}, {"residual": True}, {"bidirectional": True}, {"dropout": 0.5}], ids=str)
def test_nothing_leaks_from_the_padding(options: dict[str, Any]) -> None:
    net = unspool.Recurrent(GRUCell, 4, 4, layers=3, recurrent_dropout=0.5, **options)
    padded, lengths = torch.randn(3, 5, 4), [5, 2, 0]
    poisoned = padded.clone()
    for b, length in enumerate(lengths):
        poisoned[b, length:] = float("nan")
    results = []
    for x in (padded, poisoned):
        torch.manual_seed(0)
        y, state = net(x.requires_grad_(), lengths=lengths)
        assert not y[1, 2:].any() and not y[2].any()
        leaves = [x, *net.parameters()]
        loss = y.square().sum() + sum(value.sum() for value in tensors(state))
        results.append([y, *tensors(state), *torch.autograd.grad(loss, leaves)])
    torch.testing.assert_close(results[1], results[0], rtol=0, atol=0)


def test_each_layer_and_direction_draws_its_own_recurrent_mask() -> None:
    torch.manual_seed(0)
    net = unspool.Recurrent(Recording, 3, 20, layers=2, bidirectional=True, recurrent_dropout=0.5, engine="reference")
    cells: list[Any] = [cell for layer in net.layers for cell in layer]  # pyright: ignore[reportGeneralTypeIssues]
    for cell in cells:
        cell.masks = []
    net(torch.randn(4, 6, 3))
    drawn = [cell.masks[0] for cell in cells]
    assert not any(torch.equal(a, b) for i, a in enumerate(drawn) for b in drawn[:i])


def test_the_time_options_reach_every_cell() -> None:
    torch.manual_seed(0)
    net = unspool.Recurrent(LSTMCell, 3, 4, layers=2, bidirectional=True).double()
    x = torch.randn(2, 7, 3).double().requires_grad_()
    whole, *others = (net(x, lengths=[7, 4], **options)[0] for options in ({}, {"checkpoint": 2}, {"truncate": 1}))
    full, kept, cut = (torch.autograd.grad(y.square().sum(), x)[0] for y in (whole, *others))
    assert all(torch.equal(other, whole) for other in others)
    torch.testing.assert_close(kept, full)
    assert not torch.allclose(cut, full)


class Shifted(RNNCell):
    """Sees a context."""

    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, x: Tensor, h: Tensor, context: Tensor, *, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        return super().forward(x + context, h, mask=mask)


@pytest.mark.parametrize("recurrent_dropout", [0.0, 0.5])
def test_the_context_reaches_every_cell(recurrent_dropout: float) -> None:
    net = unspool.Recurrent(
        Shifted, 4, 4, layers=2, bidirectional=True, merge="sum", recurrent_dropout=recurrent_dropout
    )
    plain = unspool.Recurrent(RNNCell, 4, 4, bidirectional=True, merge="sum", recurrent_dropout=recurrent_dropout)
    plain.layers[0].load_state_dict(net.layers[0].state_dict())
    x, context = torch.randn(2, 5, 4), torch.randn(2, 4)
    torch.manual_seed(0)
    first = plain(x + context.unsqueeze(1))[1][0]
    torch.manual_seed(0)
    torch.testing.assert_close(net(x, context=context)[1][0], first)


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
    with pytest.raises(ConfigError, match="layers is 1000000000; expected at most 1,000"):
        unspool.Recurrent(RNNCell, 3, 4, layers=10**9)
    with pytest.raises(ConfigError, match="2 cells were given for layers=3"):
        unspool.Recurrent([RNNCell, RNNCell], 3, 4, layers=3)


H = torch.zeros(2, 4)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ((H,), r"the state is \(\[B, 4\]\), which has 1 entries; expected 2, one for each layer"),
        (H, r"the state is \[B, 4\], which has no entries; expected 2"),  # its 2 rows are no layers
        ((H, H), r"the state of a layer is \[B, 4\], which has no entries; expected 2, one for each direction"),
        (((H, H), (H, H, H)), r"the state of a layer is .* has 3 entries; expected 2, one for each direction"),
        (((H, H), (H, H[:, :3])), r"the state is \[B, 3\]; expected \[B, 4\], as RNNCell"),
    ],
    ids=str,
)
def test_a_state_that_does_not_fit_is_named(state: Any, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        unspool.Recurrent(RNNCell, 3, 4, layers=2, bidirectional=True)(torch.zeros(2, 5, 3), state)
