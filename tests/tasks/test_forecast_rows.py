"""Rows of panels put together anew."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.series import Covariate, Panel
from unspool.errors import DataError
from unspool.tasks.forecast.rows import joined, latest, repeated

NAN = float("nan")
lists = st.lists(st.lists(st.floats(-9, 9) | st.just(NAN), min_size=1, max_size=8).filter(lambda v: v[0] == v[0] and
                 v[-1] == v[-1]), min_size=1, max_size=3)  # fmt: skip


def same(one: Panel, other: Panel) -> None:
    assert list(one.ids) == list(other.ids)
    for name in ("offsets", "starts", "y", "observed"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@given(lists, st.data())
def test_what_was_cut_is_joined_again(values: list[list[float]], data: st.DataObject) -> None:
    """Every way of cutting series in two and joining them gives the series."""
    whole = Panel.of(values, frequency="D", starts="2024-01-01")
    cuts = [data.draw(st.integers(0, len(series) - 1).filter(lambda c, s=series: not np.isnan(s[len(s) - c - 1]) and
            (c == 0 or not np.isnan(s[len(s) - c])))) for series in values]  # fmt: skip
    first = whole.cut(np.array(cuts))
    rest = {i: series[len(series) - cut :] for i, (series, cut) in enumerate(zip(values, cuts, strict=True)) if cut}
    if not rest:
        return
    starts = [int(whole.starts[i]) + len(values[i]) - cuts[i] for i in rest]
    second = Panel.of({str(i): series for i, series in rest.items()}, frequency="D",
                      starts=whole.frequency.times(np.array(starts)))  # fmt: skip
    same(joined(first, second), whole)


@given(lists, st.integers(1, 9))
def test_the_latest_rows_are_the_end_of_the_history(values: list[list[float]], rows: int) -> None:
    panel = Panel.of(values)
    kept = latest(panel, rows)
    for i in range(len(panel)):
        np.testing.assert_array_equal(kept.history(i), panel.history(i)[-rows:])
    np.testing.assert_array_equal(kept.origins, panel.origins)
    same(latest(kept, rows), kept)


def test_gaps_are_missing_and_new_series_begin() -> None:
    old, new = Panel.of({"a": [1.0, 2.0]}), Panel.of({"b": [5.0], "a": [3.0]}, starts=[9, 4])
    both = joined(old, new)
    same(both, Panel.of({"a": [1.0, 2.0, NAN, NAN, 3.0], "b": [5.0]}, starts=[0, 9]))


def test_rows_that_were_read_already_are_refused() -> None:
    old = Panel.of({"a": [1.0, 2.0]}, frequency="D", starts="2024-01-01")
    again = Panel.of({"a": [3.0]}, frequency="D", starts="2024-01-02")
    with pytest.raises(DataError, match=r"'a': the new rows begin at 2024-01-02.*read up to 2024-01-02"):
        joined(old, again)
    with pytest.raises(DataError, match="frequency 'h', those before of 'D'"):
        joined(old, Panel.of({"a": [3.0]}, frequency="h", starts="2024-02-02"))


def with_covariates(ids: list[str], start: int, rain: list[float], kinds: list[int], words: tuple[str, ...]) -> Panel:
    count = len(rain) // len(ids)
    return Panel(
        ids, np.arange(len(ids) + 1) * count, np.full(len(ids), start), Panel.of([[1.0]]).frequency,
        np.arange(len(rain), dtype=float), np.full(len(ids), count),
        (Covariate("rain", "past", np.array(rain, np.float32)), Covariate("kind", "static", np.array(kinds, np.int32),
         words)),
    )  # fmt: skip


def test_covariates_go_with_their_rows_and_series() -> None:
    old = with_covariates(["a"], 0, [1, 2], [0], ("x",))
    new = with_covariates(["a", "b"], 3, [3, 4, 5, 6], [0, 1], ("x", "y"))
    both = joined(old, new)
    rain, kind = both.covariates
    np.testing.assert_array_equal(rain.values, np.array([1, 2, NAN, 3, 4, 5, 6], np.float32))
    assert kind.words == ("x", "y") and kind.values.tolist() == [0, 1]
    other = joined(with_covariates(["b"], 0, [1], [0], ("z",)), with_covariates(["a"], 0, [1], [0], ("x",)))
    assert [other.covariates[1].words[i] for i in other.covariates[1].values] == ["z", "x"]  # pyright: ignore
    with pytest.raises(DataError, match=r"have the covariates \[\], those before \['kind', 'rain'\]"):
        joined(old, Panel.of({"a": [1.0]}, starts=9))


def test_copies_are_to_be_written_into() -> None:
    panel = Panel.of({"a": [1.0, 2.0, 3.0], "b": [7.0]})
    twice = repeated(panel, np.array([1, 0]), copies=2, rows=2, ahead=2)
    np.testing.assert_array_equal(twice.y, [7, NAN, NAN] * 2 + [2, 3, NAN, NAN] * 2)
    assert list(twice.ids) == ["b", "b", "a", "a"] and twice.starts.tolist() == [0, 0, 1, 1]
    twice.y[:] = 0
    assert panel.y.tolist() == [1, 2, 3, 7]
