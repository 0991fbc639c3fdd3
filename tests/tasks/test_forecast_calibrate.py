"""A spread that is fitted to validation forecasts, and outputs that are widened by it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import unspool
from unspool.cells import GRUCell
from unspool.data.series import from_frame
from unspool.errors import RunError
from unspool.tasks.forecast import ForecastData, ForecastSettings, train
from unspool.tasks.forecast.calibrate import LEAST, LEVELS, fit_spread, fitted
from unspool.tasks.forecast.outputs import Counts, Gaussian, Output, Point, Quantiles, StudentsT
from unspool.tasks.forecast.widened import Widened, has_spread
from unspool.train import TrainSettings

OUTPUTS = [Gaussian(), StudentsT(), Quantiles((0.1, 0.3, 0.5, 0.9)), Quantiles((0.6, 0.9))]
IDS = ["gaussian", "student-t", "quantiles", "quantiles above the median"]


def normal(levels: tuple[float, ...], rows: int) -> torch.Tensor:
    """Quantiles of the normal distribution, in so many rows."""
    return torch.distributions.Normal(0.0, 1.0).icdf(torch.tensor(levels)).expand(rows, len(levels))


@pytest.mark.parametrize("true", [0.5, 1.0, 1.7, 3.0])
def test_the_true_spread_is_found(true: float) -> None:
    truth = true * torch.randn(20_000, generator=torch.Generator().manual_seed(1))
    assert fit_spread(normal(LEVELS, 20_000), truth, LEVELS) == pytest.approx(true, rel=0.04)


@given(st.integers(0, 1000), st.floats(0.3, 3.0))
def test_no_other_spread_has_a_smaller_loss(seed: int, other: float) -> None:
    truth = 1.4 * torch.randn(200, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    quantiles, level = normal(LEVELS, 200).double(), torch.tensor(LEVELS, dtype=torch.float64)

    def loss(spread: float) -> float:
        off = truth.unsqueeze(-1) - spread * quantiles
        return float(torch.maximum(level * off, (level - 1) * off).mean())

    assert loss(fit_spread(quantiles, truth, LEVELS)) <= loss(other) + 1e-6


def test_too_few_forecasts_leave_it_as_it_is() -> None:
    """So do forecasts of which no step was seen."""
    quantiles, truth = normal(LEVELS, 80).unsqueeze(1), torch.full((80, 1), 9.0)
    seen = torch.arange(80).unsqueeze(1) < LEAST - 1
    assert fitted(LEVELS, quantiles, truth, seen) == {"spread": 1.0, "spread_fitted_to": 0}
    seen = torch.arange(80).unsqueeze(1) < LEAST
    with pytest.warns(UserWarning, match="the spread is 4, an end of the range"):
        assert fitted(LEVELS, quantiles, truth, seen) == {"spread": 4.0, "spread_fitted_to": LEAST}


@pytest.mark.parametrize("output", OUTPUTS, ids=IDS)
@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_distances_from_the_median_are_multiplied(output: Output, spread: float) -> None:
    drawn = torch.Generator().manual_seed(0)
    params, loc = torch.randn(3, 4, output.size, generator=drawn), torch.randn(3, 4, generator=drawn)
    scale = torch.rand(3, 4, generator=drawn) + 0.5
    wide, levels = Widened(output, spread), [0.6, 0.75, 0.9]
    centre = 0.6 if isinstance(output, Quantiles) and output.levels[0] == 0.6 else 0.5
    middle = output.quantiles(params, [centre], loc, scale)
    expected = middle + spread * (output.quantiles(params, levels, loc, scale) - middle)
    torch.testing.assert_close(wide.quantiles(params, levels, loc, scale), expected)
    torch.testing.assert_close(wide.quantiles(params, [centre], loc, scale), middle)
    torch.testing.assert_close(
        wide.mean(params, loc, scale), middle[..., 0] + spread * (output.mean(params, loc, scale) - middle[..., 0])
    )


@pytest.mark.parametrize("output", OUTPUTS[:3], ids=IDS[:3])
def test_draws_are_of_the_widened_distribution(output: Output) -> None:
    params, zero, one = torch.tensor([[0.3, -0.5, 0.4, 1.0][: output.size]]), torch.zeros(1), torch.ones(1)
    wide, levels = Widened(output, 2.5), [0.3, 0.5, 0.8]
    draws = wide.sample(params, zero, one, np.random.default_rng(0), paths=200_000)[0]
    expected = wide.quantiles(params, levels, zero, one)[0]
    found = torch.from_numpy(np.quantile(draws.numpy(), levels)).float()
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)


def test_counts_and_points_have_none() -> None:
    assert [has_spread(output) for output in (Counts(), Point(), *OUTPUTS)] == [False, False, True, True, True, True]


def waves(count: int, length: int = 60) -> pd.DataFrame:
    """Series of noise about a wave."""
    rng, hours = np.random.default_rng(0), np.arange(length)
    rows = [
        pd.DataFrame({"unique_id": f"s{i}", "ds": hours, "y": 10 + np.sin(hours) + rng.standard_normal(length)})
        for i in range(count)
    ]
    return pd.concat(rows)


def trained(frame: pd.DataFrame, out: Path) -> dict[str, object]:
    """What the config of a short training says of its calibration."""
    settings = ForecastSettings(horizon=4, context=8, hidden=8, lags=(), steps_per_epoch=5, season=1)
    train(GRUCell, ForecastData(from_frame(frame)), settings, TrainSettings(max_steps=5), out)
    return json.loads((out / "config.json").read_text())["calibration"]


def test_a_training_keeps_it_and_forecasts_have_it(tmp_path: Path) -> None:
    frame = waves(60)
    found = trained(frame, tmp_path / "run")
    assert found["spread_fitted_to"] == 60 and found["spread"] != 1
    model = unspool.load(tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "calibration": {"spread": 1.0}}))
    plain = unspool.load(tmp_path / "run")
    one, other = (m.forecast(frame, levels=(0.1, 0.5, 0.9)) for m in (model, plain))
    widths = [(found["0.9"] - found["0.1"]).to_numpy() for found in (one, other)]
    np.testing.assert_allclose(widths[0], widths[1] * float(str(found["spread"])), rtol=1e-4)
    np.testing.assert_allclose(one["0.5"], other["0.5"], rtol=1e-6)


def test_few_series_are_not_enough(tmp_path: Path) -> None:
    assert trained(waves(3), tmp_path / "run") == {"spread": 1.0, "spread_fitted_to": 0}


@pytest.mark.parametrize("value", [0, -1, "x", None, [1]])
def test_a_damaged_spread_is_named(tmp_path: Path, value: object) -> None:
    trained(waves(3), tmp_path / "run")
    config = tmp_path / "run" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "calibration": {"spread": value}}))
    with pytest.raises(RunError, match=r"config\.json is damaged"):
        unspool.load(tmp_path / "run")
