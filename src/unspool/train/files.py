"""Files that are there whole or not at all: written under a temporary name, synced to the disk, then renamed."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unspool.errors import RunError, UnspoolError

TEMPORARY = ".tmp-"
"""Prefix of the names of unfinished files and folders; whoever holds the run's lock may delete them."""

REASONS = {
    errno.ENOSPC: ("the disk is full", "make room"),
    errno.EDQUOT: ("the disk quota is used up", "make room"),
    errno.EFBIG: ("the file is larger than allowed", "raise the limit"),
}
"""Why a disk takes no more, and what helps, by the number of the error."""


class NotWritten(RunError):
    """A file or folder could not be written: `what` says which and why, `remedy` what lets it be written there."""

    def __init__(self, path: Path, error: OSError) -> None:
        reason, self.remedy = REASONS.get(error.errno or 0, (error.strerror or str(error), "put that right"))
        self.what = f"{path} could not be written: {reason}"
        super().__init__(f"{self.what}; {self.remedy}, or choose another place")


@contextlib.contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """The name, beside `path`, of a file for the body to write: then it is brought to the disk and becomes `path`.

    If anything fails, the former `path` is untouched and nothing else is left; an `OSError` becomes `NotWritten`. A
    link stays one. What is no regular file, such as a pipe, is written to as it is.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with replaced(Path(folder, "a.txt")) as temporary:
        ...         _ = temporary.write_text("whole")
        ...     [(path.name, path.read_text()) for path in Path(folder).iterdir()]
        [('a.txt', 'whole')]
    """
    with explained(path):
        if path.exists() and not path.is_file():
            yield path
            return
        final = Path(os.path.realpath(path))
        temporary = final.with_name(f"{TEMPORARY}{final.name}")
        with removed_on_error(temporary):
            yield temporary
            _sync(temporary)
            if final.exists():
                shutil.copymode(final, temporary)
            os.replace(temporary, final)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` atomically. A full disk raises `NotWritten` and leaves the former file untouched."""
    with replaced(path) as temporary:
        temporary.write_bytes(data)
    with explained(path):
        sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Replace `path` atomically by `value` as indented JSON."""
    write_bytes(path, (json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode())


def read_json(path: Path, what: str) -> dict[str, Any]:
    """The JSON object in `path`; a missing, truncated or foreign file raises `RunError` naming it as `what`."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise RunError(f"{path} is missing: {what}; is {path.parent} the right folder?") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}): {what}; restore it from a copy") from error
    if not isinstance(value, dict):
        raise RunError(f"{path} holds a JSON {type(value).__name__}, not an object: {what}; restore it from a copy")
    return value


@contextlib.contextmanager
def understood(path: Path) -> Iterator[None]:
    """Turn what the body raises over a foreign or damaged `path` into a `RunError` that names it."""
    try:
        yield
    except UnspoolError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise RunError(
            f"{path} is damaged or foreign ({type(error).__name__}: {error}); restore it from a copy, or start again "
            "with --force"
        ) from error


def sync_folder(folder: Path) -> None:
    """Make a rename inside `folder` survive a loss of power."""
    _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def removed_on_error(path: Path) -> Iterator[None]:
    """Delete the unfinished file or folder `path` if the body fails."""
    try:
        yield
    except BaseException:
        remove(path)
        raise


def remove(path: Path) -> None:
    """Delete a file or a folder, if it is there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` of writing `path` into `NotWritten`."""
    try:
        yield
    except OSError as error:
        raise NotWritten(path, error) from error
