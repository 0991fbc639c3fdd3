"""Ctrl-C and SIGTERM ask the training to stop at the end of its step; a second signal stops it at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from unspool.errors import UnspoolError
from unspool.train.placement import is_main

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(UnspoolError):
    """A signal ended the training after a whole step; `run` holds a checkpoint to resume from."""

    def __init__(self, run: object, step: int) -> None:
        super().__init__(
            f"training was interrupted after step {step}; the checkpoint is in {run}. "
            "Give the same command with --resume to go on as if it had never stopped"
        )
        self.run = run
        self.step = step


class Interrupts:
    """While entered, `requested` tells whether a signal came. Outside the main thread no handler can be set."""

    def __init__(self) -> None:
        self.requested = False
        self._former: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            self._former = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._restore()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            self._restore()
            raise KeyboardInterrupt
        if is_main():
            # os.write, since a handler may run in the middle of a print.
            os.write(2, b"\nstopping after this step and writing a checkpoint; once more stops at once\n")
        self.requested = True

    def _restore(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        self._former = {}
