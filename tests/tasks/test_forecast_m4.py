"""The measures and the naive methods against the published figures of the M4 competition's hourly series."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from unspool.data.series import Panel
from unspool.tasks.forecast.backtest import Result, compare
from unspool.tasks.forecast.methods import NAIVE, method

SEASON, HORIZON = 24, 48


def read(path: Path) -> dict[str, list[float]]:
    with path.open(newline="") as file:
        return {row[0]: [float(value) for value in row[1:] if value] for row in list(csv.reader(file))[1:]}


@pytest.fixture(scope="module")
def results(shared_data: Callable[[str], Path]) -> dict[str, Result]:
    folder = shared_data("m4")
    history, future = read(folder / "Hourly-train.csv"), read(folder / "Hourly-test.csv")
    panel = Panel.of({name: [*values, *future[name]] for name, values in history.items()})
    assert len(panel) == 414 and panel.observed.min() == 748
    methods = {name: method(name, SEASON) for name in NAIVE}
    return compare(panel, methods, horizon=HORIZON, season=SEASON)


@pytest.mark.parametrize(
    ("name", "smape", "mase", "owa"),
    [("naive", 43.003, 11.608, 3.593), ("seasonal-naive", 13.912, 1.193, 0.628), ("naive2", 18.383, 2.395, 1.0)],
)
def test_the_figures_of_the_competition(
    results: dict[str, Result], name: str, smape: float, mase: float, owa: float
) -> None:
    """sMAPE and MASE as published by the organisers; OWA follows from them."""
    scores = results[name].scores
    assert scores.smape is not None and scores.mase is not None and scores.owa is not None
    assert (round(scores.smape, 3), round(scores.mase, 3), round(scores.owa, 3)) == (smape, mase, owa)
    assert (scores.series, scores.targets, scores.unscaled) == (414, 414 * HORIZON, 0)


def test_the_intervals_hold_about_what_they_should(results: dict[str, Result]) -> None:
    for name, result in results.items():
        assert result.scores.coverage == pytest.approx(0.95, abs=0.025), name
        assert np.abs(result.backtest.below() - result.backtest.forecasts.levels).max() < 0.2, name
