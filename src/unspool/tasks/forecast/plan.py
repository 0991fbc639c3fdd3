"""What a forecaster's settings leave to the data: season, context, lags."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from unspool.data.series import Panel
from unspool.errors import ConfigError
from unspool.tasks.forecast.settings import ForecastSettings


def planned(settings: ForecastSettings, panel: Panel) -> ForecastSettings:
    """`settings` with a value for each None.

    season: that of the frequency. context: twice the horizon, or twice the season if that is longer, made up to whole
    segments. lags: those of the frequency up to half of a middling series; for an encoder–decoder, which writes its
    horizon at once, those that reach back over the whole horizon.

    Example:
        >>> panel = Panel.of({"a": range(400)}, frequency="h")
        >>> plan = planned(ForecastSettings(horizon=48, lags=(24, 168)), panel)
        >>> plan.season, plan.context, plan.lags
        (24, 96, (168,))
    """
    season = settings.season or panel.frequency.season
    context = settings.context or _whole(2 * max(settings.horizon, season), settings.segment)
    if settings.model == "encoder-decoder" and context % settings.segment:
        raise ConfigError(f"context {context} is no multiple of segment {settings.segment}; choose one that is")
    lags = settings.lags
    if lags is None:
        lags = panel.frequency.lags(int(np.median(panel.observed)) // 2, season)
    if settings.model == "encoder-decoder":
        lags = tuple(lag for lag in lags if lag >= settings.horizon)
    return replace(settings, season=season, context=context, lags=lags)


def _whole(steps: int, segment: int) -> int:
    return -(-steps // segment) * segment
