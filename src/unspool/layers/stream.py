"""`stream`: a recurrent network over an endless sequence, step by step or in chunks, its state held."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from unspool.cells.base import step_name
from unspool.cells.state import Tree
from unspool.engine.choose import choose
from unspool.engine.stream import CellStream, cell_stream
from unspool.errors import ConfigError, ShapeError
from unspool.layers.dropins import GRU, LSTM, RNN, step_at
from unspool.layers.recurrent import Recurrent
from unspool.unfold import check_rows, check_state


class Stream:
    """What `stream` makes: layers that hold their state and take the next steps as they come.

    It computes what the network would compute on the whole sequence at once, in evaluation mode, to the last bit on
    the CPU engine; no gradient flows. It holds the weights as they were when it was made. One thread at a time pushes.
    """

    def __init__(
        self, cells: list[CellStream], input_size: int, batch: int, dtype: torch.dtype, residual: bool
    ) -> None:
        self._cells, self._residual = cells, residual
        self._input_size, self._batch, self._dtype = input_size, batch, dtype
        self._one = torch.Size((batch, input_size))

    def push(self, x: Tensor) -> Tensor:
        """The outputs of the next step, `[B, I]` → `[B, O]`, or of the next T steps, `[B, T, I]` → `[B, T, O]`.

        Raises:
            ShapeError: `x` has another shape or dtype.
        """
        if x.shape != self._one or x.dtype is not self._dtype or not _plain(x):
            return self._chunk(x)
        for cell in self._cells:
            before, x = x, cell.step(x)
            if self._residual and x.shape == before.shape:
                x = x + before
        return x

    def _chunk(self, x: Tensor) -> Tensor:
        if x.shape == self._one and x.dtype is self._dtype:
            return self._chunk(x.unsqueeze(1)).squeeze(1)
        if x.dim() != 3 or x.shape[0] != self._batch or x.shape[2] != self._input_size or x.dtype is not self._dtype:
            raise ShapeError(
                f"pushed {list(x.shape)}, {x.dtype}; expected [{self._batch}, {self._input_size}] for one step or "
                f"[{self._batch}, T, {self._input_size}] for T of them, {self._dtype}"
            )
        if x.shape[1] == 0:
            raise ShapeError("pushed no step; expected at least one")
        if not _plain(x):
            raise ShapeError(
                f"pushed a tensor on {x.device.type}, sparse, or a negative view; expected plain numbers on the CPU"
            )
        for cell in self._cells:
            before, x = x, cell.push(x)
            if self._residual and x.shape == before.shape:
                x = x + before
        return x

    @property
    def state(self) -> tuple[Tree, ...]:
        """The state of every layer after the last step: a value, to keep, or to begin another stream with."""
        return tuple(cell.state() for cell in self._cells)


def _plain(x: Tensor) -> bool:
    """Whether the numbers of `x` lie where it says, for anyone to read."""
    return x.is_cpu and x.layout is torch.strided and not x.is_neg()


def stream(
    model: Any, batch: int = 1, state: Tree = None, *, context: Tree = None, dtype: torch.dtype | None = None,
    engine: str | None = None,
) -> Stream:  # fmt: skip
    """Hold the state of `model` and take steps as they come: `y_t = s.push(x_t)`.

    Args:
        model: a cell, a `Recurrent`, or a `unspool.RNN`, `GRU` or `LSTM`, in one direction.
        batch: B, the number of sequences that go on side by side.
        state: to begin with, one for each layer, as `Stream.state` is; each cell's own if `None`.
        context: as in `unfold`.
        dtype: of inputs and outputs; that of the model's parameters if `None`.
        engine: as in `unfold`; the model's own if `None`.

    Raises:
        ConfigError: the model runs in two directions, which needs the end before the beginning, or is none of these.

    Example:
        >>> net = unspool.Recurrent(unspool.cells.GRUCell, 3, 4, layers=2)
        >>> s = unspool.stream(net, batch=2)
        >>> s.push(torch.randn(2, 3)).shape, s.push(torch.randn(2, 5, 3)).shape
        (torch.Size([2, 4]), torch.Size([2, 5, 4]))
    """
    if batch < 0:
        raise ConfigError(f"batch is {batch}; expected a number of sequences")
    cells, residual, own = _cells(model)
    dtype = dtype or next((p.dtype for p in _parameters(model) if p.is_floating_point()), torch.get_default_dtype())
    if state is not None and not (isinstance(state, (tuple, list)) and len(state) == len(cells)):
        raise ShapeError(f"a state of {len(cells)} layers is a tuple with an entry for each; see Stream.state")
    streams: list[CellStream] = []
    width = size = _input_size(cells[0])
    with torch.no_grad():
        for index, cell in enumerate(cells):
            begin = _begin(cell, batch, dtype) if state is None else state[index]
            x = torch.zeros(batch, 1, width, dtype=dtype)
            if state is not None:
                check_state(cell, begin, x)
            check_rows("context", context, batch)
            chosen = choose(cell, engine or own, x, begin, context)
            streams.append(cell_stream(chosen, cell, begin, context))
            width = getattr(cell, "output_size", width)
    return Stream(streams, size, batch, dtype, residual)


def _cells(model: Any) -> tuple[list[Any], bool, str]:
    """The cells of the layers, whether inputs are added to outputs, and the engine that the model asks for."""
    if getattr(model, "bidirectional", False):
        raise ConfigError(
            f"{step_name(model)} runs in two directions; the second one begins at the end of the sequence, which a "
            "stream does not have. Use a model in one direction"
        )
    if isinstance(model, Recurrent):
        return [layer[0] for layer in model.layers], model.residual, model.engine  # pyright: ignore[reportIndexIssue]
    if isinstance(model, (RNN, GRU, LSTM)):
        return [step_at(model, index) for index in range(model.num_layers)], False, "auto"
    if callable(model) and hasattr(model, "initial_state"):
        return [model], False, "auto"
    raise ConfigError(
        f"{step_name(model)} cannot be streamed; expected a cell, a Recurrent, or an unspool.RNN, GRU or LSTM"
    )


def _parameters(model: Any) -> list[Tensor]:
    return list(model.parameters()) if isinstance(model, nn.Module) else []


def _input_size(cell: Any) -> int:
    if not hasattr(cell, "input_size"):
        raise ConfigError(f"{step_name(cell)} has no input_size; give it one, so that a stream knows what is pushed")
    return cell.input_size


def _begin(cell: Any, batch: int, dtype: torch.dtype) -> Tree:
    return cell.initial_state(batch, dtype=dtype, device=torch.device("cpu"))
