"""Which tag may follow which, where tags have prefixes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unspool.tasks.tag.spans import has_prefixes, split_tag

FORBIDDEN = -1e4
"""The score of an impossible transition: below what any score outweighs, yet finite, so that where no row of tags is
possible at all, the one with the fewest impossible transitions is found."""
_OPEN = ("B", "I")
"""Prefixes of a span that may go on."""
_WITHIN = ("I", "E")
"""Prefixes of a span that has begun."""
_EDGE = "O"


class Rules(NamedTuple):
    """What is added to the scores of transitions, 0 or `FORBIDDEN`.

    `start` `[K]`, `transition` `[K, K]` (from row to column), `end` `[K]`.
    """

    start: Tensor
    transition: Tensor
    end: Tensor


def may_follow(before: str, after: str, *, closing: bool) -> bool:
    """Whether one tag can come after another; the edges of a row are like `O`.

    I- and E- go on with a span of their type, which B- or I- left open; where tags are IOBES (`closing`), a span that
    is open must go on to its E-.

    Example:
        >>> [may_follow(before, "I-X", closing=False) for before in ("B-X", "I-X", "B-Y", "O")]
        [True, True, False, False]
        >>> may_follow("B-X", "O", closing=False), may_follow("B-X", "O", closing=True)
        (True, False)
    """
    (prefix, kind), (next_prefix, next_kind) = split_tag(before), split_tag(after)
    goes_on = prefix in _OPEN and kind == next_kind and next_prefix in _WITHIN
    if next_prefix in _WITHIN:
        return goes_on
    return not (closing and prefix in _OPEN)


def closes(tags: Iterable[str]) -> bool:
    """Whether tags say where spans end: IOBES."""
    return any(split_tag(tag)[0] in ("E", "S") for tag in tags)


def rules(tags: Sequence[str]) -> Rules:
    """The rules of `K` tags with prefixes."""
    closing = closes(tags)

    def row(before: str) -> list[float]:
        return [0.0 if may_follow(before, tag, closing=closing) else FORBIDDEN for tag in tags]

    end = [0.0 if may_follow(tag, _EDGE, closing=closing) else FORBIDDEN for tag in tags]
    return Rules(torch.tensor(row(_EDGE)), torch.tensor([row(tag) for tag in tags]), torch.tensor(end))


def follow_rules(rows: Iterable[Sequence[str]], tags: Sequence[str]) -> bool:
    """Whether tags have prefixes and no row of them breaks a rule (in IOB1, for example, I- may begin a span).

    Example:
        >>> follow_rules([["B-X", "I-X"]], ["B-X", "I-X"]), follow_rules([["O", "I-X"]], ["I-X", "O"])
        (True, False)
    """
    if not has_prefixes(tags):
        return False
    closing = closes(tags)
    pairs = {pair for row in rows for pair in zip((_EDGE, *row), (*row, _EDGE), strict=True)}
    return all(may_follow(before, after, closing=closing) for before, after in pairs)
