"""JSON lines: an object a line, with a text or a sequence of numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from unspool.data.columns import Columns
from unspool.data.given import half_character
from unspool.data.lines import Lines
from unspool.data.sequences import Sequences, starts_and_end
from unspool.errors import DataError

SEQUENCE = "sequence"
"""The key of a sequence of numbers, or of rows of numbers."""


def read_json_sequences(path: Path, columns: Columns, *, labelled: bool, empty_labels: bool) -> Sequences:
    """The sequences of a `.jsonl` file: numbers where the first object has a `"sequence"`, else texts.

    Blank lines hold nothing, but count.
    """
    if columns.form not in ("auto", "text"):
        raise DataError(f"{path} holds JSON lines, which have no form {columns.form!r}; expected the form 'auto'")
    rows = [Row(path, number, line) for number, line in enumerate((*Lines(path),), 1) if line.strip()]
    if not rows:
        raise DataError(f"{path} has blank lines only; expected an object on each line")
    labels = _keys(rows, columns.label, must=labelled, blank=empty_labels)
    groups = None if columns.group is None else _keys(rows, columns.group, must=labelled, blank=False)
    ids = _keys(rows, columns.id, must=False, blank=True)
    places = partial(_place, path, [row.number for row in rows])
    if columns.form == "text" or SEQUENCE not in rows[0].found:
        texts = [row.text(columns.text) for row in rows]
        return Sequences("text", texts, None, None, (), labels, groups, places, ids)
    parts = [row.numbers() for row in rows]
    numbers, offsets = _concatenated(rows, parts), starts_and_end(np.array([len(part) for part in parts]))
    features = tuple(f"feature {i + 1}" for i in range(numbers.shape[1])) if numbers.shape[1] > 1 else ("value",)
    return Sequences("numbers", None, numbers, offsets, features, labels, groups, places, ids)


class Row:
    """The object of one line."""

    def __init__(self, path: Path, number: int, line: str) -> None:
        self.path, self.number, self._line = path, number, line
        try:
            self.found: dict[str, Any] = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise self.refused(f"it is no JSON ({error})", "an object, on a line of its own") from None
        if not isinstance(self.found, dict):
            raise self.refused("it is no object", 'one like {"text": "…", "label": "…"}')

    def refused(self, found: str, expected: str) -> DataError:
        return DataError(f"{self.path}, line {self.number}: {found}; expected {expected}")

    def text(self, name: str) -> str:
        """The text under this key."""
        text = self.found.get(name)
        if not isinstance(text, str):
            has = ", ".join(map(repr, self.found)) or "none"
            found = f"{name!r} is no text" if name in self.found else f"there is no {name!r} among its keys, {has}"
            raise self.refused(found, f"a text ({name}) or numbers ({SEQUENCE}); name the text with --text-column")
        return self._whole(name, text)

    def key(self, name: str) -> str | None:
        """The text or number under this key as it is written; None where there is none."""
        value = self.found.get(name)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, int | float):
            return json.loads(self._line, parse_float=str, parse_int=str, parse_constant=str)[name]
        if value is not None and not isinstance(value, str):
            raise self.refused(f"{name!r} is {type(value).__name__}", "a text or a number")
        return value if value is None else self._whole(name, value)

    def numbers(self) -> np.ndarray:
        """The sequence of this line, `[T, F]` float32."""
        try:
            values = np.asarray(self.found.get(SEQUENCE))
        except ValueError:
            raise self.refused("its rows differ in length", "as many numbers in each row of a sequence") from None
        if not values.size or values.dtype.kind not in "iuf" or values.ndim not in (1, 2):
            raise self.refused(f"{SEQUENCE!r} holds no numbers, or more than numbers", "[1.5, …] or [[1.5, …], …]")
        with np.errstate(over="ignore"):
            values = values.astype(np.float32).reshape(len(values), -1)
        if not np.isfinite(values).all():
            step = int((~np.isfinite(values)).any(1).argmax()) + 1
            raise self.refused(f"step {step} has a number that is NaN, infinite or too large", "finite float32 numbers")
        return values

    def _whole(self, name: str, text: str) -> str:
        if problem := half_character(text):
            raise DataError(f"{self.path}, line {self.number}: {name!r} {problem}")
        return text


def _keys(rows: Sequence[Row], name: str, *, must: bool, blank: bool) -> list[str] | None:
    """One text a line; where some line has none, or a blank one that is not allowed: an error, or None."""
    keys: list[str] = []
    for row in rows:
        key = row.key(name)
        if key is None or not (blank or key.strip()):
            if must:
                raise row.refused(f"{name!r} is {'missing' if key is None else 'empty'}", "one in every line")
            return None
        keys.append(key)
    return keys


def _concatenated(rows: Sequence[Row], parts: Sequence[np.ndarray]) -> np.ndarray:
    for row, part in zip(rows, parts, strict=True):
        if part.shape[1] != parts[0].shape[1]:
            raise row.refused(
                f"numbers in a step: {part.shape[1]}", f"{parts[0].shape[1]}, as in line {rows[0].number}"
            )
    return np.concatenate(parts)


def _place(path: Path, numbers: Sequence[int], i: int) -> str:
    return f"{path}, line {numbers[i]}"
