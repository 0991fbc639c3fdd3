"""The default job: scikit-learn's pictures, each in one part, row by row."""

from __future__ import annotations

from collections import Counter

import numpy as np
from sklearn.datasets import load_digits

from unspool.data.digits import digits


def test_every_picture_is_in_one_part_with_its_digit() -> None:
    pictures, targets = load_digits(return_X_y=True)
    seen = []
    for part in digits():
        assert part.kind == "numbers" and part.numbers is not None and part.numbers.dtype == np.float32
        assert set(part.lengths.tolist()) == {8} and len(part.features) == part.numbers.shape[1] == 8
        numbers = [int(part.places(i).split()[1]) - 1 for i in range(len(part))]
        np.testing.assert_array_equal(part.numbers.reshape(-1, 8, 8), np.reshape(pictures, (-1, 8, 8))[numbers])
        assert part.labels == [str(targets[i]) for i in numbers]
        seen += numbers
    assert sorted(seen) == list(range(1797))


def test_each_digit_is_divided_in_proportion() -> None:
    train, valid, test = (Counter(part.labels) for part in digits())
    for digit in map(str, range(10)):
        total = train[digit] + valid[digit] + test[digit]
        assert abs(test[digit] - 0.2 * total) < 1 and abs(valid[digit] - 0.08 * total) < 1.1
