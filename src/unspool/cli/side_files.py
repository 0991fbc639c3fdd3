"""Files that a command writes besides what it prints: looked at before its work, and written whoever stops reading."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from unspool.cli.streams import listened_to
from unspool.errors import ConfigError


@contextlib.contextmanager
def side_files(
    files: Mapping[str, Path | None],
    *spared: Path | str,
    folders: Mapping[str, Path | None] = MappingProxyType({}),
) -> Iterator[None]:
    """Around the work of a command that may be asked for files.

    A reader that closes stdout or stderr (`| head -1`) ends a command at once by SIGPIPE; one that has files to write
    works on in silence, and ends so afterwards.

    Args:
        files: each path, or None where it was not asked for, by its option.
        spared: inputs, and files or folders of runs, that no file may replace.
        folders: the same as `files`, for options that name a folder.

    Raises:
        ConfigError: a path cannot be written to, or is spared; nothing has been done yet.
    """
    for option, path in files.items():
        if path is not None:
            _check_file(option, path, *spared)
    for option, path in folders.items():
        if path is not None and path.exists() and not path.is_dir():
            raise ConfigError(f"{option} {path} is a file; name a folder")
    if not any((*files.values(), *folders.values())):
        yield
        return
    with listened_to() as streams:
        yield
    if any(stream.unread for stream in streams):
        os.kill(os.getpid(), signal.SIGPIPE)


def check_ending(option: str, path: Path, endings: Collection[str], use: str) -> None:
    """Say before the work that a file cannot be what its name says.

    Raises:
        ConfigError: it has none of these `endings`, which are those for a `use`.
    """
    if path.suffix not in endings:
        raise ConfigError(f"{option} {path}: expected a file that ends in {' or '.join(endings)} for {use}")


def _check_file(option: str, path: Path, *spared: Path | str) -> None:
    for kept in filter(os.path.exists, spared):
        if Path(kept).resolve() in (path.resolve(), path.resolve().parent):
            raise ConfigError(f"{option} {path} would replace a file that is read or belongs to a run; name another")
    if path.is_dir():
        raise ConfigError(f"{option} {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ConfigError(f"{option} {path}: there is no folder {path.parent}; make it first, or name another")
    folder = [] if path.exists() and not path.is_file() else [Path(os.path.realpath(path)).parent]
    for place in (*([path] if path.exists() else []), *folder):  # a file is replaced in its folder, a pipe is not
        if not os.access(place, os.W_OK):
            raise ConfigError(f"{option} {path}: {place} may not be written to; allow it, or name another file")
