"""A data frame of pandas, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pyarrow as pa

from unspool.data.needed import needed
from unspool.data.series.cast import Kind, cast, holds_numbers
from unspool.data.series.columns import SeriesColumns
from unspool.data.series.sources import ROWS, check_names
from unspool.errors import DataError


class FrameSource:
    """A data frame, whose index may hold some of the columns."""

    first_row = 1
    stem = "series"

    def __init__(self, frame: Any, label: str, columns: SeriesColumns) -> None:
        self.label = label
        self._frame = _with_index(frame, columns)
        self._read: dict[str, Any] = {}
        self.names = tuple(map(str, self._frame.columns))
        check_names(self)

    def holds_numbers(self, name: str) -> bool:
        """Whether a column is of a type of numbers, or of truth values."""
        return holds_numbers(self._column(name).type)

    def blocks(self, kinds: Mapping[str, Kind]) -> Iterator[dict[str, Any]]:
        """The columns named, some rows at a time."""
        columns = {name: self._column(name) for name in kinds}
        for first in range(0, len(self._frame), ROWS):
            yield {
                name: cast(columns[name].slice(first, ROWS), name, kind, self, first) for name, kind in kinds.items()
            }

    def _column(self, name: str) -> Any:
        if name not in self._read:
            self._read[name] = self._arrow(name)
        return self._read[name]

    def _arrow(self, name: str) -> Any:
        pandas = needed("pandas", "a data frame", "forecast")
        values = self._frame.iloc[:, self.names.index(name)]
        if isinstance(values.dtype, pandas.PeriodDtype):
            values = values.dt.to_timestamp()
        elif isinstance(values.dtype, pandas.SparseDtype):
            values = values.sparse.to_dense()
        elif values.dtype == object and len({one.tzinfo is None for one in values if isinstance(one, datetime)}) > 1:
            raise DataError(f"{self.label}: {name!r} holds dates with a zone and dates without; expected one kind")
        try:
            found = pa.Array.from_pandas(values)
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
            raise DataError(f"{self.label}: {name!r} holds values of several kinds ({error}); expected one") from None
        return pa.concat_arrays(found.chunks) if isinstance(found, pa.ChunkedArray) else found


def _with_index(frame: Any, columns: SeriesColumns) -> Any:
    """The frame, and those columns that only its index has."""
    pandas = needed("pandas", "a data frame", "forecast")
    named = {columns.unique_id, columns.ds} if columns.form == "long" else {columns.ds}
    have = set(map(str, frame.columns))
    levels = [name for name in frame.index.names if name in named - have]
    if levels:
        return frame.reset_index(levels)
    dated = isinstance(frame.index, (pandas.DatetimeIndex, pandas.PeriodIndex))
    if dated and columns.ds not in have:
        return frame.rename_axis(columns.ds).reset_index()
    return frame
