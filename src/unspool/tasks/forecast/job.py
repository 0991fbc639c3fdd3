"""What the training loop needs of a forecaster: its windows, its loss, its validation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from torch import Tensor, nn

from unspool.errors import ConfigError
from unspool.tasks.forecast.windows import Draws, WindowBatch

MEASURES = ("loss",)
"""What is measured on the validation windows."""


class ForecastJob:
    """Trains a forecaster on drawn windows, each observed step of a forecast counting once.

    Args:
        model: what is trained; it has an `output` and gives the parameters of the steps that end a window.
        train: windows to learn from.
        valid: batches of windows to validate on.
    """

    def __init__(self, model: nn.Module, train: Draws, valid: Iterable[WindowBatch]) -> None:
        self.model, self._train, self._valid = model, train, valid

    def batches(self, epoch: int, start: int) -> Iterator[WindowBatch]:
        return self._train.epoch(epoch, start)

    def count(self, epoch: int) -> int:
        return self._train.count(epoch)

    def loss(self, model: nn.Module, batch: WindowBatch) -> tuple[Tensor, int]:
        """The output's cost summed over the steps that were observed, and their number."""
        losses, seen = costs(model, batch, model(batch))
        return losses[seen].sum(), int(seen.sum())

    def validate(self, model: nn.Module) -> dict[str, float]:
        """`loss`: the output's cost of a step, on the scale of the windows."""
        total, count = 0.0, 0
        device = next(model.parameters()).device
        for batch in self._valid:
            moved = batch.to(device)
            horizon = moved.y.shape[1] - moved.past.shape[1]
            losses, seen = costs(model, moved, model(moved)[:, -horizon:])
            total, count = total + float(losses[seen].double().sum()), count + int(seen.sum())
        return {"loss": total / max(count, 1)}


def check_measure(name: str, option: str) -> None:
    """Refuse to choose weights by what is not measured, before anything is trained.

    Raises:
        ConfigError: validation does not measure it.
    """
    if name not in MEASURES:
        raise ConfigError(
            f"{option} asks for the metric {name!r}, but validation of a forecaster measures {', '.join(MEASURES)} "
            f"alone; choose that, or leave {option} out"
        )


def costs(model: nn.Module, batch: WindowBatch, params: Tensor) -> tuple[Tensor, Tensor]:
    """The cost of each of the last T steps of the windows, `params` `[B, T, P]`, and which of them were observed."""
    last = params.shape[1]
    losses = model.output.losses(params.float(), *(part[:, -last:] for part in (batch.y, batch.loc, batch.scale)))  # pyright: ignore
    return losses, batch.seen[:, -last:]
