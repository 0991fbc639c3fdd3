"""Schedules against their formulas, and the optimizers that are made."""

from __future__ import annotations

import math

import pytest
import torch

from unspool.errors import ConfigError
from unspool.train import TrainSettings
from unspool.train.optimizer import Schedule, make_optimizer


def rates(kind: str, steps: int = 20, warmup: int = 4) -> list[float]:
    schedule = Schedule(TrainSettings(lr=2.0, schedule=kind, warmup=warmup, epochs=1), steps)
    return [schedule.rate(step) for step in range(1, steps + 1)]


@pytest.mark.parametrize("kind", ["constant", "linear", "cosine", "inverse-sqrt", "plateau"])
def test_warmup_is_linear_and_reaches_the_rate(kind: str) -> None:
    assert rates(kind)[:5] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0], rel=0.11)


def test_linear_and_cosine_fall_to_the_end() -> None:
    expected = torch.optim.lr_scheduler.CosineAnnealingLR(torch.optim.SGD([torch.zeros(1)], lr=2.0), 16)
    cosine = []
    for _ in range(16):
        cosine.append(expected.get_last_lr()[0])
        expected.optimizer.step()
        expected.step()
    assert rates("cosine")[4:] == pytest.approx(cosine)
    assert rates("linear")[4:] == pytest.approx([2.0 * (16 - i) / 16 for i in range(16)])


def test_inverse_sqrt_halves_when_the_steps_quadruple() -> None:
    found = rates("inverse-sqrt")
    assert found[15] == pytest.approx(found[3] / 2) and found[8] == pytest.approx(2.0 * math.sqrt(4 / 9))


def test_plateau_falls_when_stuck() -> None:
    settings = TrainSettings(schedule="plateau", lr=1.0, epochs=1, plateau_patience=2, plateau_factor=0.1)
    schedule = Schedule(settings, None)
    for improved in (True, False, True, False, False):
        assert schedule.rate(9) == 1.0
        schedule.validated(improved)
    assert schedule.rate(9) == pytest.approx(0.1)
    other = Schedule(settings, None)
    other.load_state_dict(schedule.state_dict())
    assert other.rate(9) == schedule.rate(9)


@pytest.mark.parametrize("name", ["adam", "adamw", "sgd"])
def test_weight_decay_is_the_optimizers_own(name: str) -> None:
    """AdamW's decay is decoupled: without a gradient it alone shrinks the weight by lr·decay exactly."""
    model = torch.nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    optimizer = make_optimizer(TrainSettings(optimizer=name, lr=0.1, weight_decay=0.5, epochs=1), model)
    model.weight.grad = torch.zeros(1, 1)
    optimizer.step()
    assert model.weight.item() == pytest.approx({"adam": 0.9, "adamw": 0.95, "sgd": 0.95}[name], abs=1e-4)


def test_frozen_parameters_stay() -> None:
    model = torch.nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    assert len(make_optimizer(TrainSettings(epochs=1), model).param_groups[0]["params"]) == 1
    with pytest.raises(ConfigError, match="no trainable parameter"):
        make_optimizer(TrainSettings(epochs=1), model.requires_grad_(False))
