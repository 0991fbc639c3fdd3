"""Where a training stands, as plain numbers: all of it goes into the JSON of a checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from unspool.train.settings import TrainSettings


@dataclass
class Best:
    """One of the kept best weights: the step, its monitored value, and all metrics measured there."""

    step: int
    value: float
    metrics: dict[str, float]


@dataclass
class Window:
    """Sums since the latest training line of metrics.jsonl."""

    loss: float = 0.0
    tokens: int = 0
    norm: float = 0.0
    norms: int = 0


@dataclass
class TrainState:
    """`step` steps are done; the next takes batch `batch` of epoch `epoch` (both from 0).

    `seconds` is the time spent training, over all resumes; `stale` counts validations since the latest new best;
    `metrics` are the latest validation's; `best` is sorted, the best first.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    seconds: float = 0.0
    stale: int = 0
    metrics: dict[str, float] = field(default_factory=dict)
    best: list[Best] = field(default_factory=list)
    window: Window = field(default_factory=Window)

    def to_json(self) -> dict[str, Any]:
        """As JSON values; a metric that is not finite becomes null."""
        return finite_or_null(asdict(self))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> TrainState:
        """Inverse of `to_json`: null metrics become NaN."""
        best = [Best(b["step"], b["value"], _numbers(b["metrics"])) for b in value["best"]]
        plain = {**value, "metrics": _numbers(value["metrics"]), "best": best, "window": Window(**value["window"])}
        return cls(**plain)

    def rank(self, settings: TrainSettings, value: float) -> bool:
        """Enter the latest validation into the best list; True if it is the best so far. NaN never enters."""
        self.stale += 1
        if not math.isfinite(value):
            return False
        sign = 1 if settings.direction == "min" else -1
        new_best = not self.best or sign * value < sign * self.best[0].value
        self.best.append(Best(self.step, value, dict(self.metrics)))
        self.best.sort(key=lambda b: (sign * b.value, b.step))
        del self.best[settings.keep_best :]
        if new_best:
            self.stale = 0
        return new_best

    def reached(self, settings: TrainSettings) -> bool:
        """Whether the best weights, which are those that the run keeps, satisfy `until`."""
        return settings.goal is not None and bool(self.best) and settings.goal.reached(self.best[0].metrics)

    def end_reason(self, settings: TrainSettings) -> str | None:
        """Why the training ends here, or None."""
        if self.reached(settings):
            return f"reached {settings.until}"
        if settings.patience is not None and self.stale >= settings.patience:
            return f"no better {settings.monitored} in {self.stale} validations"
        if settings.max_steps is not None and self.step >= settings.max_steps:
            return f"max_steps={settings.max_steps}"
        if settings.epochs is not None and self.epoch >= settings.epochs:
            return f"epochs={settings.epochs}"
        if settings.max_minutes is not None and self.seconds >= 60 * settings.max_minutes:
            return f"max_minutes={settings.max_minutes:g}"
        return None


def finite_or_null(value: Any) -> Any:
    """JSON has no NaN: replace floats that are not finite by None, throughout dicts and lists."""
    if isinstance(value, dict):
        return {key: finite_or_null(item) for key, item in value.items()}
    if isinstance(value, list):
        return [finite_or_null(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: math.nan if value is None else value for name, value in metrics.items()}
