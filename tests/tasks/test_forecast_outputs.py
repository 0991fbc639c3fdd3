"""What a forecaster writes, held against scipy's distributions and against definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch.nn.functional import softplus

from unspool.errors import ConfigError
from unspool.tasks.forecast.outputs import Counts, Gaussian, Output, Quantiles, StudentsT, output_of
from unspool.tasks.forecast.settings import OUTPUTS, ForecastSettings

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
LOC, SCALE = torch.tensor([[3.0], [0.0]], dtype=torch.float64), torch.tensor([[2.0], [50.0]], dtype=torch.float64)


def params(size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 5, size, generator=torch.Generator().manual_seed(seed))


def twin(output: Output, p: torch.Tensor) -> Any:
    """The distribution of y by scipy."""
    loc, scale = LOC.numpy(), SCALE.numpy()
    a, b = p[..., 0].double(), softplus(p[..., 1].double())
    if isinstance(output, Gaussian):
        return stats.norm(loc + scale * a.numpy(), scale * (b.numpy() + 1e-4))
    if isinstance(output, StudentsT):
        freedom = 2 + softplus(p[..., 2].double()).numpy()
        return stats.t(freedom, loc + scale * a.numpy(), scale * (b.numpy() + 1e-4))
    mean, count = scale * (softplus(a).numpy() + 1e-6), np.sqrt(scale) / (b.numpy() + 1e-4)
    return stats.nbinom(count, count / (count + mean))


@pytest.mark.parametrize("output", [Gaussian(), StudentsT(), Counts()], ids=lambda o: type(o).__name__)
def test_distributions_are_scipys(output: Output) -> None:
    p = params(output.size)
    loc = LOC if not isinstance(output, Counts) else torch.zeros_like(LOC)
    theirs = twin(output, p)
    np.testing.assert_allclose(output.mean(p, loc, SCALE).numpy(), theirs.mean(), rtol=1e-4)
    found = output.quantiles(p, LEVELS, loc, SCALE).numpy()
    expected = np.stack([theirs.ppf(level) for level in LEVELS], -1)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-3)
    y = torch.tensor([[0.0, 1.0, 4.0, 9.0, 30.0]] * 2, dtype=torch.float64)
    cost = -(theirs.logpmf(y) if isinstance(output, Counts) else theirs.logpdf(y) + np.log(SCALE.numpy()))
    np.testing.assert_allclose(output.losses(p, y, loc, SCALE).numpy(), cost, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("output", [Gaussian(), StudentsT(), Counts()], ids=lambda o: type(o).__name__)
def test_draws_are_of_the_distribution(output: Output) -> None:
    """Kolmogorov–Smirnov for continuous ones, the share of each count else."""
    p, loc = params(output.size, 3)[:1, :1], torch.zeros(1, 1)
    drawn, again = (
        output.sample(p, loc, torch.full((1, 1), 2.0), np.random.default_rng(0), paths=4000).numpy() for _ in "12"
    )
    assert drawn.shape == (1, 4000, 1)
    np.testing.assert_array_equal(drawn, again)
    levels = np.linspace(0.05, 0.95, 19)
    bounds = output.quantiles(p[:, :1], levels.tolist(), loc, torch.full((1, 1), 2.0)).numpy().ravel()
    shares = (drawn.reshape(-1, 1) <= bounds + 1e-6).mean(0)
    assert (shares >= levels - 0.03).all() and (isinstance(output, Counts) or (shares <= levels + 0.03).all())


def test_large_counts_take_no_time() -> None:
    """Where scipy's search would not end, the quantiles are those of the gamma distribution behind the counts."""
    p, zero = params(2), torch.zeros(2, 5, dtype=torch.float64)
    for size in (3e6, 1e15, 1e30):
        found = Counts().quantiles(p, LEVELS, zero, zero + size).numpy()
        assert np.isfinite(found).all() and (np.diff(found, axis=-1) >= 0).all()
        np.testing.assert_array_equal(found, np.round(found))


