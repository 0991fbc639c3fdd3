"""What a long walk over series says of itself."""

from __future__ import annotations

import sys
import time

import pytest

from unspool.tasks.forecast.watched import watched


def walk(monkeypatch: pytest.MonkeyPatch, seconds: float, *, terminal: bool, count: int = 40) -> list[int]:
    """Walk over `count` items, each of which takes that long on a clock of our own."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    seen = []
    for item in watched(range(count), count, "fitting"):
        seen.append(item)
        now[0] += seconds
    return seen


def test_a_short_walk_is_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert walk(monkeypatch, 0.05, terminal=False) == list(range(40))
    assert capsys.readouterr() == ("", "")


def test_a_long_walk_says_some_ten_times_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk(monkeypatch, 2.0, terminal=False)
    out, lines = capsys.readouterr()
    assert out == "" and 9 <= len(lines.splitlines()) <= 11
    assert lines.splitlines()[0] == "fitting: 2 of 40 series, about 1m16s left"


def test_a_terminal_has_one_line_that_is_gone_in_the_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    walk(monkeypatch, 2.0, terminal=True)
    said = capsys.readouterr().err
    assert "\n" not in said and said.endswith("\r\033[K") and said.count("\r") == 39


def test_nothing_to_walk_over() -> None:
    assert list(watched([], 0, "fitting")) == []
