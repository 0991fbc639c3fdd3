"""What is said of the time left, and the bar."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest

from unspool.train import Run, TrainSettings, fit
from unspool.train.progress import Progress, clock
from unspool.train.state import TrainState


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (75, "1m15s"), (3599, "59m59s"), (3600, "1h00m"), (3700, "1h01m"),
        (90000, "25h00m"),
    ],
)  # fmt: skip
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def progress(total: int | None, **ends: Any) -> Progress:
    """Of a training that stands at step 10 (of an earlier call) when it begins."""
    return Progress(TrainSettings(**ends), TrainState(step=10), total, enabled=False)


def test_seconds_left_are_steps_left_at_the_present_pace() -> None:
    shown = progress(100, max_steps=100)
    assert shown.seconds_left(TrainState(step=30), elapsed=40.0) == pytest.approx(70 * 2.0)
    assert shown.seconds_left(TrainState(step=100), elapsed=40.0) == 0
    assert shown.seconds_left(TrainState(step=110), elapsed=40.0) == 0


def test_validations_take_their_share() -> None:
    shown = progress(100, max_steps=100)
    shown.validated(TrainState(step=30), {"loss": 1.0}, 20.0, True)
    assert shown.seconds_left(TrainState(step=30), elapsed=40.0) == pytest.approx(70 * (2.0 + 1.0))


def test_minutes_bound_the_seconds_left() -> None:
    state = TrainState(step=30, seconds=90.0)
    assert progress(None, max_minutes=2).seconds_left(state, elapsed=40.0) == pytest.approx(30)
    assert progress(100, max_steps=100, max_minutes=2).seconds_left(state, elapsed=40.0) == pytest.approx(30)
    assert progress(100, max_steps=100, max_minutes=60).seconds_left(state, elapsed=40.0) == pytest.approx(140)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("choices", "steps"), [({"max_steps": 9}, 9), ({"max_steps": 9, "until": "loss<=99"}, 6)])
def test_the_bar_is_full_at_the_end(
    choices: dict[str, Any], steps: int, toy: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    fit(toy.ToyJob(), TrainSettings(**choices), Run.create(tmp_path / "run", {}))
    drawn = re.findall(r"(\d+)/(\d+)", terminal.getvalue())
    assert drawn[-1] == (str(steps), str(steps))
