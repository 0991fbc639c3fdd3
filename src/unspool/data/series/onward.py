"""Series that go on: new rows, and what is known of later ones, after rows that were read before."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any

from unspool.data.given import Paths, paths_of
from unspool.data.needed import needed
from unspool.data.series.columns import SeriesColumns
from unspool.data.series.frequency import Frequency
from unspool.data.series.panel import Panel
from unspool.errors import DataError

if TYPE_CHECKING:
    from unspool.data.series.sources import Source


def frames(
    frame: Any, columns: SeriesColumns, freq: str | Frequency | None, known: Any, *, going_on: Collection[str] | None
) -> Panel:
    """The panel of data frames, of which one may be None; see `from_frame`, and `laid` for `going_on`."""
    needed("pyarrow", "reading a data frame", "forecast")
    from unspool.data.series.sources_frame import FrameSource

    labelled = ((frame, "the data frame"), (known, "the data frame of known covariates"))
    past, future = (
        [] if given is None else [FrameSource(_frame(given, columns), label, columns)] for given, label in labelled
    )
    return _read(past, future, columns, freq, going_on)


def files(
    paths: Paths, columns: SeriesColumns, freq: str | Frequency | None, known: Paths, *,
    going_on: Collection[str] | None,
) -> Panel:  # fmt: skip
    """The panel of files, of which either may be none; see `read_series`, and `laid` for `going_on`."""
    needed("pyarrow", "reading series", "forecast")
    from unspool.data.series.sources import open_source

    past, future = ([open_source(file) for file in paths_of(given)] for given in (paths, known))
    return _read(past, future, columns, freq, going_on)


def _read(
    past: Sequence[Source], future: Sequence[Source], columns: SeriesColumns, freq: str | Frequency | None,
    going_on: Collection[str] | None,
) -> Panel:  # fmt: skip
    from unspool.data.series.gather import Gathered
    from unspool.data.series.lay import laid

    with Gathered(columns) as gathered:
        for source in past:
            gathered.add(source)
        for source in future:
            gathered.add(source, future=True)
        return laid(gathered, freq, going_on)


def _frame(given: Any, columns: SeriesColumns) -> Any:
    """The data frame, also of a series of pandas, which is that of the values."""
    pandas = needed("pandas", "a data frame", "forecast")
    if isinstance(given, pandas.Series):
        return given.to_frame(columns.y)
    if not isinstance(given, pandas.DataFrame):
        raise DataError(f"got a value of type {type(given).__name__}; expected a data frame of pandas")
    return given
