"""Forecasts: their table, and quantiles between levels."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from unspool.data.series import Forecasts, Frequency
from unspool.errors import ConfigError, ShapeError


def some(frequency: Frequency, levels: tuple[float, ...] = (0.025, 0.5, 0.975)) -> Forecasts:
    mean = np.arange(6.0).reshape(2, 3)
    quantiles = mean[:, :, None] + np.arange(len(levels))
    return Forecasts(["a", "b"], frequency, np.array([10, 20]), mean, levels, quantiles)


def test_a_table_has_a_row_a_step_and_a_column_a_level() -> None:
    frame = some(Frequency.of("MS")).frame()
    assert list(frame.columns) == ["unique_id", "ds", "mean", "0.025", "0.5", "0.975"]
    assert frame["unique_id"].tolist() == ["a"] * 3 + ["b"] * 3
    assert frame["ds"].tolist() == [
        *pd.date_range("1970-12-01", periods=3, freq="MS"),
        *pd.date_range("1971-10-01", periods=3, freq="MS"),
    ]
    assert frame["0.975"].tolist() == [2, 3, 4, 5, 6, 7]


def test_stamps_are_given_back_in_their_zone() -> None:
    ds = some(Frequency.of("D", "Europe/Berlin")).frame()["ds"]
    assert str(ds.dtype) == "datetime64[ns, Europe/Berlin]" and ds.dt.hour.eq(0).all()


def test_whole_numbers_stay() -> None:
    assert some(Frequency.of("1"), ()).frame()["ds"].tolist() == [11, 12, 13, 21, 22, 23]


def test_quantiles_between_levels_lie_on_the_line() -> None:
    forecasts = some(Frequency.of("1"))
    np.testing.assert_allclose(forecasts.at(0.5), forecasts.mean + 1)
    np.testing.assert_allclose(forecasts.at(0.025), forecasts.mean)
    np.testing.assert_allclose(forecasts.at(0.25), forecasts.mean + (0.25 - 0.025) / 0.475)
    for level in (0.01, 0.99, float("nan")):
        with pytest.raises(ConfigError, match="within the levels"):
            forecasts.at(level)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected ascending"):
        some(Frequency.of("1"), (0.5, 0.1))
    with pytest.raises(ConfigError, match="expected ascending"):
        some(Frequency.of("1"), (0.5, 1.0))
    with pytest.raises(ShapeError, match="quantiles has shape"):
        Forecasts(["a"], Frequency.of("1"), np.array([0]), np.zeros((1, 2)), (0.5,), np.zeros((1, 2)))
    with pytest.raises(ShapeError, match="mean has shape"):
        Forecasts(["a", "b"], Frequency.of("1"), np.array([0]), np.zeros((1, 2)), (), np.zeros((1, 2, 0)))
