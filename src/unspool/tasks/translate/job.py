"""What the training loop needs of a translator: its batches, its loss, its validation."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from unspool.data.batches import Batch, Batches
from unspool.data.symbols import PAD, START, UNKNOWN
from unspool.data.tokenizer import Tokenizer
from unspool.decode import Limits, greedy
from unspool.layers.encoder_decoder import EncoderDecoder
from unspool.layers.symbol_loss import symbol_cross_entropy
from unspool.tasks.translate.settings import TranslateSettings

VALIDATED = 1000
"""Validation pairs that are also decoded, for exact match; all of them count for the loss."""
NEVER_WRITTEN = (PAD, START, UNKNOWN)
"""Symbols that are in no answer."""


class TranslateJob:
    """Trains an `EncoderDecoder` with teacher forcing (or scheduled sampling) on the log-loss of each symbol."""

    def __init__(
        self, model: EncoderDecoder, train: Batches, valid: Batches, target: Tokenizer, settings: TranslateSettings,
        longest_target: int,
    ) -> None:  # fmt: skip
        self.model, self._train, self._valid, self._settings = model, train, valid, settings
        self._target = target
        self._limits = Limits(max_length=longest_target, banned=NEVER_WRITTEN)
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
        loss = mean_loss(model, self._valid.epoch(0))
        return {"loss": loss, "perplexity": perplexity(loss), "exact_match": self._exact_match(model)}

    def _exact_match(self, model: EncoderDecoder) -> float:
        device = next(model.parameters()).device
        right, decoded = 0, 0
        for batch in self._valid.epoch(0):
            batch = batch.to(device)
            answers = greedy(model, (batch.source, batch.source_lengths), self._limits)
            for answer, row, length in zip(answers, batch.target.tolist(), batch.target_lengths.tolist(), strict=True):
                right += same_text(self._target.decode(answer.tokens), self._target.decode(row[1 : length - 1]))
            decoded += len(answers)
            if decoded >= VALIDATED:
                break
        return right / decoded


def same_text(answer: str, reference: str) -> bool:
    """Whether two texts are equal to the letter, any white space being one space: tokenizers need not tell it apart."""
    return answer.split() == reference.split()


@torch.no_grad()
def mean_loss(model: nn.Module, batches: Iterable[Batch]) -> float:
    """Cross-entropy in nats a target symbol, end symbols included."""
    device = next(model.parameters()).device
    loss, symbols = 0.0, 0
    for batch in batches:
        total, count = symbol_loss(model, batch.to(device))
        loss, symbols = loss + float(total), symbols + count
    return loss / symbols


def perplexity(loss: float) -> float:
    """e^loss, at most e^700: a float holds no more."""
    return math.exp(min(loss, 700))


def symbol_loss(
    model: nn.Module, batch: Batch, *, label_smoothing: float = 0.0, sampling: float = 0.0
) -> tuple[Tensor, int]:
    """Cross-entropy in nats summed over the target symbols of `batch` (end symbols included), and their number."""
    assert isinstance(model, EncoderDecoder)
    before, after, lengths = batch.target[:, :-1], batch.target[:, 1:], batch.target_lengths - 1
    features = model(batch.source, batch.source_lengths, before, lengths, sampling)
    valid = torch.arange(before.shape[1], device=before.device).unsqueeze(0) < lengths.unsqueeze(1)
    loss = symbol_cross_entropy(features[valid], model.output, after[valid], label_smoothing)
    return loss, int(lengths.sum())
