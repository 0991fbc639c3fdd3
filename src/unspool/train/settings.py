"""Every choice of a training, checked where it enters."""

from __future__ import annotations

import math
from dataclasses import dataclass

from unspool.errors import ConfigError
from unspool.train.until import parse_until

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "linear", "cosine", "inverse-sqrt", "plateau")
PRECISIONS = ("fp32", "bf16", "fp16")
MODES = ("min", "max")


@dataclass(frozen=True)
class TrainSettings:
    """How to train. Raises `ConfigError` for a value that cannot work.

    Optimizer: `optimizer` (adam, adamw or sgd), `lr`, `weight_decay`, `betas` (Adam's), `momentum` (SGD's);
    `clip_norm` bounds the norm of the whole gradient, `clip_value` each of its entries (None: no bound).

    Schedule: `schedule` shapes the rate after `warmup` steps of linear increase. linear and cosine fall to 0 at the
    end of `epochs` or `max_steps`; inverse-sqrt falls as 1/√step; plateau multiplies the rate by `plateau_factor`
    after `plateau_patience` validations in a row without a new best.

    End: the first of `epochs`, `max_steps`, `max_minutes` (of training, summed over resumes; at least one of the
    three must be set), `patience` (validations in a row without a new best) and `until` (`"exact_match>=0.99"`).

    Validation: every `validate_every` steps (0: at the end of each epoch). `monitor` names the metric that decides
    which weights are best, `mode` whether its least or greatest value is.

    Weights: the `keep_best` best are kept; `average` ends with their mean if it is at least as good as the best;
    `ema` (a decay such as 0.999) validates and saves an exponential moving average of the weights.

    Also `precision` (fp32, or bf16 and fp16 autocast where the device has them), `seed` (dropout and the like),
    `log_every` (steps between lines of metrics.jsonl), `checkpoint_minutes`, and `tensorboard`.
    """

    optimizer: str = "adam"
    lr: float = 1e-3
    weight_decay: float = 0.0
    betas: tuple[float, float] = (0.9, 0.999)
    momentum: float = 0.0
    clip_norm: float | None = 1.0
    clip_value: float | None = None
    schedule: str = "constant"
    warmup: int = 0
    plateau_factor: float = 0.5
    plateau_patience: int = 1
    epochs: int | None = None
    max_steps: int | None = None
    max_minutes: float | None = None
    patience: int | None = None
    until: str | None = None
    validate_every: int = 0
    monitor: str = "loss"
    mode: str = "min"
    keep_best: int = 1
    average: bool = False
    ema: float | None = None
    precision: str = "fp32"
    seed: int = 0
    log_every: int = 50
    checkpoint_minutes: float = 5.0
    tensorboard: bool = False

    def __post_init__(self) -> None:
        self._check_choices()
        self._check_numbers()
        self._check_end()
        if self.until is not None:
            parse_until(self.until)
        if self.average and self.keep_best < 2:
            raise ConfigError(
                f"average=True needs at least two kept weights to average, but keep_best={self.keep_best}; "
                "set keep_best to the number to average, for example 5"
            )

    def _check_choices(self) -> None:
        for name, choices in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("precision", PRECISIONS),
            ("mode", MODES),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name}={getattr(self, name)!r} is unknown; choose one of {', '.join(choices)}")

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
        most = f" and below {high:g}" if high < math.inf else ""
        raise ConfigError(f"{name}={value!r} cannot work; it must be {least}{most}")


def _whole(name: str, value: int, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ConfigError(f"{name}={value!r} cannot work; it must be a whole number of at least {least}")
