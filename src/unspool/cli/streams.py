"""Stdout and stderr: a result is written whole or it is an error, and who does not listen stops no work."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
from collections.abc import Collection, Iterator
from typing import Any, TextIO

from unspool.train.files import REASONS


class Stream:
    """A text stream; after an error whose number is in `dropped`, what is written to it is dropped.

    Attributes:
        unread: whether that has happened.
    """

    def __init__(self, file: Any, dropped: Collection[int]) -> None:
        self.file, self.dropped, self.unread = file, dropped, False

    def write(self, text: str) -> int:
        with self._writing():
            self.file.write(text)
        return len(text)

    def flush(self) -> None:
        with self._writing():
            self.file.flush()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno not in self.dropped:
                raise
            self.unread = True
            send_nowhere(self.file)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.file, name)


def made_safe() -> None:
    """For a command: a closed stream (`>&-`) is one that drops all, stdout has a buffer, and a full disk behind stderr
    costs nobody a result."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115
    sys.stdout = written_whole(sys.stdout)
    setattr(sys, "stderr", Stream(sys.stderr, REASONS))  # noqa: B010  it is no TextIO to pyright


def written_whole(stream: TextIO) -> TextIO:
    """`stream`, through a buffer if it has none (`python -u`, `PYTHONUNBUFFERED`): an unbuffered one drops without a
    word what a full disk, which takes a part, does not take any more."""
    if not isinstance(getattr(stream, "buffer", None), io.RawIOBase):
        return stream
    return open(stream.fileno(), "w", buffering=1, encoding=stream.encoding, errors=stream.errors, closefd=False)


@contextlib.contextmanager
def flushed() -> Iterator[None]:
    """At the end of the body all that was written to stdout is there, or an `OSError` says that it is not."""
    try:
        yield
    finally:
        sys.stdout.flush()


@contextlib.contextmanager
def listened_to() -> Iterator[list[Stream]]:
    """Inside, stdout and stderr know whether anybody still reads them, and what nobody reads is dropped."""
    streams = {name: Stream(getattr(sys, name), {errno.EPIPE}) for name in ("stdout", "stderr")}
    former = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    for name, stream in streams.items():
        setattr(sys, name, stream)
    try:
        yield list(streams.values())
    finally:
        try:
            for stream in streams.values():
                stream.flush()
        finally:
            for name, stream in streams.items():
                setattr(sys, name, stream.file)
            signal.signal(signal.SIGPIPE, former)


def send_nowhere(file: TextIO) -> None:
    """Drop what `file` holds back, and all that is written to it from here on."""
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), file.fileno())
