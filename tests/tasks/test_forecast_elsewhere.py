"""The mean of a series but for what lies near a window, held against the plain rule."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.series import Panel
from unspool.tasks.forecast.elsewhere import NEAR, Elsewhere
from unspool.tasks.forecast.features import Features
from unspool.tasks.forecast.windows import Draws, Windows

VALUES = st.lists(st.one_of(st.just(np.nan), st.floats(-100, 100)), min_size=1, max_size=60)


def plainly(values: np.ndarray, begin: int, window: int) -> float:
    margin = min(NEAR * window, max(len(values) // 2 - window, 0) // 2)
    far = [y for i, y in enumerate(values) if not begin - margin <= i < begin + window + margin]
    seen = [y for y in far if not np.isnan(y)]
    return float(np.mean(seen)) if seen else np.nan


@given(st.lists(VALUES, min_size=1, max_size=4), st.integers(2, 8), st.data())
def test_it_is_the_mean_of_what_is_far(given_series: list[list[float]], window: int, data: st.DataObject) -> None:
    whole = [[1.0, *values] for values in given_series]
    panel = Panel.of(whole)
    until = np.array([data.draw(st.integers(0, int(steps))) for steps in panel.observed])
    found = Elsewhere(panel, until, window=window)
    series = np.arange(len(until)).repeat(2)
    begins = np.array([data.draw(st.integers(-window, 60)) for _ in series])
    begins = np.minimum(begins, until[series])
    expected = [
        plainly(panel.history(int(i))[: until[i]], begin, window) for i, begin in zip(series, begins, strict=True)
    ]
    np.testing.assert_allclose(found(series, begins), expected, rtol=1e-9, atol=1e-9)


def test_half_of_a_series_stays_where_it_has_two_windows() -> None:
    """Of 40 steps, windows of 4 and 8 on either side are near; of 100, five windows on either side."""
    short, long = np.arange(40.0), np.arange(100.0)
    found = Elsewhere(Panel.of([short, long]), np.array([40, 100]), window=4)(np.array([0, 1]), np.array([18, 50]))
    assert found.tolist() == [np.delete(short, range(10, 30)).mean(), np.delete(long, range(30, 74)).mean()]


@pytest.mark.parametrize("training", [True, False])
def test_windows_to_learn_from_know_no_mean_of_themselves(training: bool) -> None:
    panel = Panel.of({"a": [0.0] * 90 + [10.0] * 10})
    features = Features.learn(panel, series=False, means=True)
    windows = Windows(
        panel, features, context=5, horizon=5, lags=(), scaling="last", season=1, calendar=False, training=training
    )
    off = windows.batch(np.array([0, 0]), np.array([95, 5])).off_mean[:, 0]
    # Far from the end all is 0; far from the beginning, 30 of the zeros less.
    assert off.tolist() == pytest.approx([10.0, -10 / 7] if training else [9.0, -1.0])
    drawn = next(Draws(windows, batch=64, steps=1, seed=0).epoch(0)).off_mean
    assert drawn.shape == (64, 1) and drawn.isfinite().all()
