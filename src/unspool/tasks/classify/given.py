"""What a caller hands over to be classified, as `Sequences`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import Tensor

from unspool.data.given import check_text, listed
from unspool.data.sequences import Sequences, starts_and_end
from unspool.errors import ConfigError, DataError
from unspool.tasks.classify.inputs import Inputs, NumberInputs, check_kind


def as_sequences(given: Any, kind: str, inputs: Inputs, method: str) -> Sequences:
    """A list of texts, a list of arrays `[T, F]`, or `Sequences`, as `Sequences` of that kind.

    Raises:
        ConfigError: one text or array instead of a list. DataError: a text that is none, another kind than the model
            reads, another number of features, or a number that is not finite.
    """
    if isinstance(given, Sequences):
        check_kind(given, kind)
        return given
    if isinstance(inputs, NumberInputs):
        if isinstance(given, (np.ndarray, Tensor)):
            raise ConfigError(f"{method} takes a list of arrays, but got one array; write {method}([array])")
        return _numbers(listed(given, method, "array"), inputs.scaler.features)
    texts = listed(given, method)
    for i, text in enumerate(texts):
        check_text(text, _place(i))
    return Sequences("text", texts, None, None, (), None, None, _place)


def _numbers(given: Sequence[Any], features: tuple[str, ...]) -> Sequences:
    rows = [_row(i, one, features) for i, one in enumerate(given)]
    numbers = np.concatenate([np.zeros((0, len(features)), dtype=np.float32), *rows])
    ends = starts_and_end(np.array([len(row) for row in rows], dtype=np.int64))
    return Sequences("numbers", None, numbers, ends, features, None, None, _place)


def _row(i: int, one: Any, features: tuple[str, ...]) -> np.ndarray:
    """`[T, F]` float32."""
    values = _array(i, one, len(features))
    if values.ndim == 1 and len(features) == 1:
        values = values[:, None]
    if values.ndim != 2 or values.shape[1] != len(features):
        raise DataError(
            f"{_place(i)} has shape {list(values.shape)}; expected [T, {len(features)}]: steps, features "
            f"({', '.join(features[:8])}{', …' if len(features) > 8 else ''})"
        )
    with np.errstate(over="ignore"):
        row = values.astype(np.float32)
    if not np.isfinite(row).all():
        step, feature = (int(n) for n in np.argwhere(~np.isfinite(row))[0])
        raise DataError(
            f"{_place(i)}: step {step + 1} of feature {features[feature]!r} is {values[step, feature]}; "
            "expected finite numbers, no larger than float32 holds"
        )
    return row


def _array(i: int, one: Any, features: int) -> np.ndarray:
    """Numbers of any type and shape."""
    expected = f"expected [T, {features}]: steps, features"
    try:
        values = np.asarray(one.detach().cpu() if isinstance(one, Tensor) else one)
    except (TypeError, ValueError) as error:
        raise DataError(f"{_place(i)} is no array of numbers ({error}); {expected}") from None
    if values.dtype.kind not in "biuf":
        raise DataError(f"{_place(i)} is no array of numbers (its type is {values.dtype}); {expected}")
    return values


def _place(i: int) -> str:
    return f"sequence {i + 1} of the list"
