"""`EncoderDecoder`: one recurrent network reads a sequence, another writes one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from unspool.cells.state import Tree, flat_rows, map_tensors, tensors
from unspool.errors import ConfigError
from unspool.layers.build import CellFactory, with_options
from unspool.layers.decoder_cell import Conditioning, DecoderCell
from unspool.layers.dropout import Dropout, dropout_mask
from unspool.layers.recurrent import Recurrent
from unspool.layers.symbols import END, PAD, START
from unspool.unfold import unfold


@dataclass(frozen=True)
class EncoderDecoderConfig:
    """Sizes and choices of an `EncoderDecoder`; plain values only, so that it can be stored as JSON.

    Example:
        >>> EncoderDecoderConfig(20, 30, hidden=64, conditioning="every-step", cell_options={"chrono": 50}).layers
        1
    """

    source_size: int
    target_size: int
    embedding: int = 256
    hidden: int = 256
    layers: int = 1
    decoder_layers: int = 1
    bidirectional: bool = True
    merge: str = "concat"
    residual: bool = False
    conditioning: str = "attention"
    decoder_start: str = "bridge"
    attention_score: str = "additive"
    attention_place: str = "before"
    input_feeding: bool = False
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    tie_embeddings: bool = True
    share_embeddings: bool = False
    cell_options: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("source_size", "target_size", "embedding", "hidden", "layers", "decoder_layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.share_embeddings and self.source_size != self.target_size:
            raise ConfigError(
                f"share_embeddings needs one vocabulary for both sides, but they have {self.source_size} and "
                f"{self.target_size} symbols; train with a joint vocabulary"
            )


class Encoded(NamedTuple):
    """What the encoder made of a batch.

    `vector` `[B, E]`: the final state of the top layer, both directions joined: the 1-D vector of the whole input.
    `memory` `[B, S, M]`: its outputs at every step. `mask` `[B, S]`: true at valid steps.
    """

    vector: Tensor
    memory: Tensor
    mask: Tensor


class EncoderDecoder(nn.Module):
    """Stacked recurrent encoder and decoder, trained jointly to write a target sequence for a source sequence::

        vector, memory = encoder(embed(source))
        features_t, s_t = DecoderCell(embed(y_{t-1}), s_{t-1}; vector, memory)
        p(y_t | y_<t, source) = softmax(W features_t)

    Symbols are int64 ids; 0 pads, 1 starts and 2 ends a sequence. It is the `StepModel` that `unspool.decode` drives.

    By convention the first tensor of a cell's state is its hidden state: that of the encoder's top layer, laid out as
    one line of numbers for each row, is the vector. The decoder begins with `tanh(W vector + b)`, one W and b for each
    tensor of its state (`decoder_start="bridge"`), or with the empty state (`"zeros"`). So `initial_state="learned"`
    among the cell's options is the encoder's alone.

    Args:
        cell: the cell of every layer, any class with the contract of `Cell`.
        config: sizes and choices.

    Example:
        >>> model = EncoderDecoder(unspool.cells.GRUCell, EncoderDecoderConfig(20, 30, embedding=8, hidden=8))
        >>> source, target = torch.randint(3, 20, (2, 5)), torch.randint(3, 30, (2, 4))
        >>> model.logits(model(source, torch.tensor([5, 3]), target, torch.tensor([4, 2]))).shape
        torch.Size([2, 4, 30])
    """

    start_symbol = START
    end_symbol = END

    def __init__(self, cell: CellFactory, config: EncoderDecoderConfig) -> None:
        super().__init__()
        self.config = c = config
        self.dropout = Dropout(c.dropout)
        self.target_embedding = nn.Embedding(c.target_size, c.embedding, padding_idx=PAD)
        self.source_embedding = (
            self.target_embedding if c.share_embeddings else nn.Embedding(c.source_size, c.embedding, padding_idx=PAD)
        )
        self.encoder = Recurrent(
            with_options(cell, c.cell_options),
            c.embedding,
            c.hidden,
            layers=c.layers,
            bidirectional=c.bidirectional,
            merge=c.merge,
            dropout=c.dropout,
            recurrent_dropout=c.recurrent_dropout,
            residual=c.residual,
        )
        self.vector_size = sum(end.shape[1] for end in self._ends(self._no_state()))
        conditioning = Conditioning(
            c.conditioning, c.decoder_start, c.attention_score, c.attention_place, c.input_feeding
        )
        features = c.embedding if c.tie_embeddings else c.hidden
        # A learned start of the decoder would never be seen: the bridge, or zeros, stand in its place.
        options = {name: value for name, value in c.cell_options.items() if name != "initial_state"}
        self.decoder = DecoderCell(
            with_options(cell, options),
            c.embedding,
            c.hidden,
            layers=c.decoder_layers,
            conditioning=conditioning,
            vector_size=self.vector_size,
            memory_size=self.encoder.output_size,
            features_size=features,
            recurrent_dropout=c.recurrent_dropout,
            residual=c.residual,
        )
        self.bridge = nn.ModuleList()
        if c.decoder_start == "bridge":
            states = filter(_holds_values, tensors(self.decoder.initial_state(1)["layers"]))
            self.bridge.extend(nn.Linear(self.vector_size, state.numel()) for state in states)
        self.output = nn.Linear(features, c.target_size)
        self._initialise()

    @torch.no_grad()
    def _initialise(self) -> None:
        # Named, not a set: the order decides which random numbers each one gets.
        for embedding in (self.source_embedding, self.target_embedding):
            nn.init.normal_(embedding.weight, std=self.config.embedding**-0.5)
            embedding.weight[PAD] = 0
        if self.config.tie_embeddings:
            self.output.weight = self.target_embedding.weight
        nn.init.zeros_(self.output.bias)

    def _no_state(self) -> Tree:
        """A final state of the encoder's top layer for one row, for its widths."""
        return tuple(cell.initial_state(1) for cell in self.encoder.layers[-1])  # pyright: ignore[reportGeneralTypeIssues]

    def _ends(self, final: Tree) -> list[Tensor]:
        """The hidden state of each direction: by convention a cell's first state tensor (h of an LSTM), as `[B, …]`."""
        return [flat_rows(tensors(direction)[0]) for direction in final]

    def encode(self, source: Tensor, lengths: Tensor) -> Encoded:
        """Read `source` `[B, S]`, row b ending at `lengths[b]`."""
        memory, finals = self.encoder(self.dropout(self.source_embedding(source)), lengths=lengths)
        final = finals[-1] if self.config.bidirectional else (finals[-1],)
        mask = torch.arange(source.shape[1], device=source.device).unsqueeze(0) < lengths.unsqueeze(1)
        return Encoded(torch.cat(self._ends(final), 1), self.dropout(memory), mask)

    def begin(self, encoded: Encoded) -> tuple[Tree, Tree]:
        """The decoder's first state and its context, for a batch that was read."""
        vector = encoded.vector
        state = self.decoder.initial_state(vector.shape[0], dtype=vector.dtype, device=vector.device)
        if len(self.bridge):
            state = {**state, "layers": self._bridged(vector, state["layers"])}
        attention = self.decoder.attention
        context: dict[str, Tree] = {
            "vector": vector,
            "memory": encoded.memory if attention is not None else None,
            "keys": attention.keys(encoded.memory) if attention is not None else None,
            "mask": encoded.mask if attention is not None else None,
            "between": None,
            "recurrent": None,
        }
        if self.training:
            context.update(self._masks(state["layers"]))
        return state, context

    def _bridged(self, vector: Tensor, states: Tree) -> Tree:
        """`states`, every tensor of numbers in it made from `vector`."""
        bridge = iter(self.bridge)

        def made(state: Tensor) -> Tensor:
            return torch.tanh(next(bridge)(vector)).view_as(state) if _holds_values(state) else state

        return map_tensors(made, states)

    def _masks(self, states: Tree) -> dict[str, Tree]:
        """Dropout masks of the decoder: between layers, and on recurrent connections; one for a whole sequence."""
        hidden = [tensors(state)[0] for state in states]
        between = recurrent = None
        if self.config.dropout and len(hidden) > 1:
            outputs = [h.new_zeros(h.shape[0], self.decoder.top_size) for h in hidden[:-1]]
            between = tuple(dropout_mask(y, self.config.dropout) for y in outputs)
        if self.config.recurrent_dropout:
            recurrent = tuple(dropout_mask(h, self.config.recurrent_dropout) for h in hidden)
        return {"between": between, "recurrent": recurrent}

    def forward(
        self, source: Tensor, source_lengths: Tensor, target: Tensor, target_lengths: Tensor, sampling: float = 0.0
    ) -> Tensor:
        """Features `[B, T, F]` of each next symbol, given the true previous ones (teacher forcing).

        Args:
            source: `[B, S]`; `source_lengths`: `[B]`.
            target: `[B, T]`: previous symbols, the start symbol first; `target_lengths`: `[B]`.
            sampling: probability with which a previous symbol is the model's own best guess instead of the true
                one (scheduled sampling, Bengio et al. 2015, https://arxiv.org/abs/1506.03099).
        """
        state, context = self.begin(self.encode(source, source_lengths))
        if sampling:
            return self.dropout(self._forward_sampled(target, state, context, sampling))
        embedded = self.dropout(self.target_embedding(target))
        features, _ = unfold(self.decoder, embedded, state, context=context, lengths=target_lengths)
        return self.dropout(features)

    def _forward_sampled(self, target: Tensor, state: Tree, context: Tree, sampling: float) -> Tensor:
        outputs: list[Tensor] = []
        for true in target.unbind(1):
            symbol = true
            if outputs:
                own = self.logits(outputs[-1].detach()).argmax(1)
                symbol = torch.where(torch.rand(true.shape, device=true.device) < sampling, own, true)
            features, state = self.decoder(self.dropout(self.target_embedding(symbol)), state, context)
            outputs.append(features)
        return torch.stack(outputs, 1)

    def logits(self, features: Tensor) -> Tensor:
        """Unnormalised log-probabilities `[…, V]` of the next symbol."""
        return self.output(features)

    # What decoding needs: see unspool.decode.protocol.StepModel.

    def start(self, source: tuple[Tensor, Tensor]) -> Tree:
        """Read `(source [B, S], lengths [B])`; returns the state before the first symbol."""
        state, context = self.begin(self.encode(*source))
        return {"decoder": state, "context": context, "attention": None}

    def step(self, token: Tensor, state: Tree) -> tuple[Tensor, Tree]:
        """Log-probabilities `[R, V]` of the symbol after `token` `[R]`, and the next state."""
        embedded = self.target_embedding(token)
        features, after, weights = self.decoder.step(embedded, state["decoder"], state["context"])
        scores = torch.log_softmax(self.logits(features).float(), 1)
        return scores, {"decoder": after, "context": state["context"], "attention": weights}

    def attention(self, state: Tree) -> Tensor | None:
        """Attention weights `[R, S]` of the latest step; `None` without attention."""
        return state["attention"]


def _holds_values(state: Tensor) -> bool:
    """Whether a vector can be mapped to `state`; not so to a counter, which is whole."""
    return state.is_floating_point()
