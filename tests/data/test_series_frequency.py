"""Steps of a frequency, against pandas's own ranges and offsets."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool.data.series import Frequency
from unspool.errors import ConfigError, DataError

ALIASES = [
    "ns", "us", "ms", "s", "10s", "min", "5min", "15min", "30min", "h", "2h", "6h", "24h", "D", "2D", "7D", "B", "2B",
    "W", "W-MON", "2W-WED", "4W-SAT", "MS", "ME", "2MS", "5ME", "QS", "QE", "QS-FEB", "QE-NOV", "2QS-MAR", "YS", "YE",
    "YS-JUL", "YE-JUN", "3YS", "BMS", "BME", "BQS-FEB", "BQE-DEC", "BYS-JAN", "BYE-MAR", "SMS", "SME", "WOM-3FRI",
]  # fmt: skip
STARTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1))


@pytest.mark.parametrize("alias", ALIASES)
@settings(max_examples=25)
@given(start=STARTS, periods=st.integers(1, 40))
def test_steps_are_those_of_date_range(alias: str, start: datetime, periods: int) -> None:
    expected = pd.date_range(start, periods=periods, freq=alias)
    frequency = Frequency.of(alias).fitted(expected.to_numpy())
    ordinals = frequency.ordinals(expected.to_numpy())
    assert ordinals.tolist() == list(range(ordinals[0], ordinals[0] + periods))
    times = frequency.times(ordinals)
    assert times.dtype == "datetime64[ns]" and (times == expected.to_numpy()).all()


@pytest.mark.parametrize("alias", ALIASES)
def test_numbers_go_on_before_1970(alias: str) -> None:
    frequency = Frequency.of(alias)
    ordinals = np.arange(-80, 80)
    times = frequency.times(ordinals)
    assert (np.diff(times) > np.timedelta64(0)).all()
    assert frequency.ordinals(times).tolist() == ordinals.tolist()


def test_aliases_are_as_pandas_writes_them() -> None:
    old = {"H": "h", "T": "min", "S": "s", "M": "ME", "Q": "QE-DEC", "Y": "YE-DEC", "A-JUN": "YE-JUN", "30T": "30min"}
    assert {alias: Frequency.of(alias).alias for alias in old} == old
    assert Frequency.of("1.5h").alias == "90min" and Frequency.of(" 60min ") == Frequency.of("60min")
    assert Frequency.of(1).alias == "1" and Frequency.of("05").alias == "5"


@pytest.mark.parametrize("alias", ["", "foo", "0", "-1", "0h", "-1D", "h5", "bh", "1.5"])
def test_what_cannot_be_numbered_is_refused(alias: str) -> None:
    with pytest.raises(ConfigError, match="frequency is"):
        Frequency.of(alias)


def test_the_first_stamp_on_no_step_is_named_with_its_neighbours() -> None:
    times = np.array(["2024-01-01T00", "2024-01-01T01:30", "2024-01-01T02:10"], dtype="datetime64[m]")
    with pytest.raises(
        DataError, match="2024-01-01 01:30 is on no step of frequency 'h'.*01:00 and 2024-01-01 02:00.*--freq"
    ):
        Frequency.of("h").ordinals(times)


def test_stamps_that_are_all_at_six_are_daily() -> None:
    times = pd.date_range("2024-01-01 06:00", periods=5, freq="D").to_numpy()
    frequency = Frequency.of("D").fitted(times)
    assert frequency.phase == (0, 6 * 3600 * 10**9) and (frequency.times(frequency.ordinals(times)) == times).all()
    with pytest.raises(DataError, match="2024-01-07 .*on no step"):
        frequency.ordinals(np.array(["2024-01-07"], dtype="datetime64[ns]"))


@pytest.mark.parametrize(
    ("alias", "before", "after"),
    [
        ("Q", "2021-12-31", "2022-03-31"),
        ("QS-FEB", "2021-11-01", "2022-02-01"),
        ("ME", "2021-12-31", "2022-01-31"),
        ("MS", "2022-01-01", "2022-02-01"),
        ("YE", "2021-12-31", "2022-12-31"),
        ("YS-JUL", "2021-07-01", "2022-07-01"),
        ("BQE", "2021-12-31", "2022-03-31"),
        ("SME", "2021-12-31", "2022-01-15"),
        ("W-SUN", "2022-01-02", "2022-01-09"),
    ],
)
def test_days_are_between_the_months_and_weeks_that_the_alias_means(alias: str, before: str, after: str) -> None:
    days = pd.date_range("2022-01-01", periods=400, freq="D").to_numpy()
    frequency = Frequency.of(alias).fitted(days)
    assert frequency == Frequency.of(alias)
    assert f"the steps beside it are {before} and {after};" in frequency.misfit(np.datetime64("2022-01-04"))


def test_most_stamps_say_where_the_steps_are() -> None:
    times = np.array(["2024-01-01T00:30", "2024-01-01T01", "2024-01-01T02"], dtype="datetime64[ns]")
    assert Frequency.of("h").fitted(times).located(times)[1].tolist() == [False, True, True]


def test_kinds_of_stamps_are_not_mixed() -> None:
    with pytest.raises(DataError, match="are dates, but steps of frequency '1' are whole numbers: give another --freq"):
        Frequency.of("1").ordinals(np.array(["2024"], dtype="datetime64[Y]"))
    with pytest.raises(DataError, match="are of type int64, but steps of frequency 'D' are dates"):
        Frequency.of("D").ordinals(np.arange(3))
    with pytest.raises(DataError, match="stamp 2 is missing"):
        Frequency.of("D").ordinals(np.array(["2024-01-01", "NaT"], dtype="datetime64[ns]"))


@pytest.mark.parametrize("year", ["0001", "1066", "9999"])
def test_years_that_nanoseconds_do_not_reach_are_refused(year: str) -> None:
    with pytest.raises(DataError, match=f"{year}.*between 1678 and 2261"):
        Frequency.of("YS").ordinals(np.array([year], dtype="datetime64[D]"))
    with pytest.raises(DataError, match="shorter horizon"):
        Frequency.of("YS").times(np.array([0, 400]))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "UTC", "America/Havana"])
@pytest.mark.parametrize("alias", ["D", "h", "30min", "6h", "W-MON", "MS", "B"])
def test_days_follow_the_clock_on_the_wall_and_hours_go_on(zone: str, alias: str) -> None:
    if alias in ("h", "30min", "6h"):
        local = pd.date_range("2017-01-01", "2019-12-31", freq=alias, tz=zone)
    else:
        wall = pd.date_range("2017-01-01", "2019-12-31", freq=alias)
        local = wall.tz_localize(zone, ambiguous=np.ones(len(wall), dtype=bool), nonexistent="shift_forward")
    times = local.tz_convert("UTC").tz_localize(None).to_numpy()
    frequency = Frequency.of(alias, zone).fitted(times)
    ordinals = frequency.ordinals(times)
    assert (np.diff(ordinals) == 1).all() and (frequency.times(ordinals) == times).all()


def test_an_unknown_zone_is_refused() -> None:
    with pytest.raises(ConfigError, match="time zone is 'Mars/Olympus'"):
        Frequency.of("D", "Mars/Olympus").ordinals(np.array(["2024-01-01"], dtype="datetime64[ns]"))


@pytest.mark.parametrize("alias", [a for a in ALIASES if a not in ("ns", "us", "2B", "WOM-3FRI")])
@settings(max_examples=15)
@given(start=STARTS, data=st.data())
def test_the_frequency_of_a_range_is_inferred(alias: str, start: datetime, data: st.DataObject) -> None:
    times = pd.date_range(start, periods=30, freq=alias).to_numpy()
    gaps = data.draw(st.lists(st.integers(1, 28), max_size=3))
    found = Frequency.infer(np.delete(times, gaps))
    assert (np.diff(found.ordinals(times)) == 1).all()


@pytest.mark.parametrize(
    ("given", "expected"),
    [("h", "h"), ("15min", "15min"), ("D", "D"), ("B", "B"), ("W-TUE", "W-TUE"), ("MS", "MS"), ("ME", "ME"),
     ("QS", "QS-JAN"), ("QE", "QE-MAR"), ("YS", "YS-JAN"), ("YE-JUN", "YE-JUN"), ("2h", "2h"), ("2MS", "2MS"),
     ("3D", "3D"), ("2W-SUN", "2W-SUN"), ("BME", "BME"), ("s", "s"), ("100ms", "100ms"), ("14D", "2W-FRI"),
     ("15D", "15D"), ("SMS", "SMS-15"), ("SME", "SME-15"), ("SMS-16", "SMS-16"), ("SME-14", "SME-14")],
)  # fmt: skip
def test_names_of_inferred_frequencies(given: str, expected: str) -> None:
    times = pd.date_range("2021-01-01", periods=40, freq=given).to_numpy()
    assert Frequency.infer(times).alias == expected and Frequency.infer([times[:9], times[5:]]).alias == expected


def test_whole_numbers_are_inferred_too() -> None:
    assert Frequency.infer(np.array([3, 4, 6, 7])).alias == "1"
    assert Frequency.infer(np.array([1990, 2000, 2010])) == Frequency("10", phase=(0, 0))
    assert Frequency.infer(np.array([5, 15])).ordinals(np.array([5, 25])).tolist() == [0, 2]


def test_what_has_no_spacing_is_said_with_what_to_give() -> None:
    with pytest.raises(DataError, match="no series has two different stamps.*--freq"):
        Frequency.infer([np.array(["2024-01-01"], dtype="datetime64[D]")] * 3)
    times = pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-05", "2024-01-08"]).to_numpy()
    with pytest.raises(DataError, match="'2D' apart, but 2024-01-08 is on no step.*--freq .*'1D' would fit all"):
        Frequency.infer(times)
    fifths = np.array([f"2024-{month:02}-{day:02}" for month in range(1, 9) for day in (5, 20)], "datetime64[ns]")
    with pytest.raises(DataError, match="'15D' apart, but 2024-01-05 is on no step.*--freq"):
        Frequency.infer(fifths)


def test_calendar_features_are_points_on_circles() -> None:
    hourly = Frequency.of("h")
    times = pd.date_range("2024-02-28", periods=72, freq="h")
    features = hourly.features(hourly.ordinals(times.to_numpy()))
    assert features.shape == (72, 8) and features.dtype == np.float32 and len(hourly.cycles) == 4
    assert np.allclose((features.reshape(72, 4, 2) ** 2).sum(-1), 1, atol=1e-6)
    day = times.to_series().dt
    part = [day.hour / 24, day.dayofweek / 7 + day.hour / 168, (day.day - 1) / day.days_in_month]
    assert np.allclose(features[:, [0, 2, 4]], np.sin(2 * np.pi * np.array(part)).T, atol=1e-6)
    assert np.allclose(features[:, 7], np.cos(2 * np.pi * (day.dayofyear - 1) / 366), atol=1e-6)


@pytest.mark.parametrize(
    ("alias", "count"),
    [("1", 0), ("YS", 0), ("4QS", 0), ("12MS", 0), ("MS", 1), ("QE", 1), ("BME", 1), ("W", 2), ("7D", 2), ("D", 3),
     ("B", 3), ("h", 4), ("24h", 3), ("min", 5), ("s", 6), ("SMS", 3)],
)  # fmt: skip
def test_only_what_varies_is_a_feature(alias: str, count: int) -> None:
    frequency = Frequency.of(alias)
    assert len(frequency.cycles) == count and frequency.features(np.arange(5)).shape[1] == 2 * count
    if count:
        first, last = frequency.located(np.array(["2000-01-01", "2020-01-01"], dtype="datetime64[ns]"))[0]
        features = frequency.features(np.random.default_rng(0).integers(first, last, 1000))
        assert (features.std(axis=0) > 0.1).all()


@pytest.mark.parametrize(
    ("alias", "first", "last", "cycles"),
    [
        ("h", "2024-01-01", "2024-01-02 23:00", ["hour of day"]),
        ("h", "2024-01-01", "2024-01-02 22:00", []),
        ("h", "2024-01-01", "2024-12-31 23:00", ["hour of day", "day of week", "day of month"]),
        ("D", "2022-06-01", "2024-05-31", ["day of week", "day of month", "day of year"]),
        ("D", "2022-06-01", "2024-05-28", ["day of week", "day of month"]),
        ("MS", "2023-02-01", "2025-01-01", ["month of year"]),
        ("MS", "2023-02-01", "2024-12-01", []),
        ("1", 0, 1000, []),
    ],
)
def test_cycles_that_come_but_once_are_no_features(alias: str, first: Any, last: Any, cycles: list[str]) -> None:
    frequency = Frequency.of(alias)
    stamps = np.array([first, last]) if alias == "1" else np.array([first, last], dtype="datetime64[ns]")
    within = frequency.cycles_within(*frequency.ordinals(stamps).tolist())
    assert list(within) == cycles
    assert frequency.features(np.arange(5), within).shape == (5, 2 * len(cycles))


def test_features_show_the_hour_on_the_wall() -> None:
    times = np.array(["2024-07-01T22:00"], dtype="datetime64[ns]")
    berlin = Frequency.of("h", "Europe/Berlin")
    assert berlin.features(berlin.ordinals(times))[0, :2].tolist() == [0, 1]


@pytest.mark.parametrize("alias", ALIASES)
@pytest.mark.parametrize("most", [0, 1, 5, 100, 1200])
def test_lags_ascend_to_the_most(alias: str, most: int) -> None:
    lags = Frequency.of(alias).lags(most)
    assert list(lags) == sorted(set(lags)) and all(1 <= lag <= most for lag in lags)
    assert set(range(1, min(most, 7) + 1)) <= set(lags)


def test_lags_lie_around_the_cycles() -> None:
    assert {364, 365, 728, 30, 14, 8} <= set(Frequency.of("D").lags(1000)) | {365}
    assert Frequency.of("MS").lags(40) == (*range(1, 8), 11, 12, 13, 23, 24, 25, 35, 36, 37)
    assert {23, 24, 25, 167, 168, 169, 504} <= set(Frequency.of("h").lags(1200))
    assert Frequency.of("YE").lags(1200) == Frequency.of("1").lags(1200) == tuple(range(1, 8))
