"""Forecasters that know the mean of a series, and draw their forecasts to it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_forecasting import KINDS, fit, waves

import unspool
from unspool.data.series import Covariate, Panel
from unspool.errors import RunError
from unspool.tasks.forecast import Forecaster
from unspool.tasks.forecast.features import read_features
from unspool.tasks.forecast.outputs import Gaussian, Output, Point, Quantiles, StudentsT, shifted
from unspool.tasks.forecast.reverting import RevertingForecaster
from unspool.train import Run

LEVELS = (0.1, 0.4, 0.75, 0.9)
OUTPUTS = [Point(), Gaussian(), StudentsT(), Quantiles(LEVELS)]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: type(output).__name__)
def test_a_shifted_distribution_is_elsewhere_and_as_wide(output: Output) -> None:
    torch.manual_seed(0)
    params, by, zero, one = torch.randn(4, 3, output.size), torch.randn(4, 3), torch.zeros(4, 3), torch.ones(4, 3)
    moved = shifted(output, params, by)
    expected = output.quantiles(params, LEVELS, zero, one) + by.unsqueeze(-1)
    torch.testing.assert_close(output.quantiles(moved, LEVELS, zero, one), expected)
    torch.testing.assert_close(output.mean(moved, zero, one), output.mean(params, zero, one) + by)
    y = torch.randn(4, 3)
    torch.testing.assert_close(output.losses(moved, y + by, zero, one), output.losses(params, y, zero, one))


def wandering(seed: int, decay: float = 0.9) -> Panel:
    """Series that wander, each around a mean of its own: y_t - m = decay · (y_{t-1} - m) + noise."""
    noise = np.random.default_rng(seed).normal(size=(6, 400))
    off = np.zeros_like(noise)
    for t in range(1, noise.shape[1]):
        off[:, t] = decay * off[:, t - 1] + noise[:, t]
    return Panel.of({f"s{i}": 20.0 * i + row for i, row in enumerate(off)})


CHOICES: dict[str, Any] = {
    "scaling": "last", "output": "point", "calendar": False, "lags": (), "context": 2, "steps": 400,
}  # fmt: skip


@pytest.fixture(scope="module")
def drawn_back(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("reverting") / "run"
    fit(run, panel=wandering(0), reversion=True, **CHOICES)
    return run


def test_the_share_that_comes_back_is_learned(drawn_back: Path, tmp_path: Path) -> None:
    fit(tmp_path / "without", panel=wandering(0), reversion=False, **CHOICES)
    with_mean, without = (
        next(iter(unspool.load(run).compare(wandering(0), windows=40, step=1).values())).scores.mse
        for run in (drawn_back, tmp_path / "without")
    )
    # Of the latest value 1 - 0.9^k comes back in k steps; without the mean the best is to stay, or nearly so.
    assert with_mean < 0.9 * without


def test_a_series_has_a_share_of_its_own_where_it_is_known_by_name(tmp_path: Path) -> None:
    """Some come back to their means, and some of the same heights do not."""
    back, away = wandering(0, decay=0.8), wandering(1, decay=1.0)
    both = {f"{kind}{i}": panel.history(i) for kind, panel in (("back", back), ("away", away)) for i in range(6)}
    fit(tmp_path / "run", panel=Panel.of(both), reversion=True, series_embedding=8, **CHOICES)
    model: Forecaster = unspool.load(tmp_path / "run")
    (network,) = model.networks
    assert isinstance(network, RevertingForecaster)
    ends = model.windows(Panel.of(both)).batch(np.arange(12), np.full(12, 400))
    with torch.no_grad():
        share = network.shares(ends)[:, 2:].mean(1).numpy()
    assert share[:6].min() > share[6:].max() + 0.2


def test_a_series_that_training_did_not_have_is_not_drawn(drawn_back: Path) -> None:
    model: Forecaster = unspool.load(drawn_back)
    high = {"s1": np.full(30, 25.0), "new": np.full(30, 25.0)}
    with pytest.warns(UserWarning, match=r"new to the model, .*: 1 value of 'unique_id' \(new\)"):
        known, new = model.predict(Panel.of(high)).mean
    with pytest.warns(UserWarning) as said:
        model.predict(Panel.of(high), horizon=2 * len(new))
    assert len(said) == 1
    assert (known[2:] < new[2:] - 0.5).all()  # 5 above its mean
    (network,) = model.networks
    assert isinstance(network, RevertingForecaster)
    network.share.data.zero_()
    with pytest.warns(UserWarning, match="new to the model"):
        np.testing.assert_allclose(model.predict(Panel.of(high)).mean[1], new, rtol=1e-6)


def test_odd_forecasts_are_odd_about_the_mean(tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=20, reversion=True, **KINDS["odd"] | {"scaling": "last"})
    model: Forecaster = unspool.load(tmp_path / "run")
    panel, means = waves(), read_features(Run.open(tmp_path / "run")).means
    assert means is not None
    center = np.repeat([means[name] for name in panel.ids], panel.lengths)
    up, down = model.predict(panel), model.predict(replace(panel, y=2 * center - panel.y))
    middle = np.array([means[name] for name in panel.ids])[:, None]
    np.testing.assert_allclose(down.mean - middle, middle - up.mean, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("scaling", "drawn"), [("instance", False), ("seasonal", False), ("last", True)])
def test_a_window_that_stands_still_far_off_is_left_there(scaling: str, drawn: bool, tmp_path: Path) -> None:
    """Its own scale is next to nothing, and the distance on it without bounds."""
    fit(tmp_path / "run", panel=wandering(0), reversion=True, **CHOICES | {"scaling": scaling, "steps": 100})
    model: Forecaster = unspool.load(tmp_path / "run")
    still = Panel.of({"s1": 100 + 1e-3 * np.random.default_rng(1).normal(size=60)})
    found = model.predict(still).mean
    (network,) = model.networks
    assert isinstance(network, RevertingForecaster)
    network.share.data.zero_()
    assert np.array_equal(found, model.predict(still).mean) != drawn


def test_values_whose_sum_is_beyond_float64_have_a_mean(tmp_path: Path) -> None:
    huge = wandering(0)
    huge = replace(huge, y=1e305 * huge.y)
    fit(tmp_path / "run", panel=huge, reversion=True, **CHOICES | {"scaling": "instance", "steps": 5})
    model: Forecaster = unspool.load(tmp_path / "run")
    features = read_features(Run.open(tmp_path / "run"))
    assert features.means is not None and features.means["s5"] == pytest.approx(1e307, rel=0.05)
    assert np.isfinite(model.predict(huge).mean).all()


def test_a_static_number_far_off_moves_no_forecast(tmp_path: Path) -> None:
    def with_number(number: float) -> Panel:
        panel = wandering(0)
        return replace(panel, covariates=(Covariate("z", "static", np.array([number, *range(1, 6)], np.float32)),))

    fit(tmp_path / "run", panel=with_number(0.0), reversion=True, **{**CHOICES, "steps": 100})
    model: Forecaster = unspool.load(tmp_path / "run")
    usual, far = (model.predict(with_number(z)).mean for z in (0.0, 1e6))
    assert np.abs(far - usual).max() < 100


@pytest.mark.parametrize("reversion", [True, False])
def test_means_are_there_if_they_are_read(reversion: bool, tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=1, reversion=reversion)
    with pytest.raises(RunError, match="other choices or data: reversion (true|false) → (true|false)"):
        fit(tmp_path / "run", steps=2, reversion=not reversion, resume=True)
    path = tmp_path / "run" / "features.json"
    content = json.loads(path.read_text())
    changed = {k: v for k, v in content.items() if k != "means"} if reversion else content | {"means": {"s0": 1.0}}
    for damaged in (changed, content | {"means": {"s0": 10**400}}):
        path.write_text(json.dumps(damaged))
        with pytest.raises(RunError, match=r"features.json is damaged or foreign"):
            unspool.load(tmp_path / "run")
        with pytest.raises(RunError, match=r"features.json is damaged or foreign"):
            fit(tmp_path / "run", steps=2, reversion=reversion, resume=True)
