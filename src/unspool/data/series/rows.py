"""Rows of series as they are read, a block at a time, and whatever is wrong with one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from unspool.data.separators import hint_of_separator
from unspool.data.sequences import shown
from unspool.data.series.cast import Kind, place
from unspool.data.series.columns import SeriesColumns
from unspool.data.series.read_stamps import Clock, read_stamps
from unspool.data.series.sources import Source
from unspool.data.series.spool import Names
from unspool.errors import DataError


@dataclass(frozen=True, eq=False)
class Rows:
    """n rows.

    Attributes:
        series: `[n]` int32, number of the series of each row.
        times: `[n]` int64, the stamps.
        clock: what the stamps are.
        y: `[n]` float64, NaN for none.
        covariates: `[n]` each, float32 with NaN or int32 codes with -1 for none; what a table lacks is left out.
        first: number of the first row in its table, from 0.
        rows: rows of the table that these are: n, or n / series in wide form, one series after the other.
    """

    series: np.ndarray
    times: np.ndarray
    clock: Clock
    y: np.ndarray
    covariates: Mapping[str, np.ndarray]
    first: int
    rows: int


def long_rows(
    source: Source, columns: SeriesColumns, ids: Names, words: Mapping[str, Names], *, future: bool = False
) -> Iterator[Rows]:
    """Rows of a table in long form.

    Args:
        source: the table.
        columns: names of its columns.
        ids: names of all series so far; grows.
        words: the words of each covariate that is a category; grow.
        future: whether the rows are of steps to forecast, with stamps and known covariates alone.

    Raises:
        DataError: a column is missing, or a cell cannot be used; table, row and column are named.
    """
    kinds = _kinds(source, columns, words, future)
    first = 0
    for block in source.blocks(kinds):
        rows = len(block[columns.ds])
        times, clock = _stamps(block, columns, source, first)
        y = _finite(block[columns.y], columns.y, source, first) if columns.y in kinds else np.full(rows, np.nan)
        covariates = {
            name: _codes(block[name], words[name]) if name in words else _finite(block[name], name, source, first)
            for name, _ in columns.covariates()
            if name in kinds
        }
        series = _series(block, columns, ids, source, first)
        yield Rows(series, times, clock, y, covariates, first, rows)
        first += rows


def wide_rows(source: Source, columns: SeriesColumns, ids: Names) -> Iterator[Rows]:
    """Rows of a table in wide form: of each block the first series, then the second, ….

    Raises:
        DataError: there is no column but that of the stamps, the table is in long form, or a cell cannot be used.
    """
    _require(source, columns.ds, "stamps", "--ds")
    names = [name for name in source.names if name != columns.ds]
    if {columns.unique_id, columns.y} <= set(names):
        raise DataError(
            f"{source.label} has the columns {columns.unique_id!r} and {columns.y!r} of the long form, but is read in "
            "the wide form; give --form long"
        )
    if not names:
        raise DataError(f"{source.label} has no column but {columns.ds!r}; expected one for each series")
    numbers = ids.numbers(names)
    first = 0
    for block in source.blocks({columns.ds: "time", **dict.fromkeys(names, "value")}):
        times, clock = _stamps(block, columns, source, first)
        y = np.concatenate([_finite(block[name], name, source, first) for name in names])
        series = np.repeat(numbers, len(times))
        yield Rows(series, np.tile(times, len(names)), clock, y, {}, first, len(times))
        first += len(times)


def _stamps(block: Mapping[str, Any], columns: SeriesColumns, source: Source, first: int) -> tuple[np.ndarray, Clock]:
    """The stamps of a block, and what they are: of the zone that is named, where they have any."""
    times, clock = read_stamps(block[columns.ds], columns.ds, source, first)
    if columns.zone is None or not len(times):
        return times, clock
    if clock.zone is None:
        raise DataError(
            f"{place(source, first)}: {columns.ds!r} holds {clock}, but zone {columns.zone} was named; expected stamps "
            "with their offset from UTC, such as 2024-05-31 12:00+02:00: write it, or name no zone (--zone)"
        )
    return times, Clock(False, columns.zone)


def _kinds(source: Source, columns: SeriesColumns, words: Mapping[str, Names], future: bool) -> dict[str, Kind]:
    """The columns to read, and as what."""
    kinds: dict[str, Kind] = {columns.ds: "time"}
    _require(source, columns.ds, "stamps", "--ds")
    if columns.unique_id in source.names:
        kinds[columns.unique_id] = "key"
    if not future:
        _require(source, columns.y, "values", "--y")
        kinds[columns.y] = "value"
    for name, role in columns.covariates():
        if future and role != "known":
            continue
        _require(source, name, f"{role} covariate", f"--{role}")
        kinds[name] = "key" if name in words else "number"
    return kinds


def _require(source: Source, name: str, use: str, option: str) -> None:
    if name in source.names:
        return
    one = source.names[0] if len(source.names) == 1 else ""
    wide = ", or give --form wide if each series has a column of its own" if option == "--y" else ""
    hint = hint_of_separator(one) or f"name the right one in training ({option}){wide}"
    if not source.names:
        raise DataError(f"{source.label} has no columns at all; expected one of stamps, {name!r}, and one of values")
    columns = shown(source.names)
    raise DataError(f"{source.label} has no column {name!r} of {use}; its columns are {columns}: {hint}")


def _series(block: Mapping[str, Any], columns: SeriesColumns, ids: Names, source: Source, first: int) -> np.ndarray:
    if columns.unique_id not in block:
        return np.repeat(ids.numbers([source.stem]), len(block[columns.ds]))
    column = block[columns.unique_id]
    names = column.dictionary.to_pylist()
    blank = column.is_null().to_numpy(zero_copy_only=False)
    codes = column.indices.fill_null(0).to_numpy()
    if "" in map(str.strip, names):
        blank = blank | np.array([not name.strip() for name in names])[codes]
    if blank.any():
        where = place(source, first + int(blank.argmax()))
        raise DataError(f"{where}: {columns.unique_id!r} is empty; expected the name of a series: fill it in")
    return ids.numbers(names)[codes]


def _codes(column: Any, words: Names) -> np.ndarray:
    """`[n]` int32; a blank text is none."""
    texts = column.dictionary.to_pylist()
    blank = np.array([not text.strip() for text in texts], dtype=bool)
    numbers = np.full(len(texts) + 1, -1, dtype=np.int32)
    numbers[np.flatnonzero(~blank)] = words.numbers([text for text in texts if text.strip()])
    return numbers[column.indices.fill_null(len(texts)).to_numpy()]


def _finite(column: Any, name: str, source: Source, first: int) -> np.ndarray:
    """`[n]` numbers, NaN for none."""
    values = column.to_numpy(zero_copy_only=False)
    wrong = np.isinf(values)
    if wrong.any():
        where = place(source, first + int(wrong.argmax()))
        raise DataError(
            f"{where}: {name!r} is infinite or too large; expected a finite number, or an empty cell for none: mend it"
        )
    return values
