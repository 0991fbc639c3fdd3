"""Odd forecasters: what is mirrored is forecast the other way round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from toy_forecasting import KINDS, fit, waves

import unspool
from unspool.data.series import Covariate, Panel
from unspool.errors import ConfigError
from unspool.tasks.forecast.outputs import Gaussian, Output, Point, Quantiles, StudentsT, mirrored

LEVELS = (0.1, 0.25, 0.5, 0.75, 0.9)
OUTPUTS = [Point(), Gaussian(), StudentsT(), Quantiles(LEVELS)]


@pytest.mark.parametrize("output", OUTPUTS, ids=lambda output: type(output).__name__)
def test_a_mirrored_distribution_has_its_quantiles_on_the_other_side(output: Output) -> None:
    torch.manual_seed(0)
    params, zero, one = torch.randn(4, 3, output.size), torch.zeros(4, 3), torch.ones(4, 3)
    other = mirrored(output, params)
    turned = -output.quantiles(params, LEVELS, zero, one).flip(-1)
    torch.testing.assert_close(output.quantiles(other, LEVELS, zero, one), turned)
    torch.testing.assert_close(output.mean(other, zero, one), -output.mean(params, zero, one))
    y = torch.randn(4, 3)
    torch.testing.assert_close(output.losses(other, -y, zero, one), output.losses(params, y, zero, one))


def upside_down(panel: Panel) -> Panel:
    return replace(panel, y=-panel.y)


@pytest.mark.parametrize("output", ["quantiles", "point", "gaussian", "student-t"])
@pytest.mark.parametrize("scaling", ["instance", "last", "mean-abs", "robust", "seasonal"])
def test_a_mirrored_series_is_forecast_the_other_way_round(output: str, scaling: str, tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=10, **KINDS["odd"] | {"output": output, "scaling": scaling})
    model = unspool.load(tmp_path / "run")
    panel = waves()
    up, down = model.predict(panel), model.predict(upside_down(panel))
    np.testing.assert_allclose(down.mean, -up.mean, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(down.quantiles, -up.quantiles[..., ::-1], rtol=1e-5, atol=1e-4)


def test_others_are_not(tmp_path: Path) -> None:
    """The test before this one can fail."""
    fit(tmp_path / "run", steps=10, **KINDS["odd"] | {"odd": False})
    model, panel = unspool.load(tmp_path / "run"), waves()
    assert np.abs(model.predict(upside_down(panel)).mean + model.predict(panel).mean).max() > 0.01


@pytest.mark.parametrize("role", ["known", "past"])
def test_covariates_are_refused(role: Any, tmp_path: Path) -> None:
    panel = waves()
    told = replace(panel, covariates=(Covariate("price", role, np.arange(len(panel.y), dtype=np.float32), None),))
    with pytest.raises(ConfigError, match=f"what these add to every forecast cancels, but there are {role} ones"):
        fit(tmp_path / "run", panel=told, **KINDS["odd"])
