"""What a caller hands over to be classified, as `Sequences`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from unspool.data.sequences import Sequences, starts_and_end
from unspool.errors import ConfigError, DataError
from unspool.tasks.classify.inputs import Inputs, NumberInputs, check_kind


def as_sequences(given: Any, kind: str, inputs: Inputs, method: str) -> Sequences:
    """A list of texts, a list of arrays `[T, F]`, or `Sequences`, as `Sequences` of that kind.

    Raises:
        ConfigError: one text or array instead of a list. DataError: another kind than the model reads, another number
            of features, or a number that is not finite.
    """
    if isinstance(given, Sequences):
        check_kind(given, kind)
        return given
    if isinstance(given, (str, np.ndarray)) or not isinstance(given, Sequence):
        raise ConfigError(f"{method} takes a list, but got a {type(given).__name__}; write {method}([…])")
    if isinstance(inputs, NumberInputs):
        return _numbers(given, inputs.scaler.features)
    for i, text in enumerate(given):
        if not isinstance(text, str):
            raise DataError(f"sequence {i + 1} of the list is a {type(text).__name__}, but the model reads texts")
    return Sequences("text", list(given), None, None, (), None, None, _place)


def _numbers(given: Sequence[Any], features: tuple[str, ...]) -> Sequences:
    rows = [_row(i, one, features) for i, one in enumerate(given)]
    numbers = np.concatenate([np.zeros((0, len(features)), dtype=np.float32), *rows])
    ends = starts_and_end(np.array([len(row) for row in rows], dtype=np.int64))
    return Sequences("numbers", None, numbers, ends, features, None, None, _place)


def _row(i: int, one: Any, features: tuple[str, ...]) -> np.ndarray:
    try:
        row = np.asarray(one, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{_place(i)} is no array of numbers ({error}); expected [T, {len(features)}]: steps, features"
        ) from None
    if row.ndim == 1 and len(features) == 1:
        row = row[:, None]
    if row.ndim != 2 or row.shape[1] != len(features):
        raise DataError(
            f"{_place(i)} has shape {list(row.shape)}; expected [T, {len(features)}]: steps, features "
            f"({', '.join(features[:8])}{', …' if len(features) > 8 else ''})"
        )
    if not np.isfinite(row).all():
        step, feature = (int(n) for n in np.argwhere(~np.isfinite(row))[0])
        raise DataError(
            f"{_place(i)}: step {step + 1} of feature {features[feature]!r} is {row[step, feature]}; "
            "expected finite numbers"
        )
    return row


def _place(i: int) -> str:
    return f"sequence {i + 1} of the list"
