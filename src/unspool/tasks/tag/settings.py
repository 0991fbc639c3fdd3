"""Every choice of a tagger that is not a choice of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from unspool.data.class_weights import CLASS_WEIGHTS
from unspool.errors import ConfigError, check_switches, one_of
from unspool.layers.recurrent import MERGES

UNITS = ("words", "chars")
CONSTRAIN = ("auto", "yes", "no")


@dataclass(frozen=True)
class TagSettings:
    """Model and data of a tagger; `ConfigError` for a value that cannot work.

    `unit` says what a text is split into when the trained tagger is asked; training data comes in tokens. A token is
    embedded as its word (`min_count`, `vocabulary`, `word_dropout`) plus the mean of its character n-grams
    (`ngram_buckets`, `ngram_min`, `ngram_max`). `max_tokens` is the size of a batch, rows × longest row, padding
    included. `constrain` forbids, where answers are searched for, transitions such as from O to I-: `auto` where the
    training tags are BIO or IOBES and never break the rule. `class_weights="balanced"` gives every tag the same weight
    in the loss, however rare it is; "sqrt" takes the square roots of those weights.

    Example:
        >>> TagSettings(hidden=64, crf=True).bidirectional
        True
    """

    unit: Annotated[str, "what a text to tag is split into: words (at white space) or chars"] = "words"
    min_count: Annotated[int, "times a word must occur to be in the vocabulary"] = 1
    vocabulary: Annotated[int, "most words"] = 50_000
    lowercase: Annotated[bool, "read lower case only"] = False
    word_dropout: Annotated[float, "share of words read as unknown in training"] = 0.1
    ngram_buckets: Annotated[int, "rows that character n-grams are hashed into; 0: no n-grams"] = 20_000
    ngram_min: Annotated[int, "characters of the shortest n-gram"] = 2
    ngram_max: Annotated[int, "characters of the longest n-gram"] = 4
    embedding: Annotated[int, "width of an embedded token"] = 100
    hidden: Annotated[int, "units of each layer and direction"] = 128
    layers: Annotated[int, "layers"] = 1
    bidirectional: Annotated[bool, "read in both directions"] = True
    merge: Annotated[str, "join the directions' outputs: concat or sum"] = "concat"
    residual: Annotated[bool, "add a layer's input to its output"] = False
    dropout: Annotated[float, "share of units dropped: embeddings, between layers, before the output"] = 0.3
    recurrent_dropout: Annotated[float, "share of state units dropped, one mask a sequence"] = 0.0
    crf: Annotated[bool, "score neighbouring tags too: a linear-chain CRF"] = False
    class_weights: Annotated[str, "balanced: all tags weigh the same, however rare; sqrt: half-way; not with a CRF"] = (
        "none"
    )
    constrain: Annotated[str, "forbid impossible transitions of BIO and IOBES tags: auto, yes or no"] = "auto"
    max_tokens: Annotated[int, "size of a batch: rows times longest row, padding included"] = 2000
    max_length: Annotated[int, "leave out training sequences with more tokens"] = 500
    valid_share: Annotated[float, "share of the sequences to validate on where no --valid is given"] = 0.1
    cell_options: dict[str, Any] = field(default_factory=dict)
    seed: Annotated[int, "of data order, first values, and the part to validate on"] = 0

    def __post_init__(self) -> None:
        check_switches(self)
        self._check_choices()
        for name in (
            "min_count", "vocabulary", "ngram_min", "embedding", "hidden", "layers", "max_tokens", "max_length",
        ):  # fmt: skip
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        if self.ngram_buckets < 0:
            raise ConfigError(f"ngram_buckets is {self.ngram_buckets}; expected at least 1, or 0 for no n-grams")
        if self.ngram_max < self.ngram_min:
            raise ConfigError(f"ngram_max is {self.ngram_max}, below ngram_min, which is {self.ngram_min}")
        for name in ("dropout", "recurrent_dropout", "word_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a probability, at least 0 and below 1")
        if not 0 < self.valid_share < 1:
            raise ConfigError(f"valid_share is {self.valid_share}; expected a share above 0 and below 1")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected at least 0 and below 2^63")

    def _check_choices(self) -> None:
        for name, choices in (
            ("unit", UNITS),
            ("constrain", CONSTRAIN),
            ("merge", MERGES),
            ("class_weights", CLASS_WEIGHTS),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {one_of(choices)}")
        if self.crf and self.class_weights != "none":
            raise ConfigError(
                f"class_weights is {self.class_weights!r}, but a CRF judges whole rows of tags, not single "
                "ones; leave out one of the two"
            )
