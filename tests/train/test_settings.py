"""Settings that cannot work are refused where they enter, with what would work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.errors import ConfigError
from unspool.train import TrainSettings
from unspool.train.until import parse_until


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"optimizer": "lion"}, "adam, adamw, sgd"),
        ({"schedule": "step"}, "inverse-sqrt"),
        ({"precision": "int8"}, "bf16"),
        ({"mode": "least"}, "min, max"),
        ({"lr": 0.0}, "greater than 0"),
        ({"lr": float("nan")}, "greater than 0"),
        ({"betas": (0.9, 1.0)}, "below 1"),
        ({"clip_norm": -1.0}, "clip_norm"),
        ({"ema": 1.0}, "below 1"),
        ({"keep_best": 0}, "at least 1"),
        ({"warmup": 1.5}, "whole number"),
        ({"epochs": 0}, "at least 1"),
        ({"epochs": None}, "epochs, max_steps and max_minutes"),
        ({"epochs": None, "max_minutes": 3.0, "schedule": "cosine"}, "set epochs or max_steps"),
        ({"average": True}, "keep_best"),
        ({"until": "exact_match=1"}, "exact_match>=0.99"),
        ({"monitor": "score"}, "set mode to min or max"),
        ({"until": "score>=3", "mode": "min"}, "set it to 'max'"),
    ],
)
def test_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainSettings(**{"epochs": 1, **wrong})


@pytest.mark.parametrize(
    ("choices", "monitored", "direction"),
    [
        ({}, "loss", "min"),
        ({"monitor": "perplexity"}, "perplexity", "min"),
        ({"monitor": "exact_match"}, "exact_match", "max"),
        ({"monitor": "bleu"}, "bleu", "max"),
        ({"monitor": "score", "mode": "max"}, "score", "max"),
        ({"monitor": "exact_match", "mode": "min"}, "exact_match", "min"),
        ({"until": "score>=3"}, "score", "max"),
        ({"until": "errors<3"}, "errors", "min"),
        ({"until": "score>=3", "monitor": "loss"}, "loss", "min"),
        ({"until": "score<=3", "monitor": "score"}, "score", "min"),
    ],
    ids=str,
)
def test_which_weights_are_best(choices: dict[str, Any], monitored: str, direction: str) -> None:
    settings = TrainSettings(epochs=1, **choices)
    assert (settings.monitored, settings.direction) == (monitored, direction)


@given(st.sampled_from([">=", "<=", ">", "<"]), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_until(comparison: str, value: float, bound: float) -> None:
    until = parse_until(f" exact_match {comparison} {bound!r} ")
    expected = {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}
    assert until.reached({"exact_match": value}) == expected[comparison]


@pytest.mark.parametrize("text", ["", "x", "x>=", "x>=y", "x>=nan", "x==1", ">=1", "x>=1>=2"])
def test_until_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        parse_until(text)
