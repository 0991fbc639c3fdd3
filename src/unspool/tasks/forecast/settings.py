"""Every choice of a forecaster that is not a choice of its training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from unspool.data.given import whole
from unspool.errors import ConfigError, check_switches, one_of
from unspool.tasks.forecast.levels import levels_of

MODELS = ("encoder-decoder", "autoregressive")
DECODERS = ("recurrent", "parallel")
OUTPUTS = ("quantiles", "student-t", "gaussian", "negative-binomial", "point", "mean")
NUMBERS = ("point", "mean")
"""The outputs that are one number: the median, and the mean."""
SCALINGS = ("mean-abs", "robust", "instance", "seasonal", "last", "none")
USUAL = {"encoder-decoder": "quantiles", "autoregressive": "student-t"}
"""The output of each model where none is named."""
LEVELS = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)


@dataclass(frozen=True)
class ForecastSettings:
    """Model and data of a forecaster; `ConfigError` for a value that cannot work.

    A forecast from step n reads a window of `context` steps before it, longer past values by `lags`, and what is known
    of the `horizon` steps after it. `encoder-decoder` writes the whole horizon at once, `segment` steps at each step of
    its recurrent layers: after the segment before it (`decoder="recurrent"`), or each from the encoder's last state
    ("parallel", which far horizons gain by); with `tie_decoder` the same layers read and write; `odd` makes an odd
    function of it, see `OddForecaster`, and `reversion` one that knows the mean of the series, see
    `RevertingForecaster`. `autoregressive` writes a step, draws from it and reads the draw (DeepAR).
    None for `context`, `season` and `lags` means: what suits the frequency, see `Frequency`; for `output`, what suits
    the model.
    See `scale_of` for `scaling` and `unspool.tasks.forecast.outputs` for `output`; `point` and `mean` have no `levels`.

    Example:
        >>> ForecastSettings(horizon=48, segment=24).output
        'quantiles'
    """

    horizon: Annotated[int, "steps to forecast"] = 12
    season: Annotated[int | None, "steps of a season, for metrics, lags and the default context"] = None
    context: Annotated[int | None, "steps before the forecast that are read; none: by season and horizon"] = None
    model: Annotated[str, f"{' or '.join(MODELS)}"] = "encoder-decoder"
    output: Annotated[
        str | None, f"what is written for a step: {', '.join(OUTPUTS)}; none: quantiles, of autoregressive student-t"
    ] = None
    levels: tuple[float, ...] = LEVELS
    scaling: Annotated[str, f"of each window: {', '.join(SCALINGS)}; last only subtracts"] = "mean-abs"
    lags: tuple[int, ...] | None = None
    calendar: Annotated[bool, "read the time of day, day of week and so on"] = True
    segment: Annotated[int, "of encoder-decoder: steps read and written at once"] = 1
    decoder: Annotated[
        str, "of encoder-decoder: recurrent, or parallel, where each segment follows from the encoder's state alone"
    ] = "recurrent"
    tie_decoder: Annotated[bool, "of encoder-decoder: one recurrent net that reads and writes"] = False
    odd: Annotated[
        bool,
        "of encoder-decoder: forecast a mirrored series the other way round, at twice the time; for series that "
        "rise as they fall, without calendar and covariates",
    ] = False
    reversion: Annotated[
        bool,
        "of encoder-decoder: draw the forecast to the mean of its series in training, by a share learned for each step "
        "ahead; for series that come back to where they were",
    ] = False
    series_embedding: Annotated[int, "width of what is learned of each series by its name; 0: nothing"] = 0
    embedding: Annotated[int, "width of an embedded category, at most"] = 16
    hidden: Annotated[int, "units of each layer"] = 128
    layers: Annotated[int, "recurrent layers"] = 1
    residual: Annotated[bool, "add a layer's input to its output"] = False
    dropout: Annotated[float, "share of units dropped: between layers, before the output"] = 0.1
    recurrent_dropout: Annotated[float, "share of state units dropped, one mask a window"] = 0.0
    batch: Annotated[int, "windows of a training step"] = 64
    steps_per_epoch: Annotated[int, "training steps between two validations"] = 100
    valid_windows: Annotated[int, "horizons at the end of each series to validate on"] = 1
    cell_options: dict[str, Any] = field(default_factory=dict)
    seed: Annotated[int, "of windows, first values, dropout and draws"] = 0

    def __post_init__(self) -> None:
        check_switches(self)
        object.__setattr__(self, "output", self.output or USUAL.get(self.model))
        object.__setattr__(self, "levels", self._own_levels())
        if self.lags is not None:
            object.__setattr__(self, "lags", tuple(self.lags))
        for name, choices in (
            ("model", MODELS), ("output", OUTPUTS), ("scaling", SCALINGS), ("decoder", DECODERS)
        ):  # fmt: skip
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; expected {one_of(choices)}")
        for name in (
            "horizon", "season", "context", "segment", "embedding", "hidden", "layers", "batch", "steps_per_epoch",
            "valid_windows",
        ):  # fmt: skip
            if getattr(self, name) is not None:
                object.__setattr__(self, name, whole(getattr(self, name), name))
        for name in ("dropout", "recurrent_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected a probability, at least 0 and below 1")
        if self.series_embedding < 0:
            raise ConfigError(f"series_embedding is {self.series_embedding}; expected a width, or 0 for none")
        if any(lag < 1 for lag in self.lags or ()):
            raise ConfigError(f"lags are {self.lags}; expected steps back, at least 1")
        self._check_together()
        if not 0 <= self.seed < 2**63:
            raise ConfigError(f"seed is {self.seed}; expected at least 0 and below 2^63")

    def _own_levels(self) -> tuple[float, ...]:
        """The levels as floats; one number has none."""
        if self.output not in NUMBERS:
            return levels_of(self.levels)
        if self.levels and levels_of(self.levels) != LEVELS:
            raise ConfigError(
                f"output {self.output} has no quantiles, but levels are {self.levels}; leave levels out, or take "
                "quantiles"
            )
        return ()

    def _check_odd(self) -> None:
        if self.model == "autoregressive":
            raise ConfigError("odd belongs to encoder-decoder; leave odd out, or take that")
        if self.calendar:
            raise ConfigError(
                "odd forecasts cannot follow the calendar, as what it adds to every forecast cancels; switch off the "
                "calendar (--no-calendar), or leave odd out"
            )
        if self.output == "negative-binomial":
            raise ConfigError("output negative-binomial counts from 0, so it cannot be mirrored; leave odd out")
        if self.output == "quantiles" and not _symmetric(self.levels):
            raise ConfigError(
                f"levels are {self.levels}; odd forecasts need the median, and for each level below it one as far "
                "above it"
            )

    def _check_together(self) -> None:
        if self.output == "negative-binomial" and self.scaling not in ("mean-abs", "none"):
            raise ConfigError(
                f"output negative-binomial counts from 0, which scaling {self.scaling} would move; take mean-abs or "
                "none"
            )
        if self.odd:
            self._check_odd()
        if self.reversion and self.output == "negative-binomial":
            raise ConfigError("output negative-binomial counts from 0, so it cannot be moved; leave reversion out")
        if self.model == "autoregressive":
            if self.output in (*NUMBERS, "quantiles"):
                raise ConfigError(
                    f"an autoregressive model reads what it draws, but output {self.output} is no distribution to draw "
                    "from; take student-t, gaussian or negative-binomial, or --model encoder-decoder"
                )
            if self.segment > 1:
                raise ConfigError("segment belongs to encoder-decoder; an autoregressive model writes step by step")
            if self.tie_decoder:
                raise ConfigError("tie_decoder belongs to encoder-decoder; leave it out, or take that")
            if self.reversion:
                raise ConfigError("reversion belongs to encoder-decoder; leave it out, or take --model encoder-decoder")
            if self.decoder != "recurrent":
                raise ConfigError(f"decoder {self.decoder} belongs to encoder-decoder; leave decoder out")
        elif self.context is not None and self.context % self.segment:
            raise ConfigError(f"context {self.context} is no multiple of segment {self.segment}; choose one that is")


def _symmetric(levels: tuple[float, ...]) -> bool:
    return len(levels) % 2 == 1 and all(abs(a + b - 1) < 1e-9 for a, b in zip(levels, reversed(levels), strict=True))
