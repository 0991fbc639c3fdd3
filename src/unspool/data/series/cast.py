"""Columns of values as Arrow holds them, made into what a series is made of."""

from __future__ import annotations

from typing import Any, Literal, Protocol

import pyarrow as pa

from unspool.errors import DataError

Kind = Literal["key", "value", "number", "time"]
"""What a column is read as: text that repeats, float64, float32, or stamps."""

KEY = pa.dictionary(pa.int32(), pa.string())

NOTHING = ["", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"]
"""How texts may write that there is no number."""


class Named(Protocol):
    """Whatever messages name: a file or a data frame."""

    label: str
    first_row: int


def place(source: Named, row: int) -> str:
    """Where a row stands.

    Example:
        >>> from types import SimpleNamespace
        >>> place(SimpleNamespace(label="a.csv", first_row=2), 0)
        'a.csv, row 2'
    """
    return f"{source.label}, row {row + source.first_row}"


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether values of this type are numbers; truth values are.

    Example:
        >>> holds_numbers(pa.bool_()), holds_numbers(pa.string())
        (True, False)
    """
    types = pa.types
    tests = (types.is_integer, types.is_floating, types.is_decimal, types.is_null, types.is_boolean)
    return any(test(kind) for test in tests)


def cast(column: Any, name: str, kind: Kind, source: Named, first: int) -> Any:
    """An array of the type that a kind asks for: `KEY`, float64, float32, or one of stamps: int64,
    float64, timestamp or `KEY`.

    Args:
        column: a pyarrow array.
        name: of the column.
        kind: what to make of it.
        source: what the column is of, for messages.
        first: number of its first row there, from 0.

    Raises:
        DataError: the values are of another type; the row is named where it is only one.
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        if kind == "key":
            return column.cast(pa.string()).dictionary_encode()
        return (
            _stamps(column) if kind == "time" else _numbers(column, pa.float64() if kind == "value" else pa.float32())
        )
    except pa.ArrowException as error:
        expected = {"key": "texts", "time": "dates or whole numbers"}.get(kind, "numbers")
        where = source.label if (row := _wrong(column)) is None else place(source, first + row)
        raise DataError(
            f"{where}: {name!r} is of type {column.type}; expected {expected} ({str(error).splitlines()[0]})"
        ) from None


def _numbers(column: Any, kind: pa.DataType) -> Any:
    if _is_text(column.type):
        coded = column.dictionary_encode()
        texts = [None if text in NOTHING else text for text in coded.dictionary.to_pylist()]
        return pa.array(texts, pa.string()).cast(kind).take(coded.indices)
    if not holds_numbers(column.type):
        raise pa.ArrowTypeError("they are no numbers")
    return column.cast(kind, safe=False)


def _stamps(column: Any) -> Any:
    kind = column.type
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return column.cast(pa.timestamp("ns", getattr(kind, "tz", None)))
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return column.cast(pa.int64() if pa.types.is_integer(kind) else pa.float64())
    if _is_text(kind) or pa.types.is_null(kind):
        return column.cast(pa.string()).dictionary_encode()
    raise pa.ArrowTypeError("they are no stamps")


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _wrong(column: Any) -> int | None:
    """The first text that is no number."""
    if not _is_text(column.type):
        return None
    for row, text in enumerate(column.to_pylist()):
        try:
            pa.scalar(text if text not in NOTHING else None, pa.string()).cast(pa.float64())
        except pa.ArrowException:
            return row
    return None
