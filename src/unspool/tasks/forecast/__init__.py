"""Forecast: what series of numbers will be, from what they were."""

from unspool.tasks.forecast.forecaster import Forecaster
from unspool.tasks.forecast.refit import refit
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.state import ForecastState
from unspool.tasks.forecast.train import ForecastData, train

__all__ = ["ForecastData", "ForecastSettings", "ForecastState", "Forecaster", "refit", "train"]
