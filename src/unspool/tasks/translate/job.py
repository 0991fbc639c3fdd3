"""What the training loop needs of a translator: its batches, its loss, its validation."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from unspool.data.batches import Batch, Batches
from unspool.decode import Hypothesis, Limits, greedy
from unspool.layers.encoder_decoder import EncoderDecoder
from unspool.tasks.translate.settings import TranslateSettings

VALIDATED = 1000
"""Validation pairs that are also decoded, for exact match; all of them count for the loss."""


class TranslateJob:
    """Trains an `EncoderDecoder` with teacher forcing (or scheduled sampling) on the log-loss of each symbol."""

    def __init__(
        self, model: EncoderDecoder, train: Batches, valid: Batches, settings: TranslateSettings, longest_target: int
    ) -> None:
        self.model, self._train, self._valid, self._settings = model, train, valid, settings
        self._limits = Limits(max_length=longest_target, banned=(0, 1, 3))
        self._epoch = 0

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        self._epoch = epoch
        return self._train.epoch(epoch, start)

    def count(self, epoch: int) -> int:
        return self._train.count(epoch)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, int]:
        """Cross-entropy summed over the target symbols, smoothed if asked for."""
        settings = self._settings
        rate = settings.sampling * min(1.0, self._epoch / settings.sampling_epochs)
        return symbol_loss(model, batch, label_smoothing=settings.label_smoothing, sampling=rate)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """`loss` (nats a symbol), `perplexity`, and `exact_match` of greedy decoding."""
        assert isinstance(model, EncoderDecoder)
        device = next(model.parameters()).device
        loss, symbols, right, decoded = 0.0, 0, 0, 0
        for batch in self._valid.epoch(0):
            batch = batch.to(device)
            total, count = symbol_loss(model, batch)
            loss, symbols = loss + float(total), symbols + count
            if decoded < VALIDATED:
                answers = greedy(model, (batch.source, batch.source_lengths), self._limits)
                right += sum(map(_same, answers, batch.target.tolist(), batch.target_lengths.tolist()))
                decoded += len(answers)
        return {
            "loss": loss / symbols,
            "perplexity": math.exp(min(loss / symbols, 700)),
            "exact_match": right / decoded,
        }


def _same(answer: Hypothesis, target: list[int], length: int) -> bool:
    return answer.finished and list(answer.tokens) == target[1 : length - 1]


def symbol_loss(
    model: nn.Module, batch: Batch, *, label_smoothing: float = 0.0, sampling: float = 0.0
) -> tuple[Tensor, int]:
    """Cross-entropy in nats summed over the target symbols of `batch` (end symbols included), and their number."""
    assert isinstance(model, EncoderDecoder)
    before, after, lengths = batch.target[:, :-1], batch.target[:, 1:], batch.target_lengths - 1
    features = model(batch.source, batch.source_lengths, before, lengths, sampling)
    valid = torch.arange(before.shape[1], device=before.device).unsqueeze(0) < lengths.unsqueeze(1)
    logits = model.logits(features[valid])
    loss = nn.functional.cross_entropy(logits.float(), after[valid], reduction="sum", label_smoothing=label_smoothing)
    return loss, int(lengths.sum())
