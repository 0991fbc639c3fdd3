"""The losses and gradient norms of the latest steps, read from the device as seldom as possible."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor

from unspool.errors import TrainingError
from unspool.train.precision import Precision
from unspool.train.state import Window


class _Step(NamedTuple):
    step: int
    loss: Tensor | float
    tokens: int
    norm: Tensor


class Meter:
    """Steps wait here as device tensors until `read` adds them to a window.

    Reading makes an accelerator wait, so the loop reads every step only on the CPU, otherwise when it writes a line,
    validates or saves: never later than the numbers could reach the disk.
    """

    def __init__(self, precision: Precision) -> None:
        self._waiting: list[_Step] = []
        self._precision = precision
        self.loss = math.nan
        """Mean loss per token of the latest step read."""

    def add(self, step: int, loss: Tensor | float, tokens: int, norm: Tensor) -> None:
        """Note a step: its summed loss, its tokens, the norm of its gradient before clipping."""
        self._waiting.append(_Step(step, loss, tokens, norm))

    def read(self, window: Window, kept: str) -> None:
        """Move all waiting steps into `window`.

        Raises `TrainingError` at the first loss or gradient norm that is not finite, saying that `kept` is untouched.
        Under a loss scaler a norm that is not finite is a skipped step, and an error only once the scale has fallen so
        far that it cannot be what keeps the gradient from being finite.
        """
        skips = self._precision.skips
        for entry in self._waiting:
            loss, norm = float(entry.loss), float(entry.norm)
            if not math.isfinite(loss) or not (math.isfinite(norm) or skips):
                raise TrainingError(_explain(entry.step, loss / max(entry.tokens, 1), norm, kept))
            window.loss += loss
            window.tokens += entry.tokens
            if math.isfinite(norm):
                window.norm += norm
                window.norms += 1
            self.loss = loss / max(entry.tokens, 1)
        self._waiting.clear()


def _explain(step: int, loss: float, norm: float, kept: str) -> str:
    return (
        f"step {step}: the loss is {loss:g} and the gradient norm {norm:g}, but both must be finite. Lower lr, add "
        "warmup, set or lower clip_norm, use precision fp32 if it is not, and look for empty or broken examples; "
        f"then start again or go on with --resume. {kept}"
    )
