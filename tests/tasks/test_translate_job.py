"""The loss that a translator is trained on."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from unspool.cells import GRUCell
from unspool.data.batches import Batches
from unspool.data.corpus import ListCorpus
from unspool.data.tokenizer import train_tokenizer
from unspool.layers.encoder_decoder import EncoderDecoder
from unspool.tasks.translate import TranslateSettings
from unspool.tasks.translate.job import TranslateJob


def job(**choices: Any) -> TranslateJob:
    pairs = [("ab", "ba"), ("a", "a"), ("bab", "bab")]
    tokenizer = train_tokenizer("chars", ["ab"], vocabulary=10)
    batches = Batches(ListCorpus(pairs), tokenizer, tokenizer, max_tokens=40)
    sizes = {"tokenizer": "chars", "hidden": 5, "embedding": 5, "dropout": 0.0, "label_smoothing": 0.0}
    settings = TranslateSettings(**{**sizes, **choices})
    torch.manual_seed(3)
    model = EncoderDecoder(GRUCell, settings.model_config(tokenizer.size, tokenizer.size))
    return TranslateJob(model, batches, batches, tokenizer, settings, 9)


def losses(job: TranslateJob, epoch: int = 0) -> list[float]:
    """The loss of each batch of an epoch."""
    torch.manual_seed(4)
    return [job.loss(job.model, batch)[0].item() for batch in job.batches(epoch, 0)]


def test_label_smoothing_gives_all_symbols_a_share() -> None:
    """(1-ε)·(-log p(right)) + ε·mean over all V symbols of -log p, summed over the symbols of each target."""
    smoothed = job(label_smoothing=0.3)
    (batch,) = smoothed.batches(0, 0)
    expected, symbols = 0.0, 0
    for row in range(3):
        length = int(batch.target_lengths[row]) - 1
        target = batch.target[row : row + 1, :length]
        source = batch.source[row : row + 1, : int(batch.source_lengths[row])]
        features = smoothed.model(source, batch.source_lengths[row : row + 1], target, torch.tensor([length]))
        scores = -torch.log_softmax(smoothed.model.logits(features)[0], 1)
        right = scores[torch.arange(length), batch.target[row, 1 : length + 1]]
        expected += (0.7 * right + 0.3 * scores.mean(1)).sum().item()
        symbols += length
    loss, tokens = smoothed.loss(smoothed.model, batch)
    assert tokens == symbols and loss.item() == pytest.approx(expected, rel=1e-5)
    assert losses(job()) != pytest.approx([expected], rel=1e-3)


def test_sampling_rises_over_its_epochs() -> None:
    sampled = job(sampling=0.5, sampling_epochs=4)
    seen: list[float] = []
    sampled.model.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[4]))
    for epoch in (0, 1, 3, 4, 9):
        losses(sampled, epoch)
    assert seen == [0.0, 0.125, 0.375, 0.5, 0.5]


def test_sampling_changes_what_the_decoder_reads() -> None:
    """At rate 1 the decoder reads its own symbols only: the loss is another than with the true ones."""
    assert losses(job(sampling=1.0, sampling_epochs=1), epoch=0) == losses(job())
    assert losses(job(sampling=1.0, sampling_epochs=1), epoch=1) != pytest.approx(losses(job(), epoch=1), rel=1e-4)
