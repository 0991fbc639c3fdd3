"""`DecoderCell`: one step of a decoder, a cell like any other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from unspool.cells import Cell
from unspool.cells.state import Tree, flat_rows, tensors
from unspool.errors import ConfigError, one_of
from unspool.layers.attention import Attention
from unspool.layers.build import CellFactory, build_cell
from unspool.layers.recurrent import check_takes_mask

CONDITIONINGS = ("init", "every-step", "attention")
PLACES = ("before", "after")


@dataclass(frozen=True)
class Conditioning:
    """How the decoder sees the source; the ONE explicit choice.

    - `kind="init"`: the encoder vector is only the first state (Sutskever et al. 2014).
    - `kind="every-step"`: the vector enters every layer and the output projection at every step, beside the previous
      hidden state and the previous output (Cho et al. 2014, https://arxiv.org/abs/1406.1078, equations 4 and 8).
    - `kind="attention"`: a context is attended to at every step, `place="before"` the recurrence, with the previous
      hidden state as query (Bahdanau et al. 2015), or `"after"` it, with the new one (Luong et al. 2015).
      `input_feeding` hands the output features of a step to the next one (Luong et al. 2015, section 3.3).

    `start="bridge"` maps the encoder vector to the first state; `"zeros"` is the empty h0 of the theory.

    Example:
        >>> Conditioning("attention", score="general", place="after", input_feeding=True).start
        'bridge'
    """

    kind: str = "attention"
    start: str = "bridge"
    score: str = "additive"
    place: str = "before"
    input_feeding: bool = False

    def __post_init__(self) -> None:
        for name, value, known in (
            ("conditioning", self.kind, CONDITIONINGS),
            ("decoder_start", self.start, ("bridge", "zeros")),
            ("attention_place", self.place, PLACES),
        ):
            if value not in known:
                raise ConfigError(f"{name} is {value!r}; expected {one_of(known)}")
        if self.kind == "init" and self.start == "zeros":
            raise ConfigError(
                "conditioning='init' with decoder_start='zeros' would hide the source from the decoder; "
                "use decoder_start='bridge', or conditioning='every-step' or 'attention'"
            )
        if self.input_feeding and self.kind != "attention":
            raise ConfigError(f"input_feeding belongs to attention, but conditioning is {self.kind!r}")


class DecoderCell(Cell):
    """One step of the decoder: previous output symbol in, features for the next symbol out.

    With x the embedded previous symbol, v the encoder vector, M the memory, s^l the state of layer l, h^l its output::

        c   = attend(h^N_{t-1}, M)  (before)   or   attend(h^N_t, M)  (after)
        in  = [x ; v]  (every-step)     [x ; c]  (attention before)     [… ; features_{t-1}]  (input feeding)
        h^1, s^1 = cell_1(in, s^1_{t-1})
        h^l, s^l = cell_l([h^{l-1} (; v)], s^l_{t-1})           residual: h^l + h^{l-1} for h^l, with h^0 = x
        features = tanh(W [h^N (; v) (; c) (; x)])      x where v or c is known before the recurrence

    State: `{"layers": (s^1, …, s^N), "features": features_{t-1} or None}`.
    Context: `{"vector": [B, E], "memory": [B, S, M], "keys": [B, S, Q], "mask": [B, S], "between": …, "recurrent": …}`,
    entries that the conditioning does not need being `None`. `between` (one `[B, H]` mask for each layer but the
    last) and `recurrent` (one for each layer) hold dropout masks, constant over a sequence: a step has no randomness.
    The query before the recurrence, h^N_{t-1}, is the first tensor of s^N_{t-1}, laid out as one line of numbers.

    Args:
        cell: factory of the layers' cells.
        embedding_size: width of x.
        hidden_size: H.
        layers: N.
        conditioning: how the source is seen.
        vector_size: E.
        memory_size: M.
        features_size: width of the output.
        recurrent_dropout: checks that the cell takes a mask if this is above 0.
        residual: add to a layer's output what it read of the layer below (after dropout), where widths agree.

    Example:
        >>> decoder = DecoderCell(
        ...     unspool.cells.GRUCell, 3, 4, layers=2, conditioning=Conditioning("every-step"),
        ...     vector_size=6, memory_size=5, features_size=7,
        ... )
        >>> context = {"vector": torch.randn(2, 6), "between": None, "recurrent": None}
        >>> features, state = unspool.unfold(decoder, torch.randn(2, 9, 3), context=context)
        >>> features.shape, len(state["layers"])
        (torch.Size([2, 9, 7]), 2)
    """

    def __init__(
        self,
        cell: CellFactory,
        embedding_size: int,
        hidden_size: int,
        *,
        layers: int,
        conditioning: Conditioning,
        vector_size: int,
        memory_size: int,
        features_size: int,
        recurrent_dropout: float = 0.0,
        residual: bool = False,
    ) -> None:
        super().__init__(embedding_size, hidden_size, output_size=features_size)
        kind, before = conditioning.kind, conditioning.place == "before"
        self.conditioning, self.residual = conditioning, residual
        vector = vector_size if kind == "every-step" else 0
        attended = memory_size if kind == "attention" else 0
        width = embedding_size + vector + (attended if before else 0)
        width += features_size if conditioning.input_feeding else 0
        built: list[Cell] = []
        for _ in range(layers):
            built.append(build_cell(cell, width, hidden_size))
            if recurrent_dropout:
                check_takes_mask(built[-1])
            width = built[-1].output_size + vector
        self.layers = nn.ModuleList(built)
        self.top_size = built[-1].output_size
        query_size = tensors(built[-1].initial_state(1))[0].numel() if before else self.top_size
        self.attention = Attention(query_size, memory_size, score=conditioning.score) if attended else None
        self.sees_output = kind == "every-step" or (kind == "attention" and before)
        read = self.top_size + vector + attended + (embedding_size if self.sees_output else 0)
        self.readout = nn.Linear(read, features_size)

    def initial_state(
        self, batch: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Tree:
        states = tuple(layer.initial_state(batch, dtype=dtype, device=device) for layer in self.layers)  # pyright: ignore[reportCallIssue]
        fed = torch.zeros(batch, self.output_size, dtype=dtype, device=device)
        return {"layers": states, "features": fed if self.conditioning.input_feeding else None}

    def forward(self, x: Tensor, state: Tree, context: Tree) -> tuple[Tensor, Tree]:
        features, state, _ = self.step(x, state, context)
        return features, state

    def step(self, x: Tensor, state: Tree, context: Tree) -> tuple[Tensor, Tree, Tensor | None]:
        """`forward`, and the attention weights `[B, S]` of this step (`None` without attention)."""
        vector = [context["vector"]] if self.conditioning.kind == "every-step" else []
        attended, weights = [], None
        if self.attention is not None and self.conditioning.place == "before":
            query = flat_rows(tensors(state["layers"][-1])[0])
            attended, weights = self._attend(query, context)
        fed = [state["features"]] if self.conditioning.input_feeding else []
        h, states = self._recur(x, [*vector, *attended, *fed], state["layers"], vector, context)
        if self.attention is not None and self.conditioning.place == "after":
            attended, weights = self._attend(h, context)
        seen = [x] if self.sees_output else []
        features = torch.tanh(self.readout(torch.cat([h, *vector, *attended, *seen], 1)))
        return features, {"layers": states, "features": features if fed else None}, weights

    def _attend(self, query: Tensor, context: Tree) -> tuple[list[Tensor], Tensor]:
        assert self.attention is not None
        attended, weights = self.attention(query, context["memory"], context["keys"], context["mask"])
        return [attended], weights

    def _recur(
        self, h: Tensor, beside: list[Tensor], states: Tree, vector: list[Tensor], context: Tree
    ) -> tuple[Tensor, Tree]:
        """The stacked layers of one step: their new states, and the output of the last.

        The first layer reads `h` and `beside`, a further one the output of the layer below and `vector`.
        """
        between, recurrent = context["between"], context["recurrent"]
        after: list[Tree] = []
        for depth, (layer, state) in enumerate(zip(self.layers, states, strict=True)):
            below = h if depth == 0 or between is None else h * between[depth - 1]
            read = torch.cat([below, *(vector if depth else beside)], 1)
            h, new = layer(read, state) if recurrent is None else layer(read, state, mask=recurrent[depth])
            h = h + below if self.residual and h.shape == below.shape else h
            after.append(new)
        return h, tuple(after)
