"""`RNN`, `GRU` and `LSTM`: drop-ins for the classes of the same names in `torch.nn`, run through `unfold`.

Constructor, parameters, `state_dict` keys, checks and `repr` are inherited; only the run over time is ours. Shapes are
PyTorch's: `[T, B, I]`, or `[B, T, I]` with `batch_first=True`, or `[T, I]` without a batch, or a `PackedSequence`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from unspool.engine import traced
from unspool.unfold import unfold

Weights = Sequence[Tensor]
"""weight_ih, weight_hh[, bias_ih, bias_hh][, weight_hr] of one layer in one direction."""


class _Step:
    """A cell over the flat parameters of a `torch.nn` layer."""

    def __init__(self, weights: Weights, module: nn.RNNBase) -> None:
        self.weight_ih, self.weight_hh = weights[0], weights[1]
        self.bias_ih, self.bias_hh = (weights[2], weights[3]) if module.bias else (None, None)
        self.projection = weights[-1] if module.proj_size else None
        self.input_size = self.weight_ih.shape[1]
        self.hidden_size, self.output_size = module.hidden_size, module.proj_size or module.hidden_size

    def initial_state(self, batch: int, **options: Any) -> Any:
        return torch.zeros(batch, self.hidden_size, **options)


class _RNNStep(_Step):
    """h' = act(W x + b + U h + c)"""

    def __init__(self, weights: Weights, module: nn.RNNBase) -> None:
        super().__init__(weights, module)
        self.activation = torch.relu if getattr(module, "nonlinearity", "tanh") == "relu" else torch.tanh

    def __call__(self, x: Tensor, h: Tensor, /) -> tuple[Tensor, Tensor]:
        h = self.activation(linear(x, self.weight_ih, self.bias_ih) + linear(h, self.weight_hh, self.bias_hh))
        return h, h


