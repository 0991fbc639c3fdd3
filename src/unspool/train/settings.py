"""Every choice of a training, checked where it enters."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from unspool.errors import ConfigError, check_switches
from unspool.train.until import Until, parse_until

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "linear", "cosine", "inverse-sqrt", "plateau")
PRECISIONS = ("fp32", "bf16", "fp16")
MODES = ("min", "max")
BETTER = {
    **dict.fromkeys(("loss", "perplexity", "bits_per_character", "mae", "rmse", "log_loss", "ece"), "min"),
    **dict.fromkeys(
        (
            "exact_match",
            "accuracy",
            "macro_f1",
            "micro_f1",
            "span_f1",
            "span_precision",
            "span_recall",
            "r2",
            "bleu",
            "chrf",
        ),
        "max",
    ),
}
"""Whether the least or the greatest value is best, of the metrics for which that is known."""


@dataclass(frozen=True)
class TrainSettings:
    """How to train. Raises `ConfigError` for a value that cannot work.

    Optimizer: `optimizer` (adam, adamw or sgd), `lr`, `weight_decay`, `betas` (Adam's), `momentum` (SGD's);
    `clip_norm` bounds the norm of the whole gradient, `clip_value` each of its entries (None: no bound).

    Schedule: `schedule` shapes the rate after `warmup` steps of linear increase. linear and cosine fall to 0 at the
    end of `epochs` or `max_steps`; inverse-sqrt falls as 1/√step; plateau multiplies the rate by `plateau_factor`
    after `plateau_patience` validations in a row without a new best.

    End: the first of `epochs`, `max_steps`, `max_minutes` (of training, summed over resumes; at least one of the
    three must be set), `patience` (validations in a row without a new best) and `until` (`"exact_match>=0.99"`: the
    best weights, which are those kept, satisfy it).

    Validation: every `validate_every` steps (0: at the end of each epoch). `monitor` names the metric that decides
    which weights are best (None: that of `until`, or else the loss), `mode` whether its least or greatest value is
    (None: as `until` asks, or as is known of the metric); `monitored` and `direction` are what follows.

    Weights: the `keep_best` best are kept; `average` ends with their mean if it is at least as good as the best and
    satisfies `until` where that does; `ema` (a decay such as 0.999) validates and saves an exponential moving average
    of the weights.

    Also `precision` (fp32, or bf16 and fp16 autocast where the device has them), `seed` (dropout and the like),
    `log_every` (steps between lines of metrics.jsonl), `checkpoint_minutes`, and `tensorboard`.

    Example:
        >>> TrainSettings(lr=3e-3, schedule="cosine", warmup=100, max_steps=1200).clip_norm
        1.0

    A run is resumed with the same `optimizer`, and with the same metric once weights were kept by it. Everything else
    may change, and is then said and written into the run's config (`unspool.train.resume.note_changes`).
    """

    optimizer: Annotated[str, "adam, adamw or sgd"] = "adam"
    lr: Annotated[float, "learning rate after the warm-up"] = 1e-3
    weight_decay: Annotated[float, "weight decay (adam: L2 penalty)"] = 0.0
    betas: Annotated[tuple[float, float], "decay rates of Adam's averages"] = (0.9, 0.999)
    momentum: Annotated[float, "of SGD"] = 0.0
    clip_norm: Annotated[float | None, "bound on the gradient's norm"] = 1.0
    clip_value: Annotated[float | None, "bound on each entry of the gradient"] = None
    schedule: Annotated[str, "constant, linear, cosine, inverse-sqrt or plateau"] = "constant"
    warmup: Annotated[int, "steps over which the rate rises from 0"] = 0
    plateau_factor: Annotated[float, "plateau: what the rate is multiplied by"] = 0.5
    plateau_patience: Annotated[int, "plateau: validations without a new best before that"] = 1
    epochs: Annotated[int | None, "end after so many passes over the data"] = None
    max_steps: Annotated[int | None, "end after so many steps"] = None
    max_minutes: Annotated[float | None, "end after so many minutes, summed over resumes"] = None
    patience: Annotated[int | None, "end after so many validations without a new best"] = None
    until: Annotated[str | None, "end when a metric is good enough, such as 'exact_match>=0.99'"] = None
    validate_every: Annotated[int, "steps between validations; 0: after each epoch"] = 0
    monitor: Annotated[str | None, "metric that decides which weights are best; none: that of until, or loss"] = None
    mode: Annotated[str | None, "which value of it is best: min or max; none: as until asks, or as is known"] = None
    keep_best: Annotated[int, "how many of the best weights to keep"] = 1
    average: Annotated[bool, "end with the mean of the kept weights if it is as good"] = False
    ema: Annotated[float | None, "decay of a moving average of the weights, such as 0.999"] = None
    precision: Annotated[str, "fp32, bf16 or fp16"] = "fp32"
    seed: Annotated[int, "of data order, first values and dropout"] = 0
    log_every: Annotated[int, "steps between lines of metrics.jsonl"] = 50
    checkpoint_minutes: Annotated[float, "minutes between checkpoints"] = 5.0
    tensorboard: Annotated[bool, "also write TensorBoard's files"] = False

    def __post_init__(self) -> None:
        check_switches(self)
        self._check_choices()
        self._check_numbers()
        self._check_end()
        self._check_direction()
        if self.average and self.keep_best < 2:
            raise ConfigError(
                f"average=True needs at least two kept weights to average, but keep_best={self.keep_best}; "
                "set keep_best to the number to average, for example 5"
            )

    @property
    def goal(self) -> Until | None:
        """`until`, read."""
        return None if self.until is None else parse_until(self.until)

    @property
    def monitored(self) -> str:
        """The metric that decides which weights are best."""
        return self.monitor or (self.goal.metric if self.goal is not None else "loss")

    @property
    def direction(self) -> str:
        """`min` or `max`: which value of the monitored metric is best."""
        return self.mode or self._goal_direction() or BETTER[self.monitored]

    def _goal_direction(self) -> str | None:
        if self.goal is None or self.goal.metric != self.monitored:
            return None
        return "max" if self.goal.comparison in (">", ">=") else "min"

    def _check_direction(self) -> None:
        asked = self._goal_direction()
        if self.mode is not None and asked not in (None, self.mode):
            raise ConfigError(
                f"mode={self.mode!r} keeps the weights that are farthest from until={self.until!r}; "
                f"leave mode out, or set it to {asked!r}"
            )
        if self.mode is None and asked is None and self.monitored not in BETTER:
            raise ConfigError(
                f"monitor={self.monitored!r}: it is not known which of its values is best; set mode to min or max "
                f"(known without it: {', '.join(BETTER)})"
            )

    def _check_choices(self) -> None:
        for name, choices in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("mode", (None, *MODES)),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"{name}={getattr(self, name)!r} is unknown; choose one of {', '.join(filter(None, choices))}"
                )

    def _check_numbers(self) -> None:
        _between("lr", self.lr, 0, math.inf, open_low=True)
        _between("weight_decay", self.weight_decay, 0, math.inf)
        for beta in self.betas:
            _between("betas", beta, 0, 1)
        _between("momentum", self.momentum, 0, 1)
        _between("plateau_factor", self.plateau_factor, 0, 1, open_low=True)
        for name in ("clip_norm", "clip_value", "max_minutes"):
            if getattr(self, name) is not None:
                _between(name, getattr(self, name), 0, math.inf, open_low=True)
        if self.ema is not None:
            _between("ema", self.ema, 0, 1, open_low=True)
        _between("checkpoint_minutes", self.checkpoint_minutes, 0, math.inf)
        for name, least in (("warmup", 0), ("validate_every", 0), ("keep_best", 1), ("log_every", 1), ("seed", 0)):
            _whole(name, getattr(self, name), least)
        if self.seed >= 2**63:
            raise ConfigError(f"seed={self.seed} cannot work; it must be below 2^63")
        for name in ("epochs", "max_steps", "patience", "plateau_patience"):
            if getattr(self, name) is not None:
                _whole(name, getattr(self, name), 1)

    def _check_end(self) -> None:
        if self.epochs is None and self.max_steps is None and self.max_minutes is None:
            raise ConfigError("nothing bounds this training; set at least one of epochs, max_steps and max_minutes")
        if self.schedule in ("linear", "cosine") and self.epochs is None and self.max_steps is None:
            raise ConfigError(
                f"schedule={self.schedule!r} spreads over the whole training, whose number of steps max_minutes alone "
                "does not tell; set epochs or max_steps, or use constant, inverse-sqrt or plateau"
            )


def _between(name: str, value: float, low: float, high: float, *, open_low: bool = False) -> None:
    inside = low < value < high if open_low else low <= value < high
    if not inside:
        least = f"{'greater than' if open_low else 'at least'} {low:g}"
        most = f" and below {high:g}" if high < math.inf else " and finite"
        raise ConfigError(f"{name}={value!r} cannot work; it must be {least}{most}")


def _whole(name: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name}={value!r} cannot work; it must be a whole number of at least {least}")
