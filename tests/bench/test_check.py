"""Answers are judged before anything is timed, and a wrong one is found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from unspool.bench.builtin import case
from unspool.bench.case import Bench, Case, compare
from unspool.bench.check import ALLOWED, LEAST, error, judged, same

Result = dict[str, Tensor]


def answers() -> tuple[Result, Result, Result]:
    """Ours, a judge's and the truth, as real float32 results are."""
    torch.manual_seed(0)
    truth = {name: torch.randn(40, 30, dtype=torch.float64) for name in ("y", "d x", "d w")}
    noise = [{n: v + 3e-7 * torch.randn_like(v) * v.std() for n, v in truth.items()} for _ in range(2)]
    ours, judge = ({name: value.float() for name, value in made.items()} for made in noise)
    return ours, judge, truth


def test_what_is_as_right_as_the_judge_passes() -> None:
    ours, judge, truth = answers()
    verdict = judged(ours, judge, truth)
    assert verdict.right and verdict.problem is None
    assert verdict.worst <= ALLOWED and 0.7 < verdict.strictest < 1.4
    assert 2e-7 < verdict.ours < 4e-7 and 2e-7 < verdict.judge < 4e-7


SPOILED: dict[str, Callable[[Tensor], Tensor | None]] = {
    "twice the error": lambda value: value + 6e-7 * torch.randn_like(value),
    "one number": lambda value: value.index_put((torch.tensor(3), torch.tensor(4)), torch.tensor(0.0)),
    "not a number": lambda value: value.index_put((torch.tensor(0), torch.tensor(0)), torch.tensor(float("nan"))),
    "transposed": lambda value: value.T,
    "missing": lambda value: None,
}


@pytest.mark.parametrize("name", ["y", "d x", "d w"])
@pytest.mark.parametrize("spoil", SPOILED.values(), ids=SPOILED)
def test_what_is_wrong_is_found(name: str, spoil: Callable[[Tensor], Tensor | None]) -> None:
    ours, judge, truth = answers()
    made: Any = ours | {name: spoil(ours[name])}
    verdict = judged({key: value for key, value in made.items() if value is not None}, judge, truth)
    assert not verdict.right and verdict.at == name
    assert verdict.problem is not None and verdict.problem.startswith(name) and str(ALLOWED) in verdict.problem


def test_a_judge_that_is_lucky_with_one_tensor_binds_nobody() -> None:
    ours, judge, truth = answers()
    verdict = judged(ours, judge | {"y": truth["y"].float()}, truth)
    assert verdict.right and verdict.strictest > ALLOWED
    exact = {name: value.float() for name, value in truth.items()}
    assert judged(exact, exact, truth).right
    assert max(error(exact[name], truth[name]) for name in truth) < LEAST


def test_a_judge_or_peer_that_computes_something_else_is_found() -> None:
    ours, judge, truth = answers()
    other = judge | {"d w": judge["d w"] * 1.01}
    assert "judge's d w" in str(judged(ours, other, truth).problem)
    assert same(judge, truth) is None and "d w" in str(same(other, truth))


def spoiled(whose: str, name: str) -> Case:
    """A case in which one contestant has a wrong gradient."""
    fine = case("rnn", 6, 3, 8)
    contestants: Any = getattr(fine, whose)
    ((own, run),) = contestants.items()

    def wrong() -> Any:
        made = run()
        return made | {name: made[name] * 1.001}

    return dataclasses.replace(fine, **{whose: {own: wrong}})


@pytest.mark.parametrize("name", ["y", "final 0", "d x", "d state 0", "d weight_hh_l0", "d bias_ih_l0"])
def test_a_wrong_result_of_the_engine_is_reported_and_not_timed(name: str) -> None:
    row = compare(spoiled("ours", name), Bench(quick=True, peak=1e11))
    assert not row.right and not row.seconds and not row.ratios
    assert name in row.problems[0] and "T=6 B=3 H=8, unspool" in row.problems[0]


def test_a_right_case_is_timed() -> None:
    found = case("rnn", 100, 32, 64)
    beside = dataclasses.replace(found, beside={"nothing": lambda: None})
    row = compare(beside, Bench(quick=True, peak=1e11))
    assert row.right, row.problems
    assert list(row.seconds) == ["unspool", "torch.nn.RNN", "nothing"] and list(row.ratios) == ["torch.nn.RNN"]
    best = {name: timing.best for name, timing in row.seconds.items()}
    assert row.ratios["torch.nn.RNN"] == best["torch.nn.RNN"] / best["unspool"]
    assert row.share_of_peak == pytest.approx(3 * 2 * 100 * 32 * 64 * 128 / best["unspool"] / 1e11)
