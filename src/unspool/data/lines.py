"""The lines of a text file by number, read from disk when asked for."""

from __future__ import annotations

import contextlib
import gzip
import os
import tempfile
import weakref
import zlib
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import numpy as np

from unspool.errors import DataError

EXPECTED = "two files with one text a line (a.de a.en), or one .tsv or .jsonl file, each of them also as .gz"


class Lines:
    """The lines of a UTF-8 file, split at \\n or \\r\\n only; thread-safe; 8 bytes of memory a line.

    A file that ends in `.gz`, or that can be read only once (a pipe), is copied to an unnamed temporary file.

    Args:
        path: the file.
        check: called with the text of every line while the file is opened; a `ValueError` says what is wrong with it.

    Raises:
        DataError: the file is missing, empty or damaged, a line is not UTF-8 or fails `check`; the line is named.
    """

    def __init__(self, path: Path, check: Callable[[str], object] | None = None) -> None:
        self.path = path
        with _opened(path) as file:
            # Not a memory map: that one would kill the process if the file became shorter meanwhile.
            self._file = os.dup(file.fileno())
            weakref.finalize(self, os.close, self._file)
            self._start = 3 if file.read(3) == b"\xef\xbb\xbf" else 0
            file.seek(self._start)
            self._ends = self._index(file, check)

    def _index(self, file: IO[bytes], check: Callable[[str], object] | None) -> np.ndarray:
        """Where each line ends (exclusive, its newline included), after a check of each."""
        ends, at = array("q"), self._start
        for number, line in enumerate(file, 1):
            try:
                text = _text(line)
                if check is not None:
                    check(text)
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{self.path}, line {number}: byte {error.start + 1} of the line is not UTF-8 "
                    f"(0x{line[error.start]:02x}); convert the file to UTF-8, or mend the line"
                ) from None
            except ValueError as error:
                raise DataError(f"{self.path}, line {number}: {error}") from None
            at += len(line)
            ends.append(at)
        if not ends:
            raise DataError(f"{self.path} is empty; expected at least one line of text")
        return np.frombuffer(ends, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        number = range(len(self._ends))[index]
        start = int(self._ends[number - 1]) if number else self._start
        size = int(self._ends[number]) - start
        line = os.pread(self._file, size, start)
        try:
            if len(line) == size:
                return _text(line)
        except UnicodeDecodeError:
            pass
        raise DataError(f"{self.path} was changed while it was in use; leave training files alone and start again")


def _text(line: bytes) -> str:
    return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")


def _opened(path: Path) -> IO[bytes]:
    """A file of plain text that can be read at any place, and again."""
    with read_errors(path, EXPECTED):
        if path.suffix == ".gz":
            with gzip.open(path) as packed:
                return _copied(packed)
        file = path.open("rb")
        if file.seekable():
            return file
        with file:
            return _copied(file)


@contextlib.contextmanager
def read_errors(path: Path, expected: str) -> Iterator[None]:
    """Turn what goes wrong in opening, reading or unpacking `path` into a `DataError` that says what was `expected`."""
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; expected {expected}") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; expected {expected}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked ({error}); it is truncated or not gzip: fetch it again") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}); expected {expected}") from None


def _copied(stream: IO[bytes] | gzip.GzipFile) -> IO[bytes]:
    copy = tempfile.TemporaryFile()  # noqa: SIM115 — the caller closes it
    try:
        while chunk := stream.read(1 << 20):
            copy.write(chunk)
        copy.seek(0)
    except BaseException:
        copy.close()
        raise
    return copy
