"""Every choice of a translator that is not a choice of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from unspool.data.tokenizer import TOKENIZERS
from unspool.errors import ConfigError
from unspool.layers.encoder_decoder import EncoderDecoderConfig


@dataclass(frozen=True)
class TranslateSettings:
    """Model and data of a translator; `ConfigError` for a value that cannot work.

    `tokenizer` and `vocabulary` hold for both sides; `joint_vocabulary` makes them one, `share_embeddings` also its
    embeddings. `max_tokens` is the size of a batch, rows × longest row, padding included. `sampling` is the
    probability of scheduled sampling at the end of its linear rise over `sampling_epochs`. The others are those of
    `EncoderDecoderConfig`.
    """

    tokenizer: str = "bpe"
    vocabulary: int = 6000
    min_count: int = 1
    lowercase: bool = False
    joint_vocabulary: bool = False
    max_tokens: int = 2000
    max_length: int = 500
    embedding: int = 256
    hidden: int = 256
    layers: int = 1
    decoder_layers: int | None = None
    bidirectional: bool = True
    merge: str = "concat"
    residual: bool = False
    conditioning: str = "attention"
    decoder_start: str = "bridge"
    attention_score: str = "additive"
    attention_place: str = "before"
    input_feeding: bool = False
    dropout: float = 0.3
    recurrent_dropout: float = 0.0
    tie_embeddings: bool = True
    share_embeddings: bool = False
    label_smoothing: float = 0.1
    sampling: float = 0.0
    sampling_epochs: int = 10
    cell_options: dict[str, Any] = field(default_factory=dict)
    seed: int = 0

    def __post_init__(self) -> None:
        if self.tokenizer not in TOKENIZERS:
            raise ConfigError(f"tokenizer is {self.tokenizer!r}; expected one of {TOKENIZERS}")
        for name in ("label_smoothing", "sampling"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a probability, 0 to 1")
        for name in ("max_tokens", "max_length", "sampling_epochs"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; expected at least 0")
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
