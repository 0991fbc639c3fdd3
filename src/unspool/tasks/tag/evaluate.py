"""How good rows of tags are."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from unspool.data.tagged import Tokens
from unspool.data.wording import counted
from unspool.tasks.tag.batches import TagBatch
from unspool.tasks.tag.model import TagModel
from unspool.tasks.tag.spans import SpanCounts, scores


class TagScores:
    """Accuracy a token, and spans, over rows of true tags and answers.

    Example:
        >>> scores = TagScores(prefixed=True)
        >>> scores.add(["B-X", "I-X", "O", "B-X"], ["B-X", "I-X", "B-X", "O"])
        >>> scores.metrics()
        {'accuracy': 0.5, 'macro_f1': 0.5, 'span_precision': 0.5, 'span_recall': 0.5, 'span_f1': 0.5}
    """

    def __init__(self, *, prefixed: bool) -> None:
        self.prefixed, self.sequences, self.spans = prefixed, 0, SpanCounts()
        self.there, self.said, self.right = Counter[str](), Counter[str](), Counter[str]()

    def add(self, truth: Sequence[str], answer: Sequence[str]) -> None:
        """Count one row."""
        self.sequences += 1
        self.there.update(truth)
        self.said.update(answer)
        self.right.update(a for a, b in zip(truth, answer, strict=True) if a == b)
        self.spans.add(truth, answer, prefixed=self.prefixed)

    def metrics(self) -> dict[str, float]:
        """`accuracy`, `macro_f1`: the mean F1, a token, of the tags that occur or were answered; and `span_precision`,
        `span_recall`, `span_f1` over the spans of all types together."""
        accuracy = self.right.total() / max(self.there.total(), 1)
        each = [scores(self.there[t], self.said[t], self.right[t])["f1"] for t in self.there | self.said]
        spans = {f"span_{name}": value for name, value in self.spans.total().items()}
        return {"accuracy": accuracy, "macro_f1": sum(each) / max(len(each), 1), **spans}

    def report(self) -> dict[str, Any]:
        """The metrics, the numbers of sequences and tokens, and `by_type`, rounded to four digits."""
        by_type = {name: _rounded(row) for name, row in self.spans.by_type().items()}
        return {
            "sequences": self.sequences,
            "tokens": self.there.total(),
            **_rounded(self.metrics()),
            "by_type": by_type,
        }


def _rounded(row: dict[str, Any]) -> dict[str, Any]:
    return {name: round(value, 4) for name, value in row.items()}


@torch.no_grad()
def mean_loss(model: TagModel, batches: Iterable[TagBatch]) -> float:
    """-log p a token with a tag that training knew; NaN if there is none."""
    device = next(model.parameters()).device
    total, tokens = 0.0, 0
    for batch in batches:
        batch = batch.to(device)
        loss, count = model.loss(model(batch.words), batch.tags, batch.words.lengths)
        total, tokens = total + float(loss), tokens + count
    return total / tokens if tokens else float("nan")


def warn_of_unknown_tags(sequences: Iterable[Tokens], tags: Iterable[str]) -> None:
    """Say which tags training never saw: no answer can be one of them."""
    known, unknown, first = set(tags), dict[str, int](), ""
    for sequence in sequences:
        for tag in sequence.tags:
            if tag not in known:
                unknown[tag] = unknown.get(tag, 0) + 1
                first = first or sequence.place
    if unknown:
        names = ", ".join(sorted(unknown)[:10])
        warnings.warn(
            f"training never saw the tags of {counted(sum(unknown.values()), 'token')} ({names}; first in the sequence "
            f"at {first}); every answer to them counts as wrong",
            stacklevel=2,
        )
