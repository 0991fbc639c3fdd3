"""Spans in rows of tags, and how many were found: precision, recall and F1."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

OUTSIDE = "O"
_PREFIXED = re.compile(r"[BIES](-.+)?", re.DOTALL)


class Span(NamedTuple):
    """Tokens `start` to `end` (exclusive) of one type."""

    start: int
    end: int
    type: str


def has_prefixes(tags: Iterable[str]) -> bool:
    """Whether tags are written with prefixes: B- and I- (IOB, BIO), perhaps also E- and S- (IOBES).

    Example:
        >>> has_prefixes(["O", "B-PER", "I-PER"]), has_prefixes(["O", "NOUN"]), has_prefixes(["I", "O"])
        (True, False, False)
    """
    inside = {tag for tag in tags if tag != OUTSIDE}
    known = all(_PREFIXED.fullmatch(tag) for tag in inside)
    return known and any(len(tag) > 1 or tag == "B" for tag in inside)


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and type.

    Example:
        >>> split_tag("B-PER-X"), split_tag("O"), split_tag("B")
        (('B', 'PER-X'), ('O', ''), ('B', ''))
    """
    prefix, _, kind = tag.partition("-")
    return prefix, kind


def spans(tags: Sequence[str], *, prefixed: bool) -> list[Span]:
    """The spans of a row of tags.

    With prefixes by the rules of conlleval (Tjong Kim Sang & Buchholz 2000, https://aclanthology.org/W00-0726): a span
    begins at B or S, at another type than before, and at I or E after O, E or S; it ends where the next begins, and
    before O. Without prefixes a span is a run of equal tags that are not `O`.

    Example:
        >>> spans(["B-PER", "I-PER", "O", "I-LOC", "B-LOC"], prefixed=True)
        [Span(start=0, end=2, type='PER'), Span(start=3, end=4, type='LOC'), Span(start=4, end=5, type='LOC')]
        >>> spans(["N", "N", "O"], prefixed=False)
        [Span(start=0, end=2, type='N')]
    """
    found: list[Span] = []
    before, kind, start = OUTSIDE, "", 0
    for at, tag in enumerate([*tags, OUTSIDE]):
        if tag == OUTSIDE or not prefixed:
            prefix, now = ("O", "") if tag == OUTSIDE else ("I", tag)
        else:
            prefix, now = split_tag(tag)
        apart = before == OUTSIDE or prefix == OUTSIDE or now != kind or before in ("E", "S") or prefix in ("B", "S")
        if apart and before != OUTSIDE:
            found.append(Span(start, at, kind))
        if apart:
            start = at
        before, kind = prefix, now
    return found


@dataclass
class SpanCounts:
    """How many spans of each type there are, were said to be, and were found exactly."""

    there: Counter[str] = field(default_factory=Counter)
    said: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)

    def add(self, truth: Sequence[str], answer: Sequence[str], *, prefixed: bool) -> None:
        """Count the spans of one row of tags."""
        real, found = spans(truth, prefixed=prefixed), spans(answer, prefixed=prefixed)
        self.there.update(span.type for span in real)
        self.said.update(span.type for span in found)
        self.right.update(span.type for span in set(real) & set(found))

    def total(self) -> dict[str, float]:
        """`precision`, `recall` and `f1` over all spans."""
        return scores(self.there.total(), self.said.total(), self.right.total())

    def by_type(self) -> dict[str, dict[str, Any]]:
        """The same for each type, with its number of `spans`."""
        types = sorted(self.there.keys() | self.said.keys())
        return {t: {**scores(self.there[t], self.said[t], self.right[t]), "spans": self.there[t]} for t in types}


def scores(there: int, said: int, right: int) -> dict[str, float]:
    """precision = right / said, recall = right / there, f1 = 2 · right / (said + there); 0 where nothing is divided by.

    Example:
        >>> scores(4, 2, 1)
        {'precision': 0.5, 'recall': 0.25, 'f1': 0.3333333333333333}
    """
    return {
        "precision": right / said if said else 0.0,
        "recall": right / there if there else 0.0,
        "f1": 2 * right / (said + there) if said + there else 0.0,
    }
