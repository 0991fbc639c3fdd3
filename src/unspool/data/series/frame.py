"""Series from and to data frames of pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from unspool.data.needed import needed

if TYPE_CHECKING:
    import pandas


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
