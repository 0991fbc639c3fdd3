"""Texts to work on: arguments, or the lines of files or of stdin, some at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from unspool.data.given import half_character
from unspool.data.lines import Lines
from unspool.errors import ConfigError, DataError


class Line(NamedTuple):
    """A text, its number counted from 1, and why it is no text, if it is none."""

    number: int
    name: str
    text: str
    problem: str | None = None


def chunks(texts: list[str] | None, files: Sequence[Path] = ()) -> Iterator[list[Line]]:
    """The lines of files, or the texts, or the lines of stdin if there are neither: 256 at a time, one at a time from a
    terminal."""
    on_stdin = not texts and not files
    if on_stdin and sys.stdin is None:  # a shell's <&-
        raise ConfigError("stdin is closed; give texts as arguments, or one a line on stdin")
    lines = _stdin_lines() if on_stdin else _file_lines(files) if files else _argument_lines(texts or [])
    size = 1 if on_stdin and sys.stdin.isatty() else 256
    chunk: list[Line] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def whole(parts: Iterable[list[Line]]) -> Iterator[list[Line]]:
    """The same lines; `DataError` names the first that is no text."""
    for lines in parts:
        for line in lines:
            if line.problem is not None:
                raise DataError(f"{line.name} {line.problem}")
        yield lines


def _argument_lines(texts: list[str]) -> Iterator[Line]:
    for number, text in enumerate(texts, 1):
        name = f"text {number}"
        if half_character(text):
            yield Line(number, name, "", "is not UTF-8")
        else:
            yield Line(number, name, " ".join(text.splitlines()))


def _file_lines(files: Sequence[Path]) -> Iterator[Line]:
    for path in files:
        lines = Lines(path)
        for number in range(1, len(lines) + 1):
            yield Line(number, f"{path}, line {number}", lines[number - 1])


def _stdin_lines() -> Iterator[Line]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        name = f"line {number}"
        try:
            text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            yield Line(number, name, "", f"is not UTF-8 (byte {error.start + 1})")
        else:
            yield Line(number, name, text)
