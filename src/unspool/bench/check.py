"""Is an answer right? Against float64, and by the measure of what PyTorch gets wrong on the same numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

ALLOWED = 1.5
"""Times the judge's error that ours may have."""
LEAST = 2.0**-24
"""Half a unit in the last place of float32: what rounding a right answer may cost, however exact the judge was."""
SAME = 1e-3
"""A peer's error above this means that it computes something else, and that its time says nothing."""

Result = Mapping[str, Tensor]
"""Outputs and gradients by name."""


@dataclass(frozen=True)
class Verdict:
    """What was found. Errors are relative: ‖found - truth‖ / ‖truth‖ for each tensor, truth being float64's.

    `ours` and `judge` are the largest over all tensors. `worst` is what is held to `ALLOWED`: the largest of ours
    over the judge's, which is the judge's for the same tensor or its root mean square over all tensors, whichever is
    larger: where the judge is luckier with one tensor than with the rest, that binds nobody. `strictest` is the same
    with the judge's error for the same tensor alone. `at` is where `worst` is.
    """

    ours: float
    judge: float
    worst: float
    strictest: float
    at: str
    right: bool
    problem: str | None = None


def error(found: Tensor | None, truth: Tensor) -> float:
    """‖found - truth‖ / ‖truth‖; infinite where it is missing, of another shape, or not a number.

    >>> error(torch.tensor([3.0, 4.0]), torch.tensor([3.0, 5.0])) == 1 / 34 ** 0.5
    True
    """
    if found is None or found.shape != truth.shape:
        return math.inf
    exact = truth.double()
    size = float(exact.norm())
    off = float((found.double() - exact).norm()) / (size or 1.0)
    return off if math.isfinite(off) else math.inf


def judged(ours: Result, judge: Result, truth: Result) -> Verdict:
    """Whether `ours` is as right as `judge`, for every tensor of `truth`: `worst` at most `ALLOWED`."""
    mine = {name: error(ours.get(name), value) for name, value in truth.items()}
    theirs = {name: max(error(judge.get(name), value), LEAST) for name, value in truth.items()}
    usual = math.sqrt(sum(value**2 for value in theirs.values()) / len(theirs))
    ratios = {name: mine[name] / max(theirs[name], usual) for name in truth}
    at = max(ratios, key=lambda name: ratios[name])
    problem = None
    if max(theirs.values()) > SAME:
        off = max(theirs, key=lambda name: theirs[name])
        problem = f"the judge's {off} is off by {theirs[off]:.1e}; it computes something else"
    elif ratios[at] > ALLOWED:
        problem = f"{at} is off by {mine[at]:.1e}, {ratios[at]:.3g} times the judge's error; {ALLOWED} times is allowed"
    strictest = max(mine[name] / theirs[name] for name in truth)
    return Verdict(max(mine.values()), max(theirs.values()), ratios[at], strictest, at, problem is None, problem)


def same(peer: Result, truth: Result) -> str | None:
    """What is wrong with a peer that is no judge; `None` if it computes the same."""
    errors = {name: error(peer.get(name), value) for name, value in truth.items()}
    at = max(errors, key=lambda name: errors[name])
    return None if errors[at] <= SAME else f"{at} is off by {errors[at]:.1e}; it computes something else"
