"""What a model reads of sequences: the symbols of texts, or numbers on a common scale."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from unspool.data.batches import plain
from unspool.data.given import check_text, half_character
from unspool.data.packed import Packed
from unspool.data.scaler import Scaler
from unspool.data.sequences import Sequences, shown
from unspool.data.tokenizer import Tokenizer, load_tokenizer, tokenizer_bytes, train_tokenizer
from unspool.data.wording import counted
from unspool.errors import DataError
from unspool.tasks.classify.settings import ClassifySettings
from unspool.train.files import read_json, understood

KINDS = ("text", "numbers")


class Inputs(Protocol):
    """From sequences to what a model reads."""

    kind: str

    def check(self, sequences: Sequences) -> None:
        """`DataError` if the sequences are of another kind than in training, or have other features."""
        ...

    def pack(self, sequences: Sequences) -> Packed:
        """The sequences as a model reads them; raises as `check` does."""
        ...

    def problems(self, sequences: Sequences, packed: Packed) -> list[str | None]:
        """Why a model cannot read each of the packed sequences, to be read after its place; None where it can."""
        ...

    def sizes(self) -> dict[str, int]:
        """What `SequenceClassifier` must know of them."""
        ...

    def files(self) -> dict[str, bytes]:
        """The files of a run that hold this."""
        ...


class TextInputs:
    """Texts as symbols of a learned vocabulary, any white space being one space."""

    kind = "text"
    FILE = "text.tokenizer"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer

    @classmethod
    def learn(cls, sequences: Sequences, settings: ClassifySettings) -> TextInputs:
        return cls(
            train_tokenizer(
                settings.tokenizer,
                (plain(text) for text in sequences.texts or ()),
                vocabulary=settings.vocabulary,
                min_count=settings.min_count,
                lowercase=settings.lowercase,
            )
        )

    def check(self, sequences: Sequences) -> None:
        check_kind(sequences, self.kind)

    def pack(self, sequences: Sequences) -> Packed:
        self.check(sequences)
        rows = [np.asarray(self.tokenizer.encode(plain(text)), dtype=np.int32) for text in sequences.texts or ()]
        return Packed.of(rows) if rows else Packed(np.zeros(0, dtype=np.int32), np.zeros(1, dtype=np.int64))

    def problems(self, sequences: Sequences, packed: Packed) -> list[str | None]:
        return [half_character(text) for text in sequences.texts or ()]

    def pieces(self, text: str) -> list[str]:
        """Each symbol of a text as text; whole words but the first with the space before them."""
        check_text(text, "the text")
        pieces = self.tokenizer.pieces(self.tokenizer.encode(plain(text)))
        return [*pieces[:1], *(f" {word}" for word in pieces[1:])] if self.tokenizer.kind == "words" else pieces

    def sizes(self) -> dict[str, int]:
        return {"vocabulary": self.tokenizer.size}

    def files(self) -> dict[str, bytes]:
        return {self.FILE: tokenizer_bytes(self.tokenizer)}


class NumberInputs:
    """Rows of numbers, each feature standardised by its mean and deviation in the training data."""

    kind = "numbers"
    FILE = "scaler.json"

    def __init__(self, scaler: Scaler) -> None:
        self.scaler = scaler

    @classmethod
    def learn(cls, sequences: Sequences, settings: ClassifySettings) -> NumberInputs:
        assert sequences.numbers is not None
        return cls(Scaler.fit(sequences.numbers, sequences.features))

    def check(self, sequences: Sequences) -> None:
        check_kind(sequences, self.kind)
        if sequences.features != self.scaler.features:
            raise DataError(
                f"{_where(sequences)}the sequences have {_listed(sequences.features)}, but the model was trained on "
                f"{_listed(self.scaler.features)}; give the same ones in the same order"
            )

    def pack(self, sequences: Sequences) -> Packed:
        self.check(sequences)
        assert sequences.numbers is not None and sequences.offsets is not None
        return Packed(self.scaler(sequences.numbers), sequences.offsets)

    def problems(self, sequences: Sequences, packed: Packed) -> list[str | None]:
        found: list[str | None] = [None] * len(sequences)
        steps = np.flatnonzero(~np.isfinite(packed.values).all(1))
        members, first = np.unique(np.searchsorted(packed.offsets, steps, side="right") - 1, return_index=True)
        for member, step in zip(members.tolist(), steps[first].tolist(), strict=True):
            found[member] = self._too_far(sequences, packed, step, step - int(packed.offsets[member]) + 1)
        return found

    def _too_far(self, sequences: Sequences, packed: Packed, row: int, step: int) -> str:
        assert sequences.numbers is not None
        feature = int((~np.isfinite(packed.values[row])).argmax())
        mean, deviation = self.scaler.mean[feature], self.scaler.deviation[feature]
        return (
            f"has {sequences.numbers[row, feature]:g} as {self.scaler.features[feature]!r} in step {step}; expected a "
            f"number nearer to those of the training data (mean {mean:g}, deviation {deviation:g}), on whose scale "
            "float32 does not hold it: mend it or leave the sequence out"
        )

    def sizes(self) -> dict[str, int]:
        return {"features": len(self.scaler.features)}

    def files(self) -> dict[str, bytes]:
        return {self.FILE: (json.dumps(self.scaler.to_json(), ensure_ascii=False, indent=1) + "\n").encode()}


def learn_inputs(sequences: Sequences, settings: ClassifySettings) -> Inputs:
    """The vocabulary of the training texts, or the scale of the training numbers."""
    return (TextInputs if sequences.kind == "text" else NumberInputs).learn(sequences, settings)


def load_inputs(folder: Path, kind: Any) -> Inputs:
    """What `learn_inputs` learned, from a run's folder; `RunError` names a file that is missing or damaged."""
    if kind == "text":
        return TextInputs(load_tokenizer(folder / TextInputs.FILE))
    if kind != "numbers":
        raise ValueError(f"kind is {kind!r}")
    path = folder / NumberInputs.FILE
    content = read_json(path, "a run on numbers holds their scale")
    with understood(path):
        return NumberInputs(Scaler.from_json(content))


def pack_all(inputs: Inputs, sequences: Sequences) -> Packed:
    """`inputs.pack`; `DataError` names the first sequence with a problem."""
    packed = inputs.pack(sequences)
    for i, problem in enumerate(inputs.problems(sequences, packed)):
        if problem is not None:
            raise DataError(f"{sequences.places(i)} {problem}")
    return packed


def check_kind(sequences: Sequences, kind: str) -> None:
    """A model of texts reads no numbers, and the other way round."""
    if sequences.kind != kind:
        found, expected = _kind(sequences.kind), _kind(kind)
        raise DataError(f"{_where(sequences)}the sequences are {found}, but the model was trained on {expected}")


def _where(sequences: Sequences) -> str:
    return f"{sequences.places(0)}: " if len(sequences) else ""


def _kind(kind: str) -> str:
    return "texts" if kind == "text" else "numbers"


def _listed(features: tuple[str, ...]) -> str:
    return f"{counted(len(features), 'feature')} ({shown(features, most=4)})"
