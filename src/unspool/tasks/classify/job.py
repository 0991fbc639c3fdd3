"""What the training loop needs of a classifier: its batches, its loss, its validation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from unspool.tasks.classify.batches import Batch, Batches
from unspool.tasks.classify.model import SequenceClassifier
from unspool.tasks.classify.targets import Target


class ClassifyJob:
    """Trains a `SequenceClassifier` on the loss of its target, each sequence counting once.

    Args:
        model: what is trained.
        train, valid: labelled sequences.
        target: what their labels mean.
        weights: of the classes in the loss, see `Target.losses`.
    """

    def __init__(
        self, model: SequenceClassifier, train: Batches, valid: Batches, target: Target, weights: Tensor | None = None
    ) -> None:
        self.model, self._train, self._valid, self._target, self._weights = model, train, valid, target, weights

    def batches(self, epoch: int, start: int) -> Iterator[Batch]:
        return self._train.epoch(epoch, start)

    def count(self, epoch: int) -> int:
        return self._train.count(epoch)

    def loss(self, model: nn.Module, batch: Batch) -> tuple[Tensor, int]:
        """The loss summed over the sequences, and their number."""
        weights = None if self._weights is None else self._weights.to(batch.targets.device)
        losses = self._target.losses(model(batch.inputs, batch.lengths).float(), batch.targets, weights)
        return losses.sum(), len(losses)

    def validate(self, model: nn.Module) -> dict[str, float]:
        """`loss` (the mean of the training's), and the metrics of the target, such as `accuracy`."""
        outputs, targets = outputs_of(model, self._valid.epoch(0))
        loss = self._target.losses(outputs, targets, self._weights).mean()
        return {"loss": float(loss), **self._target.metrics(self._target.predictions(outputs), targets)}


@torch.no_grad()
def outputs_of(model: nn.Module, batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """The model's outputs for all sequences of `batches` `[N, O]`, and their targets, on the CPU."""
    device = next(model.parameters()).device
    found: list[tuple[Tensor, Tensor]] = []
    for batch in batches:
        outputs = model(batch.inputs.to(device), batch.lengths.to(device))
        found.append((outputs.float().cpu(), batch.targets))
    outputs, targets = zip(*found, strict=True)
    return torch.cat(outputs), torch.cat(targets)
