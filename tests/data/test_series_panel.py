"""Panels: built, cut and taken as lists of arrays would be."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.series import Covariate, Frequency, Panel, SeriesColumns, flat
from unspool.errors import ConfigError, DataError, ShapeError

VALUES = st.lists(st.lists(st.one_of(st.just(float("nan")), st.floats(-9, 9)), max_size=6), min_size=1, max_size=6)


def with_covariates(lengths: list[int], ahead: int) -> Panel:
    """Series of these lengths, and as many steps ahead for which one covariate is known."""
    offsets = np.concatenate([[0], np.cumsum(np.array(lengths) + ahead)])
    observed, rows = np.array(lengths), int(offsets[-1])
    history = np.concatenate([np.arange(n + ahead) < n for n in lengths])
    numbers = np.arange(rows)
    covariates = (
        Covariate("size", "static", np.arange(len(lengths), dtype=np.float32)),
        Covariate("rain", "past", np.where(history, numbers, np.nan).astype(np.float32)),
        Covariate("day", "known", (numbers % 3).astype(np.int32), ("x", "y", "z")),
    )
    y = np.where(history, numbers / 2, np.nan)
    ids = [f"s{i}" for i in range(len(lengths))]
    return Panel(ids, offsets, numbers[: len(lengths)] * 10, Frequency.of("1"), y, observed, covariates)


@given(VALUES)
def test_missing_ends_are_cut_off_and_gaps_stay(values: list[list[float]]) -> None:
    kept = {i: np.flatnonzero(~np.isnan(v)) for i, v in enumerate(values) if not np.isnan(v).all()}
    if not kept:
        with pytest.raises(DataError, match="no series has an observed value"):
            Panel.of(values)
        return
    if len(kept) < len(values):
        with pytest.warns(UserWarning, match="without an observed value are left out"):
            panel = Panel.of(values, starts=100)
    else:
        panel = Panel.of(values, starts=100)
    assert panel.ids == [str(i) for i in kept] and (panel.observed == panel.lengths).all()
    for place, (i, there) in enumerate(kept.items()):
        np.testing.assert_array_equal(panel.history(place), values[i][there[0] : there[-1] + 1])
        assert panel.starts[place] == 100 + there[0] and panel.origins[place] == 100 + there[-1]
        assert panel.future(place, 2).tolist() == [101 + there[-1], 102 + there[-1]]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(0, 3), st.data())
def test_a_cut_hides_what_comes_after_it(lengths: list[int], ahead: int, data: st.DataObject) -> None:
    panel = with_covariates(lengths, ahead)
    steps = np.array([data.draw(st.integers(0, n - 1)) for n in lengths])
    part = panel.cut(steps)
    assert (
        part.observed.tolist() == (panel.observed - steps).tolist() and part.lengths.tolist() == panel.lengths.tolist()
    )
    for i in range(len(panel)):
        rows = slice(part.offsets[i], part.offsets[i + 1])
        kept = np.arange(part.lengths[i]) < part.observed[i]
        np.testing.assert_array_equal(part.y[rows], np.where(kept, panel.y[rows], np.nan))
        np.testing.assert_array_equal(
            part.covariates[1].values[rows], np.where(kept, panel.covariates[1].values[rows], np.nan)
        )
        np.testing.assert_array_equal(part.covariates[2].values[rows], panel.covariates[2].values[rows])
    assert part.covariates[0].values.tolist() == panel.covariates[0].values.tolist()


def test_a_cut_without_known_covariates_leaves_no_row_behind() -> None:
    panel = Panel.of({"a": [1, 2, np.nan, 4], "b": [7, 8]}).cut(1)
    assert panel.lengths.tolist() == panel.observed.tolist() == [3, 1] and panel.origins.tolist() == [2, 0]
    np.testing.assert_array_equal(panel.y, [1, 2, np.nan, 7])


def test_a_cut_of_everything_is_refused() -> None:
    with pytest.raises(DataError, match="1 series have too few.*'b' with 2, of which 2 are cut"):
        Panel.of({"a": [1, 2, 3], "b": [7, 8]}).cut(2)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.data())
def test_taken_series_are_those_of_a_list(lengths: list[int], data: st.DataObject) -> None:
    panel = with_covariates(lengths, 1)
    which = data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=5))
    part = panel.take(which)
    assert part.ids == [panel.ids[i] for i in which]
    for place, i in enumerate(which):
        assert part.history(place).tolist() == panel.history(i).tolist()
        assert part.future(place, 3).tolist() == panel.future(i, 3).tolist()
        rows = slice(panel.offsets[i], panel.offsets[i + 1])
        days = part.covariates[2].values[part.offsets[place] : part.offsets[place + 1]]
        assert days.tolist() == panel.covariates[2].values[rows].tolist()
    assert part.covariates[0].values.tolist() == which


def test_a_mask_chooses_too_and_a_number_outside_is_refused() -> None:
    panel = with_covariates([1, 2, 3], 0)
    assert panel.take(np.array([True, False, True])).ids == ["s0", "s2"]
    with pytest.raises(IndexError):
        panel.take([3])


def test_long_columns_are_mapped_and_their_file_is_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(flat, "MAPPED", 64)
    monkeypatch.setattr(flat, "COPIED", 3)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    panel = with_covariates([5, 6, 7], 2)
    part = panel.cut(2)
    assert isinstance(part.y, np.memmap) and not list(tmp_path.iterdir())
    np.testing.assert_array_equal(part.y[:7], [0, 0.5, 1, *[np.nan] * 4])
    assert part.take([2]).history(0).tolist() == panel.history(2)[:5].tolist()


def test_dates_may_start_a_series() -> None:
    panel = Panel.of([[1, 2], [3]], frequency="h", starts=["2024-01-01 00:30", "2024-01-01 02:30"])
    assert np.diff(panel.starts).tolist() == [2]
    assert str(panel.frequency.times(panel.starts)[0]) == "2024-01-01T00:30:00.000000000"


def test_what_is_no_series_of_numbers_is_refused() -> None:
    with pytest.raises(DataError, match="'a' has values that are no numbers"):
        Panel.of({"a": ["x"]})
    with pytest.raises(DataError, match="'1' is infinite at its step 2"):
        Panel.of([[1], [2, np.inf]])
    with pytest.raises(ShapeError, match="'0' has shape"):
        Panel.of([np.zeros((2, 2))])
    with pytest.raises(DataError, match="the same as text"):
        Panel.of({1: [1], "1": [2]})
    with pytest.raises(ShapeError, match="starts has shape"):
        Panel.of([[1], [2]], starts=[1, 2, 3])
    with pytest.raises(DataError, match="starts are no dates .*; expected dates such as 2024-05-31"):
        Panel.of([[1], [2]], frequency="D", starts="soon")


def test_arrays_that_do_not_fit_are_refused() -> None:
    panel = with_covariates([2, 3], 0)
    with pytest.raises(ShapeError, match="starts has shape"):
        Panel(panel.ids, panel.offsets, panel.starts[:1], panel.frequency, panel.y, panel.observed)
    with pytest.raises(ShapeError, match="offsets must go"):
        Panel(panel.ids, panel.offsets, panel.starts, panel.frequency, panel.y, panel.observed + 1)
    with pytest.raises(ConfigError, match="role 'future'"):
        Covariate("x", "future", np.zeros(1, dtype=np.float32))
    with pytest.raises(ShapeError, match="expected int32"):
        Covariate("x", "static", np.zeros(1, dtype=np.float32), ("a",))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"form": "tall"}, "form is 'tall'"),
        ({"y": ""}, "name of a value column is empty"),
        ({"y": "ds"}, "'ds' is named as stamp and as value"),
        ({"known": ("a",), "past": ("a",)}, "'a' is named as past and as known"),
        ({"known": ("a",), "categories": ("b",)}, "'b' is among the categories"),
        ({"form": "wide", "known": ("a",)}, "wide form has no covariates"),
    ],
)
def test_columns_that_cannot_be_meant_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SeriesColumns(**given)  # pyright: ignore[reportArgumentType]