@given(st.integers(0, 2**31), st.sets(st.integers(1, 99), min_size=1, max_size=12))
def test_quantiles_never_cross(seed: int, percents: set[int]) -> None:
    output = Quantiles([percent / 100 for percent in sorted(percents)])
    p = 10 * params(output.size, seed)
    found = output.quantiles(p, output.levels, LOC, SCALE)
    assert (found.diff(dim=-1) >= 0).all()
    mean, drawn = output.mean(p, LOC, SCALE), output.sample(p, LOC, SCALE, np.random.default_rng(seed), paths=3)
    for value in (mean, *drawn.unbind(1)):
        assert ((value >= found[..., 0] - 1e-3) & (value <= found[..., -1] + 1e-3)).all()


def test_the_quantile_function_is_a_line_between_levels() -> None:
    output, p = Quantiles([0.2, 0.5, 0.6]), params(3)
    low, middle, high = output.quantiles(p, [0.2, 0.5, 0.6], LOC, SCALE).unbind(-1)
    between = output.quantiles(p, [0.3, 0.55], LOC, SCALE)
    torch.testing.assert_close(between, torch.stack([low + (middle - low) / 3, (middle + high) / 2], -1))
    expected = 0.2 * low + 0.3 * (low + middle) / 2 + 0.1 * (middle + high) / 2 + 0.4 * high
    torch.testing.assert_close(output.mean(p, LOC, SCALE), expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ConfigError, match="0.1 to 0.5 were asked for, but the model was trained for 0.2 to 0.6"):
        output.quantiles(p, [0.1, 0.5], LOC, SCALE)
    share = output.sample(p[:1, :1], LOC[:1], SCALE[:1], np.random.default_rng(0), paths=9000) <= middle[0, 0]
    assert float(share.double().mean()) == pytest.approx(0.5, abs=0.02)


def test_the_pinball_loss_is_least_at_the_quantile() -> None:
    y = torch.from_numpy(np.random.default_rng(0).gamma(2, size=(1, 4000)))
    output, z = Quantiles([0.3]), torch.zeros(1, 1)
    costs = [output.losses(torch.full((1, 4000, 1), at), y, z, z + 1).mean() for at in np.linspace(0.5, 2, 61)]
    best = np.linspace(0.5, 2, 61)[int(np.argmin(costs))]
    assert best == pytest.approx(np.quantile(y, 0.3), abs=0.05)
    median = Quantiles([0.5]).losses(torch.zeros(1, 1, 1), torch.tensor([[3.0]]), z, z + 1)
    assert float(median) == 3


@pytest.mark.parametrize(("name", "power"), [("point", 1), ("mean", 2)])
def test_a_point_is_all_there_is(name: str, power: int) -> None:
    p, output = params(1), output_of(ForecastSettings(output=name))
    value = LOC + SCALE * p[..., 0]
    assert torch.equal(output.mean(p, LOC, SCALE), value)
    assert torch.equal(output.quantiles(p, [0.1, 0.9], LOC, SCALE), value.unsqueeze(-1).expand(2, 5, 2))
    torch.testing.assert_close(output.losses(p, value - 4, LOC, SCALE), (4 / SCALE).pow(power).expand(2, 5))


@pytest.mark.parametrize(("name", "centre"), [("point", np.median), ("mean", np.mean)])
def test_the_cost_of_a_point_is_least_at_what_it_stands_for(name: str, centre: Callable[[Any], float]) -> None:
    """Of values that lean to one side, median and mean lie apart."""
    y = np.random.default_rng(0).gamma(1, size=4001)
    output, z = output_of(ForecastSettings(output=name)), torch.zeros(4001)
    places = np.linspace(0.5, 1.2, 701)
    costs = [output.losses(torch.full((4001, 1), at), torch.from_numpy(y), z, z + 1).mean() for at in places]
    assert places[int(np.argmin(costs))] == pytest.approx(centre(y), abs=0.001)


@pytest.mark.parametrize("name", OUTPUTS)
@given(st.floats(-1e4, 1e4), st.floats(-30, 30))
def test_no_parameter_is_impossible(name: str, y: float, p: float) -> None:
    """Whatever a network writes, the cost of any value and its gradient are finite."""
    output = output_of(ForecastSettings(output=name, scaling="none"))
    written = torch.full((1, 1, output.size), p, requires_grad=True)
    truth = torch.tensor([[abs(round(y)) if name == "negative-binomial" else y]], dtype=torch.float64)
    cost = output.losses(written, truth, torch.zeros(1, 1), torch.ones(1, 1)).sum()
    (gradient,) = torch.autograd.grad(cost, written)
    assert torch.isfinite(cost) and torch.isfinite(gradient).all()
