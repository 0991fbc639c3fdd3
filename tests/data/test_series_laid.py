"""Rows in any order, laid on their steps as pandas would."""

from __future__ import annotations

import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool.data.series import Panel, SeriesColumns, flat, from_frame, read_series, spool
from unspool.data.series import sources_frame as frames
from unspool.data.series.frequency import Frequency
from unspool.errors import DataError

ALL = SeriesColumns(static=("size", "town"), past=("rain",), known=("price", "day"), categories=("size",))


def as_frame(panel: Panel) -> pd.DataFrame:
    """All steps of a panel, a row each."""
    lengths = panel.lengths
    steps = np.concatenate([start + np.arange(n) for start, n in zip(panel.starts, lengths, strict=True)])
    frame = pd.DataFrame({"unique_id": np.repeat(np.array(panel.ids, dtype=object), lengths), "y": panel.y})
    frame.insert(1, "ds", panel.frequency.times(steps))
    for one in panel.covariates:
        values = np.repeat(one.values, lengths) if one.role == "static" else one.values
        words = None if one.words is None else np.array([*one.words, None], dtype=object)
        frame[one.name] = values if words is None else pd.Series(words[values], dtype=object)
    return frame


def expected(frame: pd.DataFrame) -> pd.DataFrame:
    """What pandas makes of rows whose columns are those of `ALL`."""
    parts = []
    for name in frame["unique_id"].unique():
        mine = frame[frame["unique_id"] == name].set_index("ds").sort_index()
        there = mine.index[mine["y"].notna()]
        if not len(there):
            continue
        laid = mine.reindex(pd.date_range(there[0], mine.index[-1], freq="D"))
        laid.loc[laid.index > there[-1], "rain"] = np.nan
        laid["unique_id"] = name
        for static in ("size", "town"):
            filled = mine[static].dropna()
            laid[static] = filled.iloc[0] if len(filled) else None
        parts.append(laid.rename_axis("ds").reset_index())
    return pd.concat(parts, ignore_index=True)


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Daily rows of some series in any order, with gaps, missing values and covariates."""
    number = st.one_of(st.none(), st.integers(-4, 4).map(lambda n: n / 4))
    found = []
    for series in draw(st.permutations(["a", "b", "", 'ö,"x'[:2]]))[: draw(st.integers(1, 3))]:
        series = series or "c d"
        town = draw(st.sampled_from(["York", "Bath", None]))
        for day in draw(st.lists(st.integers(0, 9), min_size=1, max_size=8, unique=True)):
            word = draw(st.sampled_from(["mon", "tue", None]))
            found.append((series, pd.Timestamp("2024-02-25") + pd.Timedelta(days=day), draw(number), draw(number),
                          draw(number), word, "1" if series == "a" else "02", town if day % 2 else None))  # fmt: skip
    names = ["unique_id", "ds", "y", "rain", "price", "day", "size", "town"]
    frame = pd.DataFrame([found[i] for i in draw(st.permutations(range(len(found))))], columns=pd.Index(names))
    numbers = dict.fromkeys(["y", "rain", "price"], "float64")
    return frame.astype(numbers)


def compared(panel: Panel, table: pd.DataFrame) -> None:
    names = ["unique_id", "ds", "y", "rain", "price", "day", "size", "town"]
    want = expected(table)[names].astype({"rain": "float32", "price": "float32"})
    got = as_frame(panel)[names]
    for name in ("day", "size", "town"):
        want[name] = pd.Series([None if pd.isna(word) else word for word in want[name]], dtype=object)
    pd.testing.assert_frame_equal(got, want, check_dtype=False)
    for i in range(len(panel)):
        assert not np.isnan(panel.history(i)[[0, -1]]).any()


@settings(max_examples=60, deadline=None)
@given(table=tables(), rows_at_once=st.integers(1, 9), suffix=st.sampled_from([".csv", ".csv.gz", ".tsv", ".parquet"]))
def test_rows_in_any_order_are_laid_as_by_pandas(table: pd.DataFrame, rows_at_once: int, suffix: str) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for module, name, value in ((spool, "ROWS", rows_at_once), (spool, "KEPT", 20), (flat, "MAPPED", 40)):
            patch.setattr(module, name, value)
        file = Path(folder, f"a{suffix}")
        if suffix == ".parquet":
            table.to_parquet(file, index=False)
        else:
            table.to_csv(file, index=False, sep="\t" if suffix == ".tsv" else ",")
        if not np.isnan(table["y"].to_numpy()).all():
            compared(read_series(file, ALL, "D"), table)
        else:
            with pytest.raises(DataError, match="no series has an observed value"):
                read_series(file, ALL, "D")


@settings(max_examples=40, deadline=None)
@given(table=tables(), rows_at_once=st.integers(1, 5))
def test_frames_are_read_as_files_are(table: pd.DataFrame, rows_at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setattr(frames, "ROWS", rows_at_once)
        if not np.isnan(table["y"].to_numpy()).all():
            compared(from_frame(table, ALL, "D"), table)


@pytest.mark.parametrize(
    ("step", "told"), [(24, r"no two rows are a step of frequency 'h' apart, the nearest are 24 steps"), (1, None)]
)
def test_rows_of_another_spacing_are_told(step: int, told: str | None) -> None:
    rows = pd.date_range("2024-01-01", periods=10, freq="h") if step == 1 else pd.date_range("2024-01-01", periods=10)
    frame = pd.DataFrame({"unique_id": "a", "ds": rows, "y": np.arange(10.0)})
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        panel = from_frame(frame, SeriesColumns(), "h")
    assert int(panel.observed[0]) == 9 * step + 1
    messages = [str(one.message) for one in said]
    assert len(messages) == (told is not None) and all(re.match(told or "", one) for one in messages)


def test_one_series_of_the_frequency_is_enough() -> None:
    """The others may have gaps everywhere."""
    hours = [*pd.date_range("2024-01-01", periods=10), *pd.date_range("2024-01-01", periods=4, freq="h")]
    frame = pd.DataFrame({"unique_id": ["a"] * 10 + ["b"] * 4, "ds": hours, "y": np.arange(14.0)})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        from_frame(frame, SeriesColumns(), "h")


@pytest.mark.parametrize(
    ("gaps", "told"), [(0, "all rows of 'a' are 24 or more steps of frequency 'h' apart"), (3, None)]
)
def test_series_of_another_frequency_are_told_if_a_model_has_one(gaps: int, told: str | None) -> None:
    days = pd.date_range("2024-01-01", periods=10).delete([2] * (gaps > 0))
    hours = pd.date_range("2024-01-01", periods=9, freq="h")
    parts = [pd.DataFrame({"unique_id": name, "ds": ds, "y": 1.0}) for name, ds in (("a", days), ("b", hours))]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        from_frame(pd.concat(parts), SeriesColumns(), Frequency.of("h"))
    messages = [str(one.message) for one in said if "apart" in str(one.message)]
    assert len(messages) == (told is not None) and all(one.startswith(told or "") for one in messages)
