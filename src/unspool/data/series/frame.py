"""Series from and to data frames of pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unspool.data.needed import needed
from unspool.data.series.columns import SeriesColumns

if TYPE_CHECKING:
    import pandas

    from unspool.data.series.frequency import Frequency
    from unspool.data.series.panel import Panel

NAMES = SeriesColumns()


def from_frame(
    frame: pandas.DataFrame,
    columns: SeriesColumns = NAMES,
    freq: str | Frequency | None = None,
    known: pandas.DataFrame | None = None,
) -> Panel:
    """A panel of a data frame, by the rules of `unspool.data.series.read_series`.

    Columns that the frame lacks are looked for in its index; an index of dates without a name is that of the stamps.
    Stamps may be dates with a zone, periods (which count from their starts), texts or whole numbers.

    Args:
        frame: the series.
        columns: form of the frame, and names of its columns.
        freq: how far apart steps are; found in the stamps if None.
        known: the steps to forecast: series, stamps and the covariates known in advance.

    Raises:
        DataError: as of `read_series`; the number of the row is named, counted from 1.
        ConfigError: pandas does not know the frequency.
        UnspoolError: pandas or pyarrow is missing.

    Example:
        >>> import pandas as pd
        >>> dates = pd.date_range("2024-01-01", periods=3, freq="MS")
        >>> panel = from_frame(pd.DataFrame({"y": [1, 2, 3]}, index=dates))
        >>> panel.ids, panel.frequency.alias, panel.y.tolist()
        (['series'], 'MS', [1.0, 2.0, 3.0])
    """
    from unspool.data.series.onward import frames

    return frames(frame, columns, freq, known, going_on=None)


def to_frame(
    ids: Sequence[str] | np.ndarray,
    times: np.ndarray,
    values: Mapping[str, np.ndarray],
    zone: str | None = None,
) -> pandas.DataFrame:
    """A frame in long form: columns `unique_id`, `ds` and those of `values`.

    Args:
        ids: `[rows]`, the series of each row.
        times: `[rows]` datetime64 (UTC where there is a zone) or int64.
        values: name and `[rows]` values of each further column.
        zone: time zone in which `ds` is given back.

    Example:
        >>> times = np.array(["2024-05-31T22:00"], dtype="datetime64[ns]")
        >>> frame = to_frame(["a"], times, {"y": np.ones(1)}, zone="Europe/Berlin")
        >>> print(frame["ds"][0])
        2024-06-01 00:00:00+02:00
    """
    pandas = needed("pandas", "a data frame", "forecast")
    stamps = pandas.Series(times)
    if zone is not None and times.dtype.kind == "M":
        stamps = stamps.dt.tz_localize("UTC").dt.tz_convert(zone)
    return pandas.DataFrame({"unique_id": np.asarray(ids, dtype=object), "ds": stamps, **values})
