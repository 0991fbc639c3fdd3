"""The default series, against pandas' own monthly means."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from statsmodels.datasets import co2 as source

from unspool.data.series.builtin import HELD, co2
from unspool.errors import UnspoolError


def test_months_are_the_means_that_pandas_finds() -> None:
    whole = co2().test
    weeks: Any = source.load_pandas().data
    months = weeks["co2"].resample("MS").mean()
    np.testing.assert_allclose(whole.history(0), months.to_numpy(), rtol=1e-12)
    steps = whole.starts[0] + np.arange(len(months))
    assert (whole.frequency.times(steps) == months.index.to_numpy()).all()
    assert whole.frequency.alias == "MS" and np.isnan(whole.history(0)).sum() == 5 and whole.ids == ["co2"]


def test_each_part_goes_on_where_the_one_before_ends() -> None:
    train, valid, test = co2()
    for before, after in ((train, valid), (valid, test)):
        length = int(before.observed[0])
        assert int(after.observed[0]) == length + HELD
        np.testing.assert_array_equal(before.history(0), after.history(0)[:length])
        assert (before.starts == after.starts).all()


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "statsmodels.datasets", None)
    with pytest.raises(UnspoolError, match=r"needs the statsmodels library.*pip install 'unspool\[forecast\]'"):
        co2()
