"""Every choice of a language model that is not a choice of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from unspool.data.lossless import LOSSLESS
from unspool.data.lossless_base import BYTES
from unspool.errors import ConfigError, check_switches, one_of

SPELLED_BELOW = {"chars": 2, "words": 2}
"""What `min_count` is where it is not given, else 1. What training spells out, the model learns to spell."""


@dataclass(frozen=True)
class LanguageSettings:
    """Model and data of a language model; `ConfigError` for a value that cannot work.

    The training text is read as `batch` parallel streams, `truncate` symbols at a time; the state goes on from chunk to
    chunk, the gradient does not (truncated backpropagation through time). A stream begins anew, as every text does that
    the model will be asked about, at a share `restart` of the chunks. `valid_share` counts only where no text to
    validate on is given. `tie_embeddings` makes one table of what is read and what is predicted; a projection joins
    the two where `hidden` and `embedding` differ.

    Example:
        >>> LanguageSettings(tokenizer="words", vocabulary=20000, tie_embeddings=True).spelled_below
        2
    """

    tokenizer: Annotated[str, "chars, words, bpe or sentencepiece"] = "chars"
    vocabulary: Annotated[int, "most symbols, 256 of which are bytes for what is in no vocabulary"] = 8000
    min_count: Annotated[int | None, "rarer characters and words are spelled out; none: 2, for subwords 1"] = None
    valid_share: Annotated[float, "share of the text, its end, to validate on where no text is given for it"] = 0.05
    batch: Annotated[int, "streams that the text is read as, side by side"] = 32
    truncate: Annotated[int, "symbols that a gradient flows back through; the state goes on"] = 128
    restart: Annotated[float, "share of chunks at which a stream begins anew, with the empty state"] = 0.05
    embedding: Annotated[int, "width of an embedded symbol"] = 128
    hidden: Annotated[int, "units of each layer"] = 512
    layers: Annotated[int, "recurrent layers"] = 1
    residual: Annotated[bool, "add a layer's input to its output"] = False
    dropout: Annotated[float, "share of units dropped: embeddings, between layers, before the output"] = 0.0
    recurrent_dropout: Annotated[float, "share of state units dropped, one mask a chunk"] = 0.0
    tie_embeddings: Annotated[bool, "the output layer shares the embeddings"] = False
    cell_options: dict[str, Any] = field(default_factory=dict)
    seed: Annotated[int, "of where streams begin, first values and dropout"] = 0

    def __post_init__(self) -> None:
        check_switches(self)
        if self.tokenizer not in LOSSLESS:
            raise ConfigError(f"tokenizer is {self.tokenizer!r}; expected {one_of(LOSSLESS)}")
        if self.vocabulary <= BYTES:
            raise ConfigError(f"vocabulary is {self.vocabulary}; expected more than {BYTES}, the bytes")
        for name in ("min_count", "batch", "truncate", "embedding", "hidden", "layers"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; expected at least 1")
        for name in ("dropout", "recurrent_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a probability, at least 0 and below 1")
        if not 0 <= self.restart <= 1:
            raise ConfigError(f"restart is {self.restart}; expected a probability, 0 to 1")
        if not 0 < self.valid_share < 1:
            raise ConfigError(f"valid_share is {self.valid_share}; expected a share, above 0 and below 1")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected at least 0 and below 2^63")

    @property
    def spelled_below(self) -> int:
        """`min_count`, or what suits the tokenizer."""
        return SPELLED_BELOW.get(self.tokenizer, 1) if self.min_count is None else self.min_count
