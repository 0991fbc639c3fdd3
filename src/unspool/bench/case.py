"""One comparison: its contestants, the truth, and what comes of running it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from unspool.bench.check import Result, Verdict, judged, same
from unspool.bench.timing import Timing, alternating, clocked, rounds_for

Run = Callable[[], Result]
LONG = 5.0
"""Seconds; who takes longer is timed once, by the run that was checked."""


@dataclass(frozen=True)
class Bench:
    """How to measure. `peak`: float32 operations a second of all threads; `say`: progress, for people."""

    quick: bool = False
    compile: bool = False
    peak: float = math.nan
    say: Callable[[str], None] = lambda message: None

    def rounds(self, one: float) -> int:
        return 2 if self.quick else rounds_for(one, budget=4.0, least=3, most=30)


@dataclass(frozen=True)
class Case:
    """What is compared.

    `ours`: the first is what the ratios are of; each must be right. `peers`: the first is the judge of accuracy.
    `beside` is timed but has another answer, which nothing here checks. `operations`: floating-point operations of a
    run. `units`: how many things a run does, such as pushes; times are of one.
    """

    name: str
    sizes: Mapping[str, int]
    ours: Mapping[str, Run]
    peers: Mapping[str, Run]
    truth: Run
    beside: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    operations: float | None = None
    units: int = 1


@dataclass
class Row:
    """What was found for a case. `ratios`: times of the others, each over that of ours: above 1, ours is faster."""

    case: str
    sizes: Mapping[str, int]
    right: bool
    problems: list[str]
    verdict: Verdict | None = None
    seconds: dict[str, Timing] = field(default_factory=dict)
    ratios: dict[str, float] = field(default_factory=dict)
    share_of_peak: float | None = None
    more: dict[str, float | str | None] = field(default_factory=dict)


@dataclass
class Section:
    """The rows of a section, the geometric means of their ratios, and what else a reader must know."""

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def right(self) -> bool:
        return all(row.right for row in self.rows)

    @property
    def means(self) -> dict[str, float]:
        """Geometric means over the rows, by peer."""
        found: dict[str, list[float]] = {}
        for row in self.rows:
            for name, ratio in row.ratios.items():
                found.setdefault(name, []).append(ratio)
        return {name: math.exp(sum(map(math.log, values)) / len(values)) for name, values in found.items()}


def compare(case: Case, bench: Bench) -> Row:
    """Check all answers, then time the contestants in turn; a wrong answer is never timed."""
    bench.say(f"  {case.name}: the answer")
    contestants = {**case.ours, **case.peers}
    first = {name: clocked(run) for name, run in contestants.items()}
    verdict, problems = _checked(case, {name: made for name, (_, made) in first.items()})
    row = Row(case.name, case.sizes, not problems, problems, verdict)
    if problems:
        return row
    bench.say(f"  {case.name}: the time")
    once = {name: [seconds] for name, (seconds, _) in first.items() if seconds > LONG and name in case.peers}
    del first
    again = {name: run for name, run in contestants.items() if name not in once} | dict(case.beside)
    taken = alternating(again, bench.rounds(_one_round(again)))
    taken |= once
    row.seconds = {
        name: Timing.of([seconds / case.units for seconds in taken[name]]) for name in [*contestants, *case.beside]
    }
    base = row.seconds[next(iter(case.ours))].best
    row.ratios = {name: found.best / base for name, found in row.seconds.items() if name not in [*case.ours][:1]}
    row.ratios = {name: ratio for name, ratio in row.ratios.items() if name not in case.beside}
    if case.operations is not None:
        row.share_of_peak = case.operations / case.units / base / bench.peak
    return row


def _one_round(contestants: Mapping[str, Callable[[], Any]]) -> float:
    """Seconds of one round, now that everything is warm."""
    return sum(clocked(run)[0] for run in contestants.values())


def _checked(case: Case, made: Mapping[str, Result]) -> tuple[Verdict, list[str]]:
    """The verdict on ours (the worst, where there are several), and all problems."""
    truth = case.truth()
    judge, *others = case.peers
    verdicts = {name: judged(made[name], made[judge], truth) for name in case.ours}
    problems = [f"{case.name}, {name}: {found.problem}" for name, found in verdicts.items() if found.problem]
    for name in others:
        problem = same(made[name], truth)
        problems += [] if problem is None else [f"{case.name}, {name}: {problem}"]
    return max(verdicts.values(), key=lambda found: found.worst), problems


def seeded() -> None:
    """Every case draws the same numbers, whichever cases run before it."""
    torch.manual_seed(1)
