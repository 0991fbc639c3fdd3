"""The network of a forecaster, built from its settings."""

from __future__ import annotations

from math import inf

from unspool.errors import ConfigError
from unspool.layers.build import CellFactory
from unspool.tasks.forecast.autoregressive import AutoregressiveForecaster
from unspool.tasks.forecast.embed import WindowInputs
from unspool.tasks.forecast.encoder_decoder import EncoderDecoderForecaster
from unspool.tasks.forecast.features import Features
from unspool.tasks.forecast.odd import OddForecaster
from unspool.tasks.forecast.reverting import FAR, RevertingForecaster
from unspool.tasks.forecast.settings import ForecastSettings

Network = EncoderDecoderForecaster | OddForecaster | RevertingForecaster | AutoregressiveForecaster


def build(cell: CellFactory, settings: ForecastSettings, features: Features) -> Network:
    """The network that `settings`, with season, context and lags filled in, ask for."""
    calendar = 2 * len(features.cycles) if settings.calendar else 0
    inputs = WindowInputs(features, settings, calendar=calendar, lags=len(settings.lags or ()))
    if settings.model == "autoregressive":
        return AutoregressiveForecaster(cell, settings, inputs)
    forecaster = EncoderDecoderForecaster(cell, settings, inputs)
    if settings.odd:
        _check_alone(features)
        forecaster = OddForecaster(forecaster)
    if not settings.reversion:
        return forecaster
    return RevertingForecaster(forecaster, most=inf if settings.scaling in ("last", "none") else FAR)


def _check_alone(features: Features) -> None:
    """`ConfigError` where there is more to read of a step than the series itself."""
    told = [role for role in ("known", "past") if any(features.widths(role))]
    if told:
        raise ConfigError(
            "odd forecasts cannot follow covariates, as what these add to every forecast cancels, but there are "
            f"{' and '.join(told)} ones; leave them out, or leave odd out"
        )
