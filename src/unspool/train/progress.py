"""What a training shows on stderr: a bar in a terminal, otherwise a line per validation and one estimate."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from typing import Any

from unspool.train.settings import TrainSettings
from unspool.train.state import TrainState

_ESTIMATE_AFTER = 3.0
"""Seconds of training from which the whole is estimated."""


class Progress:
    """Speaks only on the main process (`enabled`). `total` is the number of steps, if known."""

    def __init__(self, settings: TrainSettings, state: TrainState, total: int | None, *, enabled: bool) -> None:
        self._settings = settings
        self._total = total
        self._first_step = state.step
        self._started = self._shown = time.monotonic()
        self._begun = False
        self._validating = 0.0
        self._validations = 0
        self._estimated = not enabled
        self._tokens = 0
        self._enabled = enabled
        self._bar: Any
        self._bar, self._task = _open_bar(total) if enabled and sys.stderr.isatty() else (None, None)

    def step(self, state: TrainState, tokens: int, loss: float) -> None:
        """After every step. Draws at most five times a second."""
        now = time.monotonic()
        if not self._begun:  # the first step traces the cell and takes longer than those that follow
            self._begun, self._started, self._first_step = True, now, state.step
            return
        self._tokens += tokens
        if now - self._shown < 0.2 or not self._enabled:
            return
        self._shown = now
        elapsed = max(now - self._started - self._validating, 1e-9)
        left = self.seconds_left(state, elapsed)
        if self._bar is not None:
            self._draw(state, loss, self._tokens / elapsed, left)
        elif not self._estimated and elapsed >= _ESTIMATE_AFTER:
            self._estimated = True
            steps = f"{self._total:,} steps" if self._total else "as many steps as fit"
            whole, rate = clock(state.seconds + left), self._tokens / elapsed
            self._say(f"estimate: about {whole} for the whole training ({steps}, {rate:,.0f} tokens/s)")

    def seconds_left(self, state: TrainState, elapsed: float) -> float:
        """Steps left times the mean time of a step, plus as many validations as they will bring, or what is left of
        `max_minutes` if that is less."""
        done = max(state.step - self._first_step, 1)
        per_step = elapsed / done
        if self._validations:
            per_step += self._validating / done
        limits = [] if self._total is None else [max(self._total - state.step, 0) * per_step]
        if self._settings.max_minutes is not None:
            limits.append(max(60 * self._settings.max_minutes - state.seconds, 0.0))
        return min(limits)

    def validated(self, state: TrainState, metrics: Mapping[str, float], seconds: float, new_best: bool) -> None:
        """After every validation: its metrics, on a line of their own."""
        self._validating += seconds
        self._validations += 1
        shown = " ".join(f"{name}={value:.4g}" for name, value in metrics.items())
        mark = " (best)" if new_best else ""
        self._say(f"step {state.step:,}, epochs {state.epoch}: {shown}{mark} [{clock(state.seconds)}]")

    def end(self, state: TrainState) -> None:
        """The training is over: the bar is full, wherever its last drawing left it."""
        if self._bar is not None:
            self._bar.update(self._task, completed=state.step, total=state.step, left=clock(0))

    def close(self) -> None:
        """Leave the terminal as it was."""
        if self._bar is not None:
            self._bar.stop()

    def _draw(self, state: TrainState, loss: float, rate: float, left: float) -> None:
        self._bar.update(
            self._task,
            completed=state.step,
            epoch=state.epoch + 1,
            loss=f"{loss:.4f}",
            rate=f"{rate:,.0f}",
            left=clock(left),
        )

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        elif self._enabled:
            print(text, file=sys.stderr, flush=True)


def clock(seconds: float) -> str:
    """`75` → `1m15s`, `3700` → `1h01m`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}m{rest:02}s" if minutes < 60 else f"{minutes // 60}h{minutes % 60:02}m"


def _open_bar(total: int | None) -> tuple[Any, Any]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    bar = Bar(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]} · {task.fields[rate]} tokens/s · {task.fields[left]} left"),
        console=Console(stderr=True),
    )
    bar.start()
    return bar, bar.add_task("train", total=total, epoch=1, loss="…", rate="…", left="…")
