"""The text of a program: what is wrong with one is said, and never runs."""

from __future__ import annotations

import pytest

import unspool._engine as _engine  # pyright: ignore[reportMissingModuleSource]

GOOD = """unspool 1 f32 forward
args 4
step 0 3
step 1 4
param 2 12
state 0 4
next 0 4
temp 0 4 4
carry 0 3 3
pack 2 0 3 4 4 1
phase loop
gemm 0 1 5 0 4 0 0 3 zero
strip 1 1 4 2 1 2
in 5 0 0 0 1
in 3 0 0 0 1
op add 0 1
out 2 4 0 0 0 1
out 2 1 0 0 0 1
"""


def test_a_good_program_is_read() -> None:
    _engine.Program(GOOD)
    _engine.Program(GOOD.replace("phase loop", "# a comment\n\nphase loop"))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("unspool 1", "unspool 2", "out of range"),
        ("f32", "f16", "expected f32 or f64"),
        ("step 0 3", "step 4 3", "out of range"),
        ("step 0 3", "steps 0 3", "no such tensor"),
        ("step 0 3", "step 0", "whole number is missing"),
        ("step 0 3", "step 0 3 9", "more words"),
        ("pack 2 0 3 4 4 1", "pack 2 0 3 5 4 1", "outside its tensor"),
        ("pack 2 0 3 4 4 1", "pack 0 0 3 4 4 1", "comes from a param"),
        ("pack 2 0 3 4 4 1", "pack 2 0 3 4 4 1099511627776", "walks too far"),
        ("gemm 0 1 5", "gemm 1 1 5", "out of range"),
        ("gemm 0 1 5", "gemm 0 2 5", "outside its tensor"),
        ("gemm 0 1 5", "gemm 0 1 2", "only read"),
        ("in 5 0 0 0 1", "in 5 1 0 0 1", "outside its tensor"),
        ("in 5 0 0 0 1", "in 5 0 0 0 -1", "outside its tensor"),
        ("in 5 0 0 0 1", "in 9 0 0 0 1", "out of range"),
        ("op add 0 1", "op add 0 2", "out of range"),
        ("op add 0 1", "op plus 0 1", "no such operation"),
        ("out 2 4 0 0 0 1", "out 2 3 0 0 0 1", "only read"),
        ("phase loop", "phase before", "only the loop sees a state"),
        ("phase loop", "phase sometimes", "no such phase"),
        ("carry 0 3 3\n", "", "no `carry` line"),
        ("next 0 4", "next 0 5", "one width"),
        ("temp 0 4 4", "temp 0 4 3", "rows of a temp overlap"),
        ("strip 1 1 4 2 1 2", "strip 1 1 4 2 1 3", "outputs are missing"),
        ("strip 1 1 4 2 1 2", "strip 1 1 4 99999999 1 2", "out of range"),
    ],
    ids=str,
)
def test_a_wrong_program_is_refused(old: str, new: str, why: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=why):
        _engine.Program(GOOD.replace(old, new))


def test_a_call_that_does_not_fit_is_refused() -> None:
    program = _engine.Program(GOOD)
    whole = {"B": 1, "T": 1, "tau0": 0, "tau1": 1, "lengths": 0, "reverse": False, "truncate": 0, "threads": 1}
    with pytest.raises(ValueError, match="another number of arguments"):
        program.run([(0, 0, 0)] * 3, **whole)
    with pytest.raises(ValueError, match="make no sense"):
        program.run([(0, 0, 0)] * 4, **{**whole, "tau1": 2})
