"""Whether a folder could be written to, known before hours are spent on what goes into it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from unspool.errors import RunError
from unspool.train.files import explained


def check_writable(folder: Path) -> None:
    """Raise `RunError` if `folder` is none and cannot become one, or if no file can be written into it.

    Permissions do not tell all (read-only mounts, full disks), so a nameless file is written where the folder is, or
    would be made; nothing of it stays.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     check_writable(Path(folder, "not", "yet"))
        ...     os.listdir(folder)
        []
    """
    with explained(folder):
        there = _there(folder)
        if not there.is_dir():
            what = "a file" if there.exists() else "a link to nothing"
            where = "" if there == folder else f", so there can be no folder {folder}"
            raise RunError(f"{there} is {what}{where}; choose another --out, the folder to write the run to")
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(4096))
            file.flush()


def _there(folder: Path) -> Path:
    """The folder, or the nearest of those above it that is there."""
    try:
        os.lstat(folder)
    except (FileNotFoundError, NotADirectoryError):
        return _there(folder.parent)
    return folder
