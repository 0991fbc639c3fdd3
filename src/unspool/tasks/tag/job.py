"""What the training loop needs of a tagger: its batches, its loss, its validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn

from unspool.tasks.tag.answers import best_tags
from unspool.tasks.tag.batches import TagBatch, TagBatches
from unspool.tasks.tag.evaluate import TagScores
from unspool.tasks.tag.model import TagModel
from unspool.tasks.tag.rules import Rules
from unspool.tasks.tag.spans import has_prefixes


class TagJob:
    """Trains a `TagModel` on the log-loss of each tag, or of each row of tags with a CRF."""

    def __init__(
        self, model: TagModel, train: TagBatches, valid: TagBatches, tags: Sequence[str], rules: Rules | None,
        weights: Tensor | None = None,
    ) -> None:  # fmt: skip
        self.model, self._train, self._valid, self._tags, self._rules = model, train, valid, list(tags), rules
        self._weights = weights

    def batches(self, epoch: int, start: int) -> Iterator[TagBatch]:
        return self._train.epoch(epoch, start)

    def count(self, epoch: int) -> int:
        return self._train.count(epoch)

    def loss(self, model: nn.Module, batch: TagBatch) -> tuple[Tensor, int]:
        """-w log p of the true tags, w their weights, summed, and the number of tokens."""
        assert isinstance(model, TagModel)
        weights = None if self._weights is None else self._weights.to(batch.tags.device)
        return model.loss(model(batch.words), batch.tags, batch.words.lengths, weights)

    @torch.no_grad()
    def validate(self, model: nn.Module) -> dict[str, float]:
        """`loss` (nats a token, each with the same weight), `accuracy`, `macro_f1`, `span_precision`, `span_recall` and
        `span_f1`."""
        assert isinstance(model, TagModel)
        device = next(model.parameters()).device
        scores, total, tokens = TagScores(prefixed=has_prefixes(self._tags)), 0.0, 0
        for batch in self._valid.epoch(0):
            batch = batch.to(device)
            found = model(batch.words)
            loss, count = model.loss(found, batch.tags, batch.words.lengths)
            total, tokens = total + float(loss), tokens + count
            paths = best_tags(found, batch.words.lengths, crf=model.crf, rules=self._rules).tolist()
            for row, path in zip(batch.rows, paths, strict=True):
                truth = self._valid.sequences[row].tags
                scores.add(truth, [self._tags[number] for number in path[: len(truth)]])
        return {"loss": total / tokens if tokens else float("nan"), **scores.metrics()}