class _GRUStep(_Step):
    """The equations of `unspool.cells.GRUCell` with reset="after"."""

    def __call__(self, x: Tensor, h: Tensor, /) -> tuple[Tensor, Tensor]:
        xr, xz, xn = linear(x, self.weight_ih, self.bias_ih).chunk(3, -1)
        hr, hz, hn = linear(h, self.weight_hh, self.bias_hh).chunk(3, -1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        h = (1 - z) * torch.tanh(xn + r * hn) + z * h
        return h, h


class _LSTMStep(_Step):
    """The equations of `unspool.cells.LSTMCell` without peepholes."""

    def __call__(self, x: Tensor, state: tuple[Tensor, Tensor], /) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, c = state
        gates = linear(x, self.weight_ih, self.bias_ih) + linear(h, self.weight_hh, self.bias_hh)
        i, f, g, o = gates.chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        h = h if self.projection is None else linear(h, self.projection)
        return h, (h, c)

    def initial_state(self, batch: int, **options: Any) -> Any:
        return torch.zeros(batch, self.output_size, **options), torch.zeros(batch, self.hidden_size, **options)


MakeStep = Callable[[Weights, nn.RNNBase], _Step]
State = tuple[Tensor, ...]
"""One tensor `[N·D, B, width]` for each state of the cell."""


def _run(
    module: nn.RNNBase, make_step: Callable[[Weights, nn.RNNBase], _Step], x: Any, hx: State | None
) -> tuple[Any, State]:
    """The forward pass of `module` with PyTorch's conventions; states as a tuple also where there is one."""
    if isinstance(x, PackedSequence):
        _check(module, x.data, hx, x.batch_sizes)
        padded, lengths = pad_packed_sequence(x, batch_first=True)
        y, last = _layers(module, make_step, padded, hx, lengths)
        return _packed_like(x, y, lengths), last
    if x.dim() not in (2, 3):
        raise ValueError(f"{type(module).__name__}: expected input to be 2-D or 3-D, got {x.dim()}-D instead")
    batched = x.dim() == 3
    if hx is not None and any(state.dim() != x.dim() for state in hx):
        dims = ", ".join(f"{state.dim()}-D" for state in hx)
        raise RuntimeError(f"for {x.dim()}-D input, the initial state should also be {x.dim()}-D, but got {dims}")
    if not batched:
        x = x.unsqueeze(0 if module.batch_first else 1)
        hx = None if hx is None else tuple(state.unsqueeze(1) for state in hx)
    _check(module, x, hx, None)
    if x.shape[1 if module.batch_first else 0] == 0:
        raise RuntimeError(f"{type(module).__name__}: expected at least one step, got input of shape {tuple(x.shape)}")
    y, last = _layers(module, make_step, x if module.batch_first else x.transpose(0, 1), hx, None)
    y = y if module.batch_first else y.transpose(0, 1).contiguous()
    if batched:
        return y, last
    return y.squeeze(0 if module.batch_first else 1), tuple(state.squeeze(1) for state in last)


def _check(module: nn.RNNBase, x: Tensor, hx: State | None, batch_sizes: Tensor | None) -> None:
    """PyTorch's own checks, with its own errors. States that were not given need none."""
    module.check_input(x, batch_sizes)
    if hx is not None:
        given: Any = hx if isinstance(module, nn.LSTM) else hx[0]
        module.check_forward_args(x, given, batch_sizes)


def _packed_like(packed: PackedSequence, y: Tensor, lengths: Tensor) -> PackedSequence:
    """Outputs `[B, T, …]` packed in the very order of `packed`."""
    order = packed.sorted_indices
    if order is not None:
        y, lengths = y.index_select(0, order), lengths[order.cpu()]
    data = pack_padded_sequence(y, lengths, batch_first=True).data
    return PackedSequence(data, packed.batch_sizes, packed.sorted_indices, packed.unsorted_indices)


def _layers(
    module: nn.RNNBase, make_step: MakeStep, x: Tensor, hx: State | None, lengths: Tensor | None
) -> tuple[Tensor, State]:
    """All layers and directions over `x` `[B, T, I]`."""
    directions = 2 if module.bidirectional else 1
    if hx is None:
        hx = _zeros(module, x)
    begins, weights = [_apart(state) for state in hx], module.all_weights
    finals: list[State] = []
    for layer in range(module.num_layers):
        outputs: list[Tensor] = []
        for direction in range(directions):
            index = layer * directions + direction
            step = make_step(weights[index], module)
            own = tuple(state[index] for state in begins)
            begin: Any = own[0] if len(own) == 1 else own
            if torch.compiler.is_compiling():
                options: dict[str, Any] = {"truncate": None, "checkpoint": None, "make": step_at, "part": index}
                y, final = traced.run(module, x, begin, None, lengths, reverse=direction == 1, **options)
            else:
                y, final = unfold(step, x, begin, lengths=lengths, reverse=direction == 1)
            outputs.append(y)
            finals.append(final if isinstance(final, tuple) else (final,))
        x = torch.cat(outputs, -1) if directions == 2 else outputs[0]
        if module.dropout and layer + 1 < module.num_layers:
            x = nn.functional.dropout(x, module.dropout, module.training)
    return x, tuple(_joined(states) for states in zip(*finals, strict=True))


def _apart(state: Tensor) -> State:
    """The parts of `[N·D, B, width]`; of one part a view, whose derivative costs nothing."""
    return (state.squeeze(0),) if state.shape[0] == 1 else state.unbind(0)


def _joined(states: State) -> Tensor:
    """The inverse of `_apart`."""
    return states[0].unsqueeze(0) if len(states) == 1 else torch.stack(states)


def step_at(module: nn.RNNBase, index: int) -> Any:
    """The cell of a layer and direction, in the order of `all_weights`."""
    make_step = _LSTMStep if isinstance(module, nn.LSTM) else _GRUStep if isinstance(module, nn.GRU) else _RNNStep
    return make_step(module.all_weights[index], module)


def _zeros(module: nn.RNNBase, x: Tensor) -> State:
    count = module.num_layers * (2 if module.bidirectional else 1)
    widths = [module.proj_size or module.hidden_size]
    widths += [module.hidden_size] if isinstance(module, nn.LSTM) else []
    return tuple(x.new_zeros(count, x.shape[0], width) for width in widths)


def _under_autocast(x: Any, hx: State | None) -> tuple[Any, State | None]:
    """Input and states of an LSTM in the dtype of autocast, as PyTorch casts them unless they are packed."""
    if isinstance(x, PackedSequence) or x.dtype == torch.float64:
        return x, hx
    device = x.device.type
    if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
        return x, hx
    dtype = torch.get_autocast_dtype(device)
    return x.to(dtype), None if hx is None else tuple(state.to(dtype) for state in hx)


class RNN(nn.RNN):
    """`torch.nn.RNN`, run by unspool: same arguments, call, outputs and `state_dict`.

    Example:
        >>> layer = unspool.RNN(3, 4, num_layers=2)
        >>> y, h = layer(torch.randn(7, 5, 3))
        >>> y.shape, h.shape
        (torch.Size([7, 5, 4]), torch.Size([2, 5, 4]))
    """

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        y, (h,) = _run(self, _RNNStep, input, None if hx is None else (hx,))
        return y, h


class GRU(nn.GRU):
    """`torch.nn.GRU`, run by unspool: same arguments, call, outputs and `state_dict`.

    Example:
        >>> trained = torch.nn.GRU(3, 4, bidirectional=True)
        >>> layer = unspool.GRU(3, 4, bidirectional=True)
        >>> layer.load_state_dict(trained.state_dict())
        <All keys matched successfully>
    """

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        y, (h,) = _run(self, _GRUStep, input, None if hx is None else (hx,))
        return y, h


class LSTM(nn.LSTM):
    """`torch.nn.LSTM`, run by unspool: same arguments, call, outputs and `state_dict`.

    Example:
        >>> layer = unspool.LSTM(3, 4, batch_first=True, proj_size=2)
        >>> y, (h, c) = layer(torch.randn(5, 7, 3))
        >>> y.shape, h.shape, c.shape
        (torch.Size([5, 7, 2]), torch.Size([1, 5, 2]), torch.Size([1, 5, 4]))
    """

    def forward(self, input: Any, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Any, tuple[Tensor, Tensor]]:
        if hx is not None and not (isinstance(hx, (tuple, list)) and len(hx) == 2):
            found = f"{len(hx)} of them" if isinstance(hx, (tuple, list)) else type(hx).__name__
            raise RuntimeError(f"LSTM: expected two states, hx=(h_0, c_0), got {found}")
        y, (h, c) = _run(self, _LSTMStep, *_under_autocast(input, hx))
        return y, (h, c)
