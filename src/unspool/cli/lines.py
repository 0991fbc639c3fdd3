"""Texts to work on: arguments, or the lines of stdin, some at a time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import NamedTuple

from unspool.data.given import half_character
from unspool.errors import ConfigError


class Line(NamedTuple):
    """A text, its number counted from 1, and why it is no text, if it is none."""

    number: int
    name: str
    text: str
    problem: str | None = None


def chunks(texts: list[str] | None) -> Iterator[list[Line]]:
    """The texts, or the lines of stdin if there are none: 256 at a time, one at a time from a terminal."""
    if not texts and sys.stdin is None:  # a shell's <&-
        raise ConfigError("stdin is closed; give texts as arguments, or one a line on stdin")
    lines = _argument_lines(texts) if texts else _stdin_lines()
    size = 1 if not texts and sys.stdin.isatty() else 256
    chunk: list[Line] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _argument_lines(texts: list[str]) -> Iterator[Line]:
    for number, text in enumerate(texts, 1):
        name = f"text {number}"
        if half_character(text):
            yield Line(number, name, "", "is not UTF-8")
        else:
            yield Line(number, name, " ".join(text.splitlines()))


def _stdin_lines() -> Iterator[Line]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        name = f"line {number}"
        try:
            text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            yield Line(number, name, "", f"is not UTF-8 (byte {error.start + 1})")
        else:
            yield Line(number, name, text)
