"""Standardised features, against scikit-learn's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import StandardScaler

from unspool.data.scaler import BLOCK, Scaler


@given(steps=st.integers(2, 30), features=st.integers(1, 4), seed=st.integers(0, 99), shift=st.sampled_from([0, 1e3]))
def test_as_scikit_learn(steps: int, features: int, seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    numbers = (rng.normal(size=(steps, features)) * rng.uniform(0.5, 100, features) + shift).astype(np.float32)
    scaler = Scaler.fit(numbers, tuple(map(str, range(features))))
    expected = np.asarray(StandardScaler().fit_transform(numbers.astype(np.float64)))
    np.testing.assert_allclose(scaler(numbers), expected, rtol=1e-3, atol=2e-3)
    assert scaler(numbers).dtype == np.float32
    assert Scaler.from_json(scaler.to_json()) == scaler


def test_constant_features_and_no_steps() -> None:
    numbers = np.full((5, 2), 0.1, dtype=np.float32)
    numbers[:, 1] = [1, 2, 3, 4, 5]
    scaled = Scaler.fit(numbers, ("constant", "other"))(numbers)
    assert np.abs(scaled[:, 0]).max() < 1e-6 and scaled[:, 1].std() == pytest.approx(1)
    assert Scaler.fit(numbers[:0], ("a", "b"))(numbers).tolist() == numbers.tolist()


def test_the_input_stays_as_it_was() -> None:
    numbers = np.array([[1.0], [3.0]], dtype=np.float32)
    Scaler.fit(numbers, ("x",))(numbers)
    assert numbers.tolist() == [[1.0], [3.0]]


@pytest.mark.parametrize(
    "change",
    [{"mean": [1.0, 2.0]}, {"mean": ["x"]}, {"deviation": [0.0]}, {"deviation": [float("nan")]}, {"features": [3]}],
    ids=str,
)
def test_a_foreign_scale_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises((ValueError, TypeError)):
        Scaler.from_json({"features": ["x"], "mean": [0.0], "deviation": [1.0]} | change)


def test_numbers_whose_differences_and_squares_overflow_float32() -> None:
    numbers = np.array([[-3e38, 1e-45], [3e38, 0], [1e38, 0]], dtype=np.float32)
    scaler = Scaler.fit(numbers, ("large", "small"))
    expected = np.asarray(StandardScaler().fit_transform(numbers.astype(np.float64) * [1, 1e45]))
    np.testing.assert_allclose(scaler(numbers), expected, rtol=1e-5)


@pytest.mark.parametrize("value", [0.1, 1e38, -3e38, 7e-46])
def test_a_large_constant_is_nothing_on_its_scale(value: float) -> None:
    numbers = np.full((1000, 1), value, dtype=np.float32)
    assert (Scaler.fit(numbers, ("x",))(numbers) == 0).all()


def test_what_float32_does_not_hold_is_infinite_and_many_steps_are_as_few() -> None:
    numbers = np.zeros((BLOCK + 5, 2), dtype=np.float32)
    numbers[[3, -2], 1] = 3e38
    scaled = Scaler(("x", "y"), (0.0, 1.0), (1.0, 1e-3))(numbers)
    assert np.argwhere(~np.isfinite(scaled)).tolist() == [[3, 1], [BLOCK + 3, 1]]
    assert scaled[-1].tolist() == scaled[0].tolist() == [0, -1000]
