"""The stamps of a table: whole numbers, dates, or texts that are dates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from unspool.data.needed import needed
from unspool.data.series.cast import Named, place
from unspool.errors import DataError

DATE = "a date such as 2024-05-31 or 2024-05-31 12:00 (between 1678 and 2261), or a whole number"

ZONED = re.compile(r":\d\d.*?([zZ]|[+-]\d\d(:?\d\d)?)$")
"""A time of day with a zone behind it."""


@dataclass(frozen=True)
class Clock:
    """What stamps are: whole numbers, dates without a zone, or dates of a zone, held in UTC."""

    integer: bool
    zone: str | None = None

    def __str__(self) -> str:
        return (
            "whole numbers" if self.integer else f"dates of zone {self.zone}" if self.zone else "dates without a zone"
        )


def read_stamps(column: Any, name: str, source: Named, first: int) -> tuple[np.ndarray, Clock]:
    """`[n]` int64, and what they are, of a pyarrow array as `cast` makes it.

    Raises:
        DataError: one is missing or no date, or some have a zone and some have none; file and row are named.
    """
    if column.null_count:
        row = int(column.is_null().to_numpy(zero_copy_only=False).argmax())
        raise DataError(
            f"{place(source, first + row)}: {name!r} is empty; expected {DATE}: mend the row or leave it out"
        )
    if pa.types.is_dictionary(column.type):
        stamps, clock = _parsed(column, name, source, first)
        return stamps[column.indices.to_numpy()], clock
    if column.type == pa.float64():
        _check_whole(column, name, source, first)
    clock = Clock(False, column.type.tz) if pa.types.is_timestamp(column.type) else Clock(True)
    return column.cast(pa.int64()).to_numpy(), clock


def _check_whole(column: Any, name: str, source: Named, first: int) -> None:
    values = column.to_numpy()
    wrong = ~(np.abs(values) < 2**53) | (values != np.floor(values))
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{place(source, first + row)}: {name!r} is {values[row]}; expected {DATE}: mend it")


def _parsed(column: Any, name: str, source: Named, first: int) -> tuple[np.ndarray, Clock]:
    """Stamps of the different texts of a column."""
    pandas = needed("pandas", "a date written in another way", "forecast")
    texts = column.dictionary.to_pylist()
    zoned = np.array([ZONED.search(text) is not None for text in texts])
    found = pandas.to_datetime(texts, format="ISO8601", errors="coerce", utc=bool(zoned.any()))
    for wrong, expected in ((np.asarray(found.isna()), DATE), (zoned != zoned[:1], "a zone in all rows or in none")):
        if wrong.any():
            row = int(wrong[column.indices.to_numpy()].argmax())
            found = column[row].as_py()
            raise DataError(f"{place(source, first + row)}: {name!r} is {found!r}; expected {expected}: mend it")
    stamps = found.tz_localize(None) if zoned.any() else found
    return stamps.to_numpy().astype("datetime64[ns]").astype(np.int64), Clock(False, "UTC" if zoned.any() else None)
