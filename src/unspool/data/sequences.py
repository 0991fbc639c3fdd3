"""Sequences in memory: texts, or rows of numbers over time, and what each belongs to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from unspool.data.wording import counted
from unspool.errors import DataError

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Sequences:
    """N sequences, each a text or a row of numbers over time, and what each belongs to.

    Attributes:
        kind: `"text"` or `"numbers"`.
        texts: of kind `"text"`: N texts, any of them may be empty.
        numbers: of kind `"numbers"`: `[sum of lengths, F]` float32, all finite, all sequences one after the other.
        offsets: of kind `"numbers"`: `[N + 1]` int64; sequence i is `numbers[offsets[i] : offsets[i + 1]]`.
        features: names of the F features.
        labels: as written, one text each; None where the input has none.
        groups: what each belongs to, for splits by group; None where no group was asked for.
        places: where sequence i was written, for messages: file and row(s), counted from 1.
        ids: the name of each, as written; None where the input has none.

    Example:
        >>> two = Sequences(
        ...     "numbers", None, np.arange(5, dtype=np.float32)[:, None], np.array([0, 3, 5]), ("x",), ["a", "b"],
        ...     None, lambda i: f"sequence {i + 1} of the list",
        ... )
        >>> len(two), two.lengths.tolist(), two.select(np.array([1])).places(0)
        (2, [3, 2], 'sequence 2 of the list')
    """

    kind: str
    texts: Sequence[str] | None
    numbers: np.ndarray | None
    offsets: np.ndarray | None
    features: tuple[str, ...]
    labels: Sequence[str] | None
    groups: Sequence[str] | None
    places: Callable[[int], str]
    ids: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.texts) if self.texts is not None else len(_given(self.offsets)) - 1

    @property
    def lengths(self) -> np.ndarray:
        """`[N]` int64: steps of each sequence; of a text, its characters."""
        if self.texts is None:
            return np.diff(_given(self.offsets))
        return np.fromiter(map(len, self.texts), dtype=np.int64, count=len(self.texts))

    def select(self, rows: np.ndarray) -> Sequences:
        """The sequences of these numbers, in the order given.

        Raises:
            IndexError: a number is outside of the sequences.
        """
        chosen = np.arange(len(self))[rows]
        numbers, offsets = self.numbers, self.offsets
        if numbers is not None and offsets is not None:
            lengths = np.diff(offsets)[chosen]
            ends = starts_and_end(lengths)
            numbers = numbers[np.repeat(offsets[chosen] - ends[:-1], lengths) + np.arange(ends[-1])]
            offsets = ends
        return replace(
            self, texts=_taken(self.texts, chosen), numbers=numbers, offsets=offsets,
            labels=_taken(self.labels, chosen), groups=_taken(self.groups, chosen), ids=_taken(self.ids, chosen),
            places=lambda i: self.places(int(chosen[i])),
        )  # fmt: skip


def starts_and_end(lengths: np.ndarray) -> np.ndarray:
    """`[N + 1]` int64: where each of N sequences begins when they lie one after the other, and where the last ends.

    Example:
        >>> starts_and_end(np.array([3, 0, 2])).tolist()
        [0, 3, 3, 5]
    """
    return np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))


def joined(parts: Sequence[Sequences]) -> Sequences:
    """All sequences of the parts, one part after the other; labels, groups and ids only where every part has them.

    Raises:
        DataError: one part is text and another numbers, or their features differ; a place in each is named.
    """
    if len(parts) == 1:
        return parts[0]
    for part in parts[1:]:
        _check_alike(parts[0], part)
    starts = starts_and_end(np.array([len(part) for part in parts]))

    def places(i: int) -> str:
        number = int(np.searchsorted(starts, i, side="right")) - 1
        return parts[number].places(i - int(starts[number]))

    numbers = offsets = None
    if parts[0].kind == "numbers":
        numbers = np.concatenate([_given(part.numbers) for part in parts])
        offsets = starts_and_end(np.concatenate([part.lengths for part in parts]))
    return replace(
        parts[0], numbers=numbers, offsets=offsets, places=places,
        texts=_chained([part.texts for part in parts]), labels=_chained([part.labels for part in parts]),
        groups=_chained([part.groups for part in parts]), ids=_chained([part.ids for part in parts]),
    )  # fmt: skip


def _check_alike(one: Sequences, other: Sequences) -> None:
    if one.kind != other.kind:
        raise DataError(
            f"{other.places(0)} is of kind {other.kind}, but {one.places(0)} of kind {one.kind}; expected one kind"
        )
    if one.features != other.features:
        unlike = [name for name in other.features if name not in one.features] or list(other.features)
        raise DataError(
            f"{other.places(0)} has {counted(len(other.features), 'feature')}, with {shown(unlike)}, but "
            f"{one.places(0)} has {counted(len(one.features), 'feature')}, {shown(one.features)}; expected the same, "
            "in the same order"
        )


def shown(names: Sequence[str], most: int = 12) -> str:
    """Names for a message, not too many.

    Example:
        >>> shown(["a", "b", "c"], most=2)
        "'a', 'b' and 1 more"
    """
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(map(repr, names[:most])) + more


def _taken(values: Sequence[T] | None, rows: np.ndarray) -> list[T] | None:
    return None if values is None else [values[i] for i in rows.tolist()]


def _chained(values: Sequence[Sequence[T] | None]) -> list[T] | None:
    given = [value for value in values if value is not None]
    return [item for value in given for item in value] if len(given) == len(values) else None


def _given(array: np.ndarray | None) -> np.ndarray:
    if array is None:
        raise DataError("the sequences are of kind 'numbers' but have no numbers or no offsets; expected both")
    return array
