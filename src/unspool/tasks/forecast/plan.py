"""What a forecaster's settings leave to the data: season, context, lags."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from unspool.data.series import Panel
from unspool.tasks.forecast.settings import ForecastSettings


def planned(settings: ForecastSettings, panel: Panel) -> ForecastSettings:
    """`settings` with a value for each None, and a context that the longest series fills.

    season: that of the frequency. context: twice the horizon, or twice the season if that is longer, made up to whole
    segments. lags: those of the frequency up to half of a middling series; for an encoder–decoder, which writes its
    horizon at once, those that reach back over the whole horizon.

    Example:
        >>> panel = Panel.of({"a": range(400)}, frequency="h")
        >>> plan = planned(ForecastSettings(horizon=48, lags=(48, 168)), panel)
        >>> plan.season, plan.context, plan.lags
        (24, 96, (48, 168))
    """
    season = settings.season or panel.frequency.season
    context = (
        _clipped(settings.context, settings, panel)
        if settings.context
        else _whole(2 * max(settings.horizon, season), settings.segment)
    )
    lags = settings.lags
    if lags is None:
        lags = panel.frequency.lags(int(np.median(panel.observed)) // 2, season)
    elif settings.model == "encoder-decoder" and (short := [lag for lag in lags if lag < settings.horizon]):
        warnings.warn(
            f"of the lags {list(lags)}, {short} are not read: an encoder-decoder writes all {settings.horizon} steps "
            f"of the horizon at once, before it could see so near a value; give lags of {settings.horizon} or more, or "
            "take --model autoregressive",
            stacklevel=3,
        )
    if settings.model == "encoder-decoder":
        lags = tuple(lag for lag in lags if lag >= settings.horizon)
    return replace(settings, season=season, context=context, lags=lags)


def _clipped(context: int, settings: ForecastSettings, panel: Panel) -> int:
    """A context that was asked for, no longer than the longest series: whole segments, at least one."""
    longest = int(panel.observed.max())
    if context <= longest:
        return context
    kept = max(longest // settings.segment, 1) * settings.segment
    warnings.warn(
        f"context is {context}, but the longest series has {longest} steps; {kept} are read: leave --context out, or "
        "give longer series",
        stacklevel=4,
    )
    return kept


def _whole(steps: int, segment: int) -> int:
    return -(-steps // segment) * segment
