"""Arguments that are files or texts: one rule for every command that takes either."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from unspool.errors import ConfigError, DataError

ENDINGS = (
    *(".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet", ".gz"),
    *(".conll", ".conllu", ".iob", ".iob2", ".bio"),
    *(".wav", ".flac", ".ogg"),
)
"""Endings, in either case, by which an argument without white space is taken for a file, there or not."""


def files_or_texts(given: list[str], command: str) -> tuple[list[Path], list[str]]:
    """The arguments of `command` as files, or as texts; one of the two lists is empty.

    What is there is a file, and so is what ends as files of data do. Any text can be given on stdin.

    Args:
        given: the arguments.
        command: such as `unspool tag RUN`, for messages.

    Raises:
        DataError: a file is not there, or is a folder. ConfigError: files and texts are mixed.

    Example:
        >>> files_or_texts(["Ada was born", "in London."], "unspool tag RUN")
        ([], ['Ada was born', 'in London.'])
    """
    files = [name for name in given if os.path.exists(name) or _looks_like_a_file(name)]
    for name in files:
        if not os.path.exists(name):
            raise DataError(f"there is no file {name}; name one that is there. {_as_text(name, command)}")
        if os.path.isdir(name):
            raise DataError(f"{name} is a folder; name the files in it. {_as_text(name, command)}")
    if files and len(files) < len(given):
        text = next(name for name in given if name not in files)
        raise ConfigError(f"{files[0]} is a file, but {text!r} is a text; give either files or texts")
    return [Path(name) for name in files], [] if files else given


def _looks_like_a_file(name: str) -> bool:
    return name.lower().endswith(ENDINGS) and not name.split()[1:]


def _as_text(name: str, command: str) -> str:
    return f"If it is meant as a text, give it on stdin: echo {shlex.quote(name)} | {command}"
