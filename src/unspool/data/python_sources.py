"""Text that every Python brings along: the source files of its standard library, split by file."""

from __future__ import annotations

import sysconfig
import zlib
from pathlib import Path
from typing import NamedTuple

from unspool.data.plain_text import ended
from unspool.errors import DataError

LEFT_OUT = frozenset({"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"})
"""Folders whose files are no library of Python's own, or its tests."""


class PythonSources(NamedTuple):
    """The texts of the files of each part, in the order of their names."""

    train: list[str]
    valid: list[str]
    test: list[str]


def python_sources(folder: Path | None = None) -> PythonSources:
    """The `.py` files of the standard library, or of `folder`: 90% to train on, 5% to validate, 5% to test.

    A file's part is decided by a checksum of its path, so it stays where it is from version to version. Empty files,
    and those that are not UTF-8, are left out.

    Raises:
        DataError: there are no source files (some installations have compiled files only).

    Example:
        >>> parts = python_sources()
        >>> len(parts.train) > len(parts.test) > 0
        True
    """
    folder = Path(sysconfig.get_path("stdlib")) if folder is None else folder
    parts = PythonSources([], [], [])
    for path in sorted(folder.rglob("*.py"), key=lambda path: path.relative_to(folder).as_posix()):
        name = path.relative_to(folder)
        if LEFT_OUT.isdisjoint(name.parts) and (text := _text(path)):
            parts[part_of(name.as_posix())].append(text)
    if not all(parts):
        raise DataError(
            f"{folder} holds too few .py files to train, validate and test on; name text files of your own with --train"
        )
    return parts


def part_of(name: str) -> int:
    """0 (train), 1 (valid) or 2 (test), of a path with forward slashes.

    >>> part_of("json/decoder.py"), part_of("bisect.py")
    (0, 0)
    """
    place = zlib.crc32(name.encode()) % 20
    return 1 if place == 0 else 2 if place == 1 else 0


def _text(path: Path) -> str:
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return ended(text) if text else ""
