"""One training at a time writes to a run: who holds its lock, and what the others are told."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from unspool.errors import RunError
from unspool.train.files import explained

NAME = ".lock"


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for one training; `RunError` if another one does.

    The kernel drops the lock when the process ends, however it ends, so a stale file locks nobody out.
    """
    with explained(folder):
        file = open(folder / NAME, "a+")  # noqa: SIM115
    with file:
        _take(file, folder, fcntl.LOCK_EX)
        with explained(folder / NAME):
            file.truncate(0)
            file.write(f"{os.getpid()} {socket.gethostname()}\n")
            file.flush()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                file.truncate(0)


def check_free(folder: Path) -> None:
    """Raise `RunError` if a training writes to `folder`, and touch nothing."""
    try:
        file = open(folder / NAME)  # noqa: SIM115
    except OSError:  # none was ever made, or it is nobody's business yet why it cannot be read
        return
    with file:
        _take(file, folder, fcntl.LOCK_SH)


def _take(file: IO[str], folder: Path, kind: int) -> None:
    with explained(folder / NAME):
        try:
            fcntl.flock(file, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(_taken(file, folder)) from None


def _taken(file: IO[str], folder: Path) -> str:
    """That another training writes to the folder, and what its owner and who asks can do."""
    file.seek(0)
    number, _, host = file.read(300).strip().partition(" ")
    here = host == socket.gethostname()
    process = f" (process {number}{'' if here else f' on {host}'})" if number.isdigit() and host else ""
    kill = f" or `kill {number}`" if process and here else ""
    return (
        f"another training{process} writes to {folder}; wait for its end, or stop it with Ctrl-C{kill} (it then leaves "
        "a checkpoint), or choose another --out"
    )
