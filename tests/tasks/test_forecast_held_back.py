"""What is held back of each series to validate on."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from toy_forecasting import SMALL, fit, waves

from unspool.cells import GRUCell
from unspool.data.series import Panel
from unspool.errors import DataError
from unspool.tasks.forecast import ForecastData, ForecastSettings, train
from unspool.tasks.forecast.plan import planned
from unspool.tasks.forecast.train import held_back
from unspool.train import TrainSettings


def test_the_end_of_each_series_is_held_back(tmp_path: Path) -> None:
    """Values of the held-back steps change the validation, and not what is learned."""
    changed = waves()
    changed.y[changed.offsets[1:] - 1] += 50
    first, second = fit(tmp_path / "a", steps=20), fit(tmp_path / "b", steps=20, panel=changed)
    assert first.best["loss"] != second.best["loss"]
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_series_for_validation_alone_are_used_up_to_the_first_context() -> None:
    plan = planned(replace(ForecastSettings(**SMALL), valid_windows=100), waves())  # context 24, horizon 6
    assert held_back(waves(), plan, apart=True).tolist() == [66, 42, 24, 36]
    assert held_back(waves(), plan, apart=False).tolist() == [42, 30, 24, 30]
    short = Panel.of([np.arange(20.0), np.arange(11.0)], frequency="MS")
    assert held_back(short, plan, apart=True).tolist() == [6, 6] and held_back(short, plan, apart=False).tolist() == [
        6,
        0,
    ]


@pytest.mark.parametrize(
    ("lengths", "message"),
    [((90,), None), ((11,), None), ((10, 9), "no series to validate on has 11 values.*give longer ones with --valid")],
)
def test_series_too_short_to_validate_on(lengths: tuple[int, ...], message: str | None, tmp_path: Path) -> None:
    data = ForecastData(waves(), Panel.of([np.arange(float(n)) for n in lengths], frequency="MS"))
    told = nullcontext() if message is None else pytest.raises(DataError, match=message)
    with told:
        train(GRUCell, data, ForecastSettings(**SMALL), TrainSettings(max_steps=1), tmp_path / "run")


def test_fewer_windows_than_asked_for_are_told(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"valid_windows is 30, but the longest series has room for 7 horizons of 6"):
        fit(tmp_path / "run", steps=1, valid_windows=30)


def test_the_spread_is_fitted_to_forecasts_that_do_not_overlap(tmp_path: Path) -> None:
    panel = Panel.of([np.arange(90.0) + i for i in range(10)])
    best = fit(tmp_path / "run", steps=1, panel=panel, valid_windows=5, horizon=8, lags=()).best
    assert best["spread_fitted_to"] == 50


def test_weights_are_chosen_on_forecasts_that_overlap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, sizes = sys.modules["unspool.tasks.forecast.train"], []

    def recorded(model: Any, draws: Any, ends: Any) -> Any:
        sizes.append(len(ends))
        return job(model, draws, ends)

    job = module.ForecastJob
    monkeypatch.setattr(module, "ForecastJob", recorded)
    fit(tmp_path / "run", steps=1, panel=Panel.of([np.arange(90.0)]), horizon=16, valid_windows=2, lags=())
    assert sizes == [17]  # forecasts of 16 within the last 32 steps, one begins at each
