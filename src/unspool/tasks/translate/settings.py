"""Every choice of a translator that is not a choice of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from unspool.data.tokenizer import TOKENIZERS
from unspool.errors import ConfigError, check_switches, one_of
from unspool.layers.encoder_decoder import EncoderDecoderConfig


@dataclass(frozen=True)
class TranslateSettings:
    """Model and data of a translator; `ConfigError` for a value that cannot work.

    `tokenizer` and `vocabulary` hold for both sides; `joint_vocabulary` makes them one, `share_embeddings` also its
    embeddings. `max_tokens` is the size of a batch, rows × longest row, padding included. `sampling` is the
    probability of scheduled sampling at the end of its linear rise over `sampling_epochs`. The others are those of
    `EncoderDecoderConfig`.
    """

    tokenizer: Annotated[str, "chars, words, bpe or sentencepiece"] = "bpe"
    vocabulary: Annotated[int, "most symbols a side"] = 6000
    min_count: Annotated[int, "times a symbol must occur to be in the vocabulary"] = 1
    lowercase: Annotated[bool, "read and write lower case only"] = False
    joint_vocabulary: Annotated[bool, "one vocabulary for both sides"] = False
    max_tokens: Annotated[int, "size of a batch: rows times longest row, padding included"] = 2000
    max_length: Annotated[int, "leave out training pairs with more symbols"] = 500
    embedding: Annotated[int, "width of an embedded symbol"] = 256
    hidden: Annotated[int, "units of each layer"] = 256
    layers: Annotated[int, "layers of the encoder"] = 1
    decoder_layers: Annotated[int | None, "layers of the decoder; none: as the encoder"] = None
    bidirectional: Annotated[bool, "read the source in both directions"] = True
    merge: Annotated[str, "join the directions' outputs: concat or sum"] = "concat"
    residual: Annotated[bool, "add a layer's input to its output"] = False
    conditioning: Annotated[str, "how the decoder sees the source: init, every-step or attention"] = "attention"
    decoder_start: Annotated[str, "the decoder's first state: bridge (from the encoder's vector) or zeros"] = "bridge"
    attention_score: Annotated[str, "dot, general or additive"] = "additive"
    attention_place: Annotated[str, "attend before or after the recurrence"] = "before"
    input_feeding: Annotated[bool, "hand a step's features to the next step"] = False
    dropout: Annotated[float, "share of units dropped: embeddings, between layers, before the output"] = 0.3
    recurrent_dropout: Annotated[float, "share of state units dropped, one mask a sequence"] = 0.0
    tie_embeddings: Annotated[bool, "the output layer shares the target's embeddings"] = True
    share_embeddings: Annotated[bool, "both sides share embeddings; needs a joint vocabulary"] = False
    label_smoothing: Annotated[float, "share of the target's probability spread over all symbols"] = 0.1
    sampling: Annotated[float, "scheduled sampling: final share of the model's own symbols as input"] = 0.0
    sampling_epochs: Annotated[int, "epochs over which sampling rises"] = 10
    cell_options: dict[str, Any] = field(default_factory=dict)
    seed: Annotated[int, "of data order, first values and dropout"] = 0

    def __post_init__(self) -> None:
        check_switches(self)
        if self.tokenizer not in TOKENIZERS:
            raise ConfigError(f"tokenizer is {self.tokenizer!r}; expected {one_of(TOKENIZERS)}")
        for name in ("label_smoothing", "sampling"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a probability, 0 to 1")
        for name in ("max_tokens", "max_length", "sampling_epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in ("dropout", "recurrent_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a probability, at least 0 and below 1")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected at least 0 and below 2^63")
        if self.share_embeddings and not self.joint_vocabulary:
            raise ConfigError("share_embeddings needs one vocabulary for both sides; ask for joint_vocabulary too")

    def model_config(self, source_size: int, target_size: int) -> EncoderDecoderConfig:
        """The model's sizes and choices, once the vocabularies are known."""
        return EncoderDecoderConfig(
            source_size=source_size,
            target_size=target_size,
            embedding=self.embedding,
            hidden=self.hidden,
            layers=self.layers,
            decoder_layers=self.layers if self.decoder_layers is None else self.decoder_layers,
            bidirectional=self.bidirectional,
            merge=self.merge,
            residual=self.residual,
            conditioning=self.conditioning,
            decoder_start=self.decoder_start,
            attention_score=self.attention_score,
            attention_place=self.attention_place,
            input_feeding=self.input_feeding,
            dropout=self.dropout,
            recurrent_dropout=self.recurrent_dropout,
            tie_embeddings=self.tie_embeddings,
            share_embeddings=self.share_embeddings,
            cell_options=self.cell_options,
        )
