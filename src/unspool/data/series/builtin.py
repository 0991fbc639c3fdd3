"""The default of `unspool train forecast`: carbon dioxide in the air over Mauna Loa, which needs no download."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from unspool.data.needed import needed
from unspool.data.series.panel import Panel

HELD = 60
"""Months of the validation part and of the test part: five years each."""


class Parts(NamedTuple):
    """Three panels of the same series, each going on where the one before it ends.

    `valid` is `train` and 60 months more, on which to validate; `test` is `valid` and 60 months more, on which to test:
    a forecast of either may know all that came before its origin.
    """

    train: Panel
    valid: Panel
    test: Panel


def co2() -> Parts:
    """Monthly means of the carbon dioxide at Mauna Loa, in parts per million, March 1958 to December 2001.

    One series, `"co2"`, of 526 months from 313 to 374 ppm: it rises, faster and faster, and breathes with the seasons.
    A month is the mean of its weekly samples; 5 months without any are missing. Train, validation and test part are
    always the same: 406, 60 and 60 months.

    Source: C. D. Keeling, T. P. Whorf, Atmospheric CO2 concentrations derived from flask air samples at sites in the
    SIO network, in Trends, Carbon Dioxide Information Analysis Center, Oak Ridge National Laboratory, 2004; public
    domain, as bundled with statsmodels.

    Raises:
        UnspoolError: statsmodels is missing.

    Example:
        >>> train, valid, test = co2()
        >>> [int(part.observed[0]) for part in (train, valid, test)], test.frequency.season
        ([406, 466, 526], 12)
        >>> test.history(0)[-3:].round(2)
        array([368.05, 369.38, 371.02])
    """
    datasets: Any = needed("statsmodels.datasets", "the default job, carbon dioxide over Mauna Loa,", "forecast")
    weeks = datasets.co2.load_pandas().data["co2"].dropna()
    months = np.asarray(weeks.index.values, dtype="datetime64[M]").astype(np.int64)
    places = months - months[0]
    with np.errstate(invalid="ignore"):  # a month without a sample is 0 / 0: missing
        means = np.bincount(places, np.asarray(weeks, dtype=np.float64)) / np.bincount(places)
    test = Panel.of({"co2": means}, frequency="MS", starts=months[:1].astype("datetime64[M]").astype("datetime64[ns]"))
    valid = test.cut(HELD)
    return Parts(valid.cut(HELD), valid, test)
