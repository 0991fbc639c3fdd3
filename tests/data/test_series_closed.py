"""Rows that keep to some hours of the day are told of, and gaps are not."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from unspool.data.series import SeriesColumns, from_frame
from unspool.errors import DataError


def told(rows: dict[str, pd.DatetimeIndex], freq: str | None = None, zone: str | None = None) -> str:
    parts = [pd.DataFrame({"unique_id": name, "ds": ds, "y": np.arange(len(ds)) % 7.0}) for name, ds in rows.items()]
    frame = pd.concat(parts).sample(frac=1, random_state=0)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        from_frame(frame, SeriesColumns(zone=zone), freq)
    found = [message for one in said if "steps of a day" in (message := str(one.message))]
    assert len(found) <= 1
    return found[0] if found else ""


def days(first: str, last: str, freq: str, between: tuple[str, str], zone: str | None = None) -> pd.DatetimeIndex:
    rows = pd.date_range(first, last, freq=freq, tz=zone)
    return pd.DatetimeIndex(rows[rows.indexer_between_time(*between)])


OFFICE = pd.date_range("2024-01-01", "2024-01-31", freq="bh")
DAY_AND_NIGHT = pd.date_range("2024-01-01", "2024-01-31", freq="h")


@pytest.mark.parametrize(
    ("rows", "steps"),
    [
        ({"a": OFFICE}, "rows of series 'a' lie at only 8 of the 24 steps"),
        ({"a": OFFICE, "b": DAY_AND_NIGHT, "c": OFFICE}, "rows of 2 of 3 series, as "),
        ({f"s{i:03}": OFFICE[:80] for i in range(120)}, "rows of 100 of the first 100 series, as "),
        ({"a": days("2024-01-01", "2024-02-01", "15min", ("09:30", "15:59"))}, "only 26 of the 96"),
        ({"a": days("2024-01-01", "2024-06-01", "h", ("09:00", "16:00"), "Europe/Berlin")}, "only 8 of the 24"),
        ({"a": days("2024-01-01", "2024-02-01", "h", ("18:00", "02:00"))}, "only 9 of the 24"),
    ],
    ids=["office", "two of three", "many", "exchange", "clocks that change", "night"],
)
def test_closed_hours_are_told(rows: dict[str, pd.DatetimeIndex], steps: str) -> None:
    message = told(rows)
    assert steps in message and re.search(r"--freq 1 --season \d+", message)


@pytest.mark.parametrize(
    "rows",
    [
        pd.date_range("2024-01-01", "2024-01-04", freq="bh"),
        DAY_AND_NIGHT.delete(slice(40, 60)),
        days("2024-01-01", "2024-01-31", "h", ("04:00", "02:00")),
        pd.date_range("2024-01-01", "2024-01-09", freq="min")[np.random.default_rng(0).random(8 * 1440 + 1) < 0.4],
        pd.date_range("2024-01-01", periods=11, freq="h").append(pd.DatetimeIndex(["2024-01-09"])),
        pd.date_range("2024-01-01", periods=30)
        .append(pd.date_range("2024-01-09 01:00", periods=40, freq="h"))
        .unique(),
        pd.date_range("2024-01-01", "2024-03-31", freq="7h"),
        pd.date_range("2024-01-01", "2024-01-31", freq="B"),
    ],
    ids=["a few days", "a gap", "an hour a night", "sparse", "far apart", "days and hours", "7h", "days"],
)
def test_gaps_are_not(rows: pd.DatetimeIndex) -> None:
    assert told({"a": rows}) == ""


def test_a_named_frequency_is_meant() -> None:
    assert told({"a": OFFICE}, freq="h") == ""


@pytest.mark.parametrize("freq", ["h", "D"])
def test_no_value_at_all_is_refused_as_such(freq: str) -> None:
    rows = pd.date_range("2024-01-01", periods=200, freq=freq)
    with pytest.raises(DataError, match="no series has an observed value"):
        from_frame(pd.DataFrame({"unique_id": "a", "ds": rows, "y": np.nan}))


@pytest.mark.parametrize("freq", ["6h", "D"])
def test_another_frequency_is_said_alone(freq: str) -> None:
    other = pd.date_range("2024-01-01", periods=60, freq=freq)
    parts = [pd.DataFrame({"unique_id": name, "ds": ds, "y": 1.0}) for name, ds in (("a", DAY_AND_NIGHT), ("b", other))]
    with warnings.catch_warnings(), pytest.raises(DataError, match="series 'a' has frequency 'h', but series 'b' has"):
        warnings.simplefilter("error")
        from_frame(pd.concat(parts))
