"""The network of a forecaster, built from its settings."""

from __future__ import annotations

from unspool.layers.build import CellFactory
from unspool.tasks.forecast.autoregressive import AutoregressiveForecaster
from unspool.tasks.forecast.embed import WindowInputs
from unspool.tasks.forecast.encoder_decoder import EncoderDecoderForecaster
from unspool.tasks.forecast.features import Features
from unspool.tasks.forecast.settings import ForecastSettings

Network = EncoderDecoderForecaster | AutoregressiveForecaster


def build(cell: CellFactory, settings: ForecastSettings, features: Features) -> Network:
    """The network that `settings`, with season, context and lags filled in, ask for."""
    calendar = len(features.frequency.feature_names) if settings.calendar else 0
    inputs = WindowInputs(features, settings, calendar=calendar, lags=len(settings.lags or ()))
    if settings.model == "autoregressive":
        return AutoregressiveForecaster(cell, settings, inputs)
    return EncoderDecoderForecaster(cell, settings, inputs)
