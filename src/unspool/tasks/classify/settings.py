"""Every choice of a classifier that is not a choice of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from unspool.data.class_weights import CLASS_WEIGHTS
from unspool.data.tokenizer import TOKENIZERS
from unspool.errors import ConfigError, check_switches, one_of
from unspool.layers.readout import READOUTS

TARGETS = ("classes", "multilabel", "ordinal", "number")


@dataclass(frozen=True)
class ClassifySettings:
    """Model and data of a classifier; `ConfigError` for a value that cannot work.

    `target` says what a label is: one of several `classes`; any number of them, separated by `|` (`multilabel`); one
    of several that have an order (`ordinal`: that of `order`, or of the numbers that the labels are); or a real
    `number`. `class_weights="balanced"` gives every class the same weight in the loss, however rare it is; "sqrt" takes
    the square roots of these weights, half the way there. `tokenizer`, `vocabulary`, `min_count`, `lowercase` and
    `embedding` are for texts. `max_tokens` is the size of a batch, rows × longest row, padding included. The others are
    those of `unspool.Recurrent` and `unspool.layers.readout.Readout`.

    Example:
        >>> ClassifySettings(target="ordinal", order=("bad", "fair", "good")).readout
        'final'
    """

    target: Annotated[str, "what a label is: classes, multilabel (a|b), ordinal or number"] = "classes"
    order: tuple[str, ...] = ()
    readout: Annotated[str, "from all steps to one vector: final (state), mean, max or attention"] = "final"
    class_weights: Annotated[str, "balanced: all classes weigh the same, however rare; sqrt: half-way"] = "none"
    tokenizer: Annotated[str, "of texts: chars, words, bpe or sentencepiece"] = "bpe"
    vocabulary: Annotated[int, "of texts: most symbols"] = 6000
    min_count: Annotated[int, "of texts: times a symbol must occur to be in the vocabulary"] = 1
    lowercase: Annotated[bool, "of texts: read lower case only"] = False
    max_tokens: Annotated[int, "size of a batch: rows times longest row in steps, padding included"] = 4000
    max_length: Annotated[int, "leave out training sequences with more steps"] = 5000
    valid_share: Annotated[float, "share of the training data to validate on where no files are given for it"] = 0.1
    embedding: Annotated[int, "of texts: width of an embedded symbol"] = 128
    hidden: Annotated[int, "units of each layer"] = 128
    layers: Annotated[int, "layers"] = 1
    bidirectional: Annotated[bool, "read in both directions"] = True
    residual: Annotated[bool, "add a layer's input to its output"] = False
    dropout: Annotated[float, "share of units dropped: embeddings, between layers, before the output"] = 0.2
    recurrent_dropout: Annotated[float, "share of state units dropped, one mask a sequence"] = 0.0
    cell_options: dict[str, Any] = field(default_factory=dict)
    seed: Annotated[int, "of data order, split, first values and dropout"] = 0

    def __post_init__(self) -> None:
        check_switches(self)
        object.__setattr__(self, "order", tuple(self.order))
        for name, choices in (
            ("target", TARGETS), ("readout", READOUTS), ("class_weights", CLASS_WEIGHTS), ("tokenizer", TOKENIZERS)
        ):  # fmt: skip
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {one_of(choices)}")
        for name in ("max_tokens", "max_length", "embedding", "hidden", "layers"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected at least 1")
        for name in ("dropout", "recurrent_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a probability, at least 0 and below 1")
        if not 0 < self.valid_share < 1:
            raise ConfigError(f"valid_share is {self.valid_share}; expected a share above 0 and below 1")
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected at least 0 and below 2^63")
        self._check_target()

    def _check_target(self) -> None:
        if self.order and self.target != "ordinal":
            raise ConfigError(
                f"order was given, but target is {self.target!r}; set target to 'ordinal', or leave it out"
            )
        if self.order and len(set(self.order)) != len(self.order):
            raise ConfigError(f"order is {', '.join(self.order)}; expected every class once")
        if self.target == "number" and self.class_weights != "none":
            raise ConfigError(
                f"class_weights is {self.class_weights!r}, but target is 'number', which has no classes; leave it out"
            )
