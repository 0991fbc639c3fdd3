"""metrics.jsonl, always, and TensorBoard on request."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from unspool.errors import ConfigError
from unspool.train.files import explained, write_bytes
from unspool.train.run import Run
from unspool.train.state import finite_or_null


class MetricsLog:
    """Appends lines `{"kind": "train" | "validation" | "average", "step": …, …}` and mirrors their numbers.

    Lines after step `after`, and those of the final average, are dropped first: a resumed run writes them anew, so
    that the file reads as if the training had never stopped.
    """

    def __init__(self, run: Run, *, after: int, tensorboard: bool) -> None:
        self._run = run
        self._board = _open_board(run, after) if tensorboard else None
        kept = [line for line in run.metrics() if line.get("step", 0) <= after and line.get("kind") != "average"]
        write_bytes(run.metrics_path, "".join(json_line(line) for line in kept).encode())

    def write(self, kind: str, step: int, numbers: Mapping[str, Any]) -> None:
        """Append one line; a full disk raises `RunError`."""
        with explained(self._run.metrics_path), open(self._run.metrics_path, "a", encoding="utf-8") as file:
            file.write(json_line({"kind": kind, "step": step, **numbers}))
        if self._board is not None:
            for name, value in numbers.items():
                if isinstance(value, (int, float)):
                    self._board.add_scalar(f"{kind}/{name}", value, step)

    def sync(self) -> None:
        """Bring what was written to the disk."""
        with explained(self._run.metrics_path), open(self._run.metrics_path, "rb") as file:
            os.fsync(file.fileno())

    def close(self) -> None:
        """Finish TensorBoard's file."""
        if self._board is not None:
            self._board.close()


def json_line(value: Mapping[str, Any]) -> str:
    """An object as a line of JSON, in which a number that is not finite is null."""
    return json.dumps(finite_or_null(dict(value)), ensure_ascii=False, allow_nan=False) + "\n"


def _open_board(run: Run, after: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ConfigError(
            "tensorboard=True needs the package tensorboard, which is not installed; "
            "install it with: pip install 'unspool[tensorboard]'"
        ) from None
    return SummaryWriter(str(run.path / "tensorboard"), purge_step=after + 1)
