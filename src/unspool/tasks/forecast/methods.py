"""The methods that need no training, by their names."""

from __future__ import annotations

from unspool.errors import ConfigError, one_of
from unspool.tasks.forecast.classical import MODELS, Classical
from unspool.tasks.forecast.expected import Single
from unspool.tasks.forecast.method import EachSeries, Method
from unspool.tasks.forecast.naive import naive, naive2, seasonal_naive

NAIVE: dict[str, Single] = {"naive": naive, "seasonal-naive": seasonal_naive, "naive2": naive2}
METHODS = (*NAIVE, *MODELS)


def method(name: str, season: int | None = None, *, jobs: int = 1) -> Method:
    """The method of a name in `METHODS`.

    Args:
        season: steps of a season; that of the panel's frequency if None.
        jobs: processes to divide the series among, for the methods that take long.

    Raises:
        ConfigError: an unknown name. UnspoolError: the library behind it is missing.

    Example:
        >>> METHODS
        ('naive', 'seasonal-naive', 'naive2', 'theta', 'ets', 'arima')
        >>> method("naive").season is None
        True
    """
    if name in NAIVE:
        return EachSeries(NAIVE[name], season)
    if name not in METHODS:
        raise ConfigError(f"method is {name!r}; expected {one_of(METHODS)}")
    return Classical(name, season, jobs=jobs)
