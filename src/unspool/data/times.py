"""Columns of times in a table: numbers, timestamps, dates, times of day."""

from __future__ import annotations

import pyarrow as pa


def time_type(seen: pa.DataType) -> pa.DataType:
    """The type in which times are read that look like `seen`: of whole numbers, timestamps, times of day, or float64.

    Example:
        >>> time_type(pa.date32()), time_type(pa.string())
        (TimestampType(timestamp[ns]), DataType(double))
    """
    if pa.types.is_date(seen) or pa.types.is_timestamp(seen):
        return pa.timestamp("ns", getattr(seen, "tz", None))
    if pa.types.is_time(seen):
        return pa.time64("ns")
    return pa.int64() if pa.types.is_integer(seen) else pa.float64()


def like(text: str) -> pa.DataType:
    """A timestamp if `text` is one, else text.

    Example:
        >>> like("2024-05-31"), like("noon")
        (TimestampType(timestamp[ns]), DataType(string))
    """
    try:
        return pa.scalar(text).cast(pa.timestamp("ns")).type
    except pa.ArrowInvalid:
        return pa.string()
