"""`Recurrent`: any cells, stacked, in one direction or two."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from unspool.cells import Cell, LinearIn
from unspool.cells.state import Tree, layout, tensors
from unspool.engine import traced
from unspool.errors import ConfigError, ShapeError, one_of
from unspool.layers.build import CellFactory, build_cell
from unspool.layers.dropout import Dropout, dropout_mask
from unspool.unfold import unfold

MERGES = ("concat", "sum")


class Masked:
    """A cell with its recurrent dropout mask, which travels in the context: `(mask, context)`."""

    def __init__(self, cell: Cell) -> None:
        self.cell, self.called = cell, type(cell).__name__

    def __call__(self, x: Tensor, state: Tree, context: tuple[Tensor, Tree], /) -> tuple[Tensor, Tree]:
        mask, inner = context
        return self.cell(x, state, *(() if inner is None else (inner,)), mask=mask)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cell, name)


MOST_LAYERS = 1000
"""A larger number is a slip, or a config that was tampered with; building so many would fill the memory."""


def _masked(cell: Cell, _: int) -> Masked:
    return Masked(cell)


def check_takes_mask(cell: Cell) -> None:
    """Recurrent dropout needs a cell that says where the mask goes."""
    inner = cell.cell if isinstance(cell, LinearIn) else cell
    if "mask" not in inspect.signature(inner.forward).parameters:
        name = type(inner).__name__
        raise ConfigError(
            f"recurrent dropout needs to know where {name} uses its state in products. Let {name}.forward take "
            "`*, mask=None` and multiply it into the hidden state there (h if mask is None else h * mask), "
            "or set recurrent_dropout=0"
        )


class Recurrent(nn.Module):
    """Stacked recurrent layers of any cells, in one direction or both::

        layer l, forward:   y_t = cell(x_t, s_{t-1})       layer l, backward:   y_t = cell'(x_t, s_{t+1})
        layer l + 1 reads   [y_forward ; y_backward]  (merge="concat")   or   y_forward + y_backward  ("sum")

    The two directions are separate networks. Dropout falls between layers (a new mask at every step), recurrent
    dropout on the hidden state inside a cell (one mask per sequence; Gal & Ghahramani 2016,
    https://arxiv.org/abs/1512.05287). A residual connection goes around every layer whose input and output have
    the same width: what the layer reads, dropout done, is added to what it writes, before the next dropout.

    Args:
        cell: a cell class (or any `factory(input_size, hidden_size)`), or a sequence of them, one for each layer.
        input_size: I.
        hidden_size: H.
        layers: N; with a sequence of cells it is their number.
        bidirectional: run a second network from the end to the start.
        merge: `"concat"` (output 2·H wide) or `"sum"` (H wide).
        dropout: probability, between layers.
        recurrent_dropout: probability, on recurrent connections.
        residual: add each layer's input to its output where widths agree.
        engine: handed to `unfold`.
        cell_options: handed to the cell, for example `recurrent_init="orthogonal"`.

    Example:
        >>> net = unspool.Recurrent(unspool.cells.GRUCell, 3, 4, layers=2, bidirectional=True)
        >>> y, state = net(torch.randn(5, 7, 3))
        >>> y.shape, len(state), state[1][0].shape
        (torch.Size([5, 7, 8]), 2, torch.Size([5, 4]))
    """

    def __init__(
        self,
        cell: CellFactory | Sequence[CellFactory],
        input_size: int,
        hidden_size: int,
        *,
        layers: int | None = None,
        bidirectional: bool = False,
        merge: str = "concat",
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        residual: bool = False,
        engine: str = "auto",
        **cell_options: Any,
    ) -> None:
        super().__init__()
        factories = _per_layer(cell, layers)
        if merge not in MERGES:
            raise ConfigError(f"merge is {merge!r}; expected {one_of(MERGES)}")
        for name, p in (("dropout", dropout), ("recurrent_dropout", recurrent_dropout)):
            if not 0 <= p < 1:
                raise ConfigError(f"{name} is {p}; expected a probability, at least 0 and below 1")
        self.input_size, self.hidden_size, self.bidirectional, self.merge = (
            input_size,
            hidden_size,
            bidirectional,
            merge,
        )
        self.recurrent_dropout, self.residual, self.engine = recurrent_dropout, residual, engine
        self.dropout = Dropout(dropout)
        self.layers = nn.ModuleList()
        width = input_size
        for factory in factories:
            directions = [build_cell(factory, width, hidden_size, **cell_options) for _ in range(1 + bidirectional)]
            if recurrent_dropout:
                check_takes_mask(directions[0])
            self.layers.append(nn.ModuleList(directions))
            width = directions[0].output_size * (len(directions) if merge == "concat" else 1)
        self.output_size = width

    def forward(
        self,
        x: Tensor,
        state: Tree = None,
        context: Tree = None,
        lengths: Tensor | Sequence[int] | None = None,
        *,
        truncate: int | None = None,
        checkpoint: int | None = None,
    ) -> tuple[Tensor, tuple[Tree, ...]]:
        """Run all layers over `x` `[B, T, I]`.

        Args:
            x: `[B, T, I]`.
            state: as returned: a tuple with one entry per layer, a cell's state or, in two directions, a pair.
            context: handed to every cell at every step.
            lengths: `[B]`, valid steps of each row.
            truncate, checkpoint: see `unfold`.

        Returns:
            outputs of the last layer `[B, T, output_size]` and the final state of all layers.
        """
        if state is not None:
            _check_entries("the state", state, len(self.layers), "one for each layer, as a call returns them")
        time: dict[str, Any] = {"lengths": lengths, "truncate": truncate, "checkpoint": checkpoint}
        finals: list[Tree] = []
        for depth, directions in enumerate(self.layers):
            before = x if depth == 0 else self.dropout(x)
            x, final = self._layer(directions, before, None if state is None else state[depth], context, time)  # pyright: ignore[reportArgumentType]
            if self.residual and x.shape == before.shape:
                x = x + _without_padding(before, lengths)
            finals.append(final)
        return x, tuple(finals)

    def _layer(
        self, directions: Sequence[Cell], x: Tensor, state: Tree, context: Tree, time: dict[str, Any]
    ) -> tuple[Tensor, Tree]:
        if not self.bidirectional:
            return self._direction(directions[0], x, state, context, time, reverse=False)
        if state is not None:
            _check_entries("the state of a layer", state, 2, "one for each direction: (forward, backward)")
        first, second = (None, None) if state is None else state
        y, final = self._direction(directions[0], x, first, context, time, reverse=False)
        y_back, final_back = self._direction(directions[1], x, second, context, time, reverse=True)
        merged = torch.cat([y, y_back], -1) if self.merge == "concat" else y + y_back
        return merged, (final, final_back)

    def _direction(
        self, cell: Cell, x: Tensor, state: Tree, context: Tree, time: dict[str, Any], *, reverse: bool
    ) -> tuple[Tensor, Tree]:
        if state is None:
            state = cell.initial_state(x.shape[0], dtype=x.dtype, device=x.device)
        if not (self.training and self.recurrent_dropout):
            return unfold(cell, x, state, context=context, reverse=reverse, engine=self.engine, **time)
        mask = dropout_mask(tensors(state)[0], self.recurrent_dropout)
        if torch.compiler.is_compiling() and self.engine != "reference":
            limits = None if time["lengths"] is None else torch.as_tensor(time["lengths"], device=x.device).long()
            return traced.run(cell, x, state, (mask, context), limits, reverse=reverse, make=_masked,
                              truncate=time["truncate"], checkpoint=time["checkpoint"])  # fmt: skip
        return unfold(Masked(cell), x, state, context=(mask, context), reverse=reverse, engine=self.engine, **time)


def _without_padding(x: Tensor, lengths: Tensor | Sequence[int] | None) -> Tensor:
    """`x` `[B, T, …]` with zeros past the end of each row, whatever stands there, NaN too."""
    if lengths is None:
        return x
    steps = torch.arange(x.shape[1], device=x.device)
    ended = steps >= torch.as_tensor(lengths, device=x.device).unsqueeze(1)
    return x.masked_fill(ended.unsqueeze(2), 0)


def _check_entries(name: str, state: Tree, number: int, which: str) -> None:
    """A tensor has a length too, so that a count alone would take its rows for entries."""
    if not (isinstance(state, (tuple, list)) and len(state) == number):
        found = f"{len(state)} entries" if isinstance(state, (tuple, list)) else "no entries"
        raise ShapeError(f"{name} is {layout(state)}, which has {found}; expected {number}, {which}")


def _per_layer(cell: CellFactory | Sequence[CellFactory], layers: int | None) -> list[CellFactory]:
    if isinstance(cell, str):
        raise ConfigError(f"{cell!r} is no class of cells; expected one, such as unspool.cells.GRUCell or your own")
    if isinstance(cell, Sequence):
        if layers not in (None, len(cell)):
            raise ConfigError(f"{len(cell)} cells were given for layers={layers}; give one cell, or one for each layer")
        factories = list(cell)
    elif layers is not None and layers > MOST_LAYERS:
        raise ConfigError(f"layers is {layers}; expected at most {MOST_LAYERS:,}")
    else:
        factories = [cell] * (1 if layers is None else layers)
    if not factories:
        raise ConfigError("a Recurrent needs at least one layer")
    return factories
