"""The scale of a window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from unspool.tasks.forecast.scaling import scale_of
from unspool.tasks.forecast.settings import SCALINGS

values = st.floats(-1e6, 1e6) | st.just(np.nan)
windows = arrays(np.float64, st.tuples(st.integers(1, 4), st.integers(1, 12)), elements=values)


@given(windows, st.sampled_from(SCALINGS), st.integers(0, 5), st.integers(1, 4))
def test_any_window_has_a_scale(y: np.ndarray, how: str, horizon: int, season: int) -> None:
    loc, scale = scale_of(y, how, horizon=horizon, season=season)
    assert loc.shape == scale.shape == (len(y), y.shape[1] + horizon)
    assert np.isfinite(loc).all() and np.isfinite(scale).all() and (scale > 0).all()


@given(windows, st.sampled_from(SCALINGS), st.integers(1, 5), st.integers(1, 4))
def test_a_row_does_not_depend_on_the_rows_beside_it(y: np.ndarray, how: str, horizon: int, season: int) -> None:
    together = scale_of(y, how, horizon=horizon, season=season)
    for row in range(len(y)):
        alone = scale_of(y[row : row + 1], how, horizon=horizon, season=season)
        for part, other in zip(together, alone, strict=True):
            np.testing.assert_array_equal(part[row], other[0])


@pytest.mark.parametrize("size", [1e301, 1e-200])
@pytest.mark.parametrize("how", sorted({*SCALINGS} - {"none", "last"}))
def test_numbers_whose_squares_are_none_have_a_scale(how: str, size: float) -> None:
    y = np.array([[1.0, np.nan, 5.0, 3.0, 2.0]])
    expected = scale_of(y, how, horizon=2, season=2)
    for part, large in zip(expected, scale_of(size * y, how, horizon=2, season=2), strict=True):
        np.testing.assert_allclose(large / size, part, rtol=1e-12)


def test_each_way_by_hand() -> None:
    y = np.array([[1.0, np.nan, 5.0, 3.0]])
    expected = {
        "mean-abs": (0, 3),
        "robust": (3, 4 / 3),
        "instance": (3, np.std([1, 5, 3])),
        "last": (3, 1),
        "none": (0, 1),
    }
    for how, pair in expected.items():
        loc, scale = scale_of(y, how, horizon=2)
        np.testing.assert_allclose([loc[0], scale[0]], np.repeat(np.array(pair)[:, None], 6, 1), err_msg=how)


def test_the_seasonal_scale_is_that_of_seasonal_naive() -> None:
    """Of each place in the season the latest value that was seen; MASE's scale, within the window."""
    y = np.array([[1.0, 2.0, 4.0, 2.5, np.nan, 8.0]])
    loc, scale = scale_of(y, "seasonal", horizon=5, season=3)
    assert loc[0, 6:].tolist() == [2.5, 2.0, 8.0, 2.5, 2.0]
    np.testing.assert_allclose(scale[0, 6:], (1.5 + 4) / 2)
    np.testing.assert_allclose(loc[0, :6], np.nanmean(y))
    np.testing.assert_allclose(scale[0, :6], np.nanstd(y))
    unseen, _ = scale_of(np.array([[np.nan, 1.0, 3.0]]), "seasonal", horizon=3, season=3)
    assert unseen[0, 3:].tolist() == [2.0, 1.0, 3.0]  # the mean, where a place was never seen


@pytest.mark.parametrize("how", SCALINGS)
def test_windows_without_any_change_keep_their_size(how: str) -> None:
    for value in (0.0, 0.1, 7e9, np.nan):
        _, scale = scale_of(np.full((1, 7), value), how, horizon=2, season=3)
        level = 1.0 if how != "mean-abs" or value != value or not value else abs(value)
        np.testing.assert_allclose(scale, level)
