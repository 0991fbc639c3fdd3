"""The default of `unspool train classify`: scikit-learn's handwritten digits, which need no download."""

from __future__ import annotations

import numpy as np

from unspool.data.groups import split
from unspool.data.needed import needed
from unspool.data.sequences import Sequences

SIDE = 8


def digits() -> tuple[Sequences, Sequences, Sequences]:
    """Train, validation and test part of 1,797 pictures of digits, always the same: 72, 8 and 20% of each digit.

    A picture is a sequence of its 8 rows from top to bottom: 8 steps of 8 features, 0 (white) to 16. Labels are `"0"`
    to `"9"`. Source: E. Alpaydin, C. Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998 (the test part, as
    bundled with scikit-learn; 13 writers, not told apart there).

    Raises:
        UnspoolError: scikit-learn is missing.

    Example:
        >>> train, valid, test = digits()
        >>> len(train), len(valid), len(test), train.numbers.shape, train.places(0)
        (1294, 144, 359, (10352, 8), "picture 1 of scikit-learn's digits")
    """
    datasets = needed("sklearn.datasets", "the default job, handwritten digits,")
    pictures, labels = datasets.load_digits(return_X_y=True)
    whole = Sequences(
        "numbers", None, np.asarray(pictures, dtype=np.float32).reshape(-1, SIDE),
        SIDE * np.arange(len(pictures) + 1, dtype=np.int64), tuple(f"column {i + 1}" for i in range(SIDE)),
        [str(label) for label in labels], None, lambda i: f"picture {i + 1} of scikit-learn's digits",
    )  # fmt: skip
    rest, test = split(whole, 0.2, seed=0)
    return *split(rest, 0.1, seed=0), test
