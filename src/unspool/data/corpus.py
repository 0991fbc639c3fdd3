"""Parallel text, read from disk when asked for: only where each line begins is kept in memory."""

from __future__ import annotations

import gzip
import json
import mmap
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Protocol

import numpy as np

from unspool.errors import DataError

Pair = tuple[str, str]
EXPECTED = "two files with one text a line (a.de a.en), or one .tsv or .jsonl file, each of them also as .gz"


class ParallelCorpus(Protocol):
    """Pairs of source and target text by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Pair: ...
    def __iter__(self) -> Iterator[Pair]: ...


class Lines:
    """The lines of a UTF-8 file by number, split at \\n or \\r\\n only; thread-safe; 8 bytes of memory a line.

    A file that ends in `.gz` is unpacked once, to an unnamed temporary file.

    Raises:
        DataError: the file is missing, empty or damaged, or a line is not UTF-8; the line is named.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with _opened(path) as file:
            if file.seek(0, 2) == 0:
                raise DataError(f"{path} is empty; expected at least one line of text")
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._start = 3 if self._bytes[:3] == b"\xef\xbb\xbf" else 0
        self._ends = self._index()

    def _index(self) -> np.ndarray:
        """Where each line ends (exclusive, its newline included), after a check that each is UTF-8."""
        ends: list[int] = []
        self._bytes.seek(self._start)
        for number, line in enumerate(iter(self._bytes.readline, b""), 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{self.path}, line {number}: byte {error.start + 1} of the line is not UTF-8 "
                    f"(0x{line[error.start]:02x}); convert the file to UTF-8, or mend the line"
                ) from None
            ends.append(self._bytes.tell())
        if not ends:
            raise DataError(f"{self.path} is empty; expected at least one line of text")
        return np.asarray(ends, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, index: int) -> str:
        start = self._start if index == 0 else int(self._ends[index - 1])
        line = self._bytes[start : int(self._ends[index])]
        return line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8")


def _opened(path: Path) -> IO[bytes]:
    try:
        if path.suffix != ".gz":
            return path.open("rb")
        unpacked = tempfile.TemporaryFile()  # noqa: SIM115 — the caller closes it
        with gzip.open(path) as packed:
            while chunk := packed.read(1 << 20):
                unpacked.write(chunk)
        unpacked.flush()
        return unpacked
    except FileNotFoundError:
        raise DataError(f"there is no file {path}; expected {EXPECTED}") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder; expected {EXPECTED}") from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} cannot be unpacked ({error}); it is truncated or not gzip: fetch it again") from None
    except PermissionError:
        raise DataError(f"{path} may not be read by this user; expected a readable file") from None


class TwoFiles:
    """Line i of one file beside line i of the other."""

    def __init__(self, source: Path, target: Path) -> None:
        self._source, self._target = Lines(source), Lines(target)
        if len(self._source) != len(self._target):
            raise DataError(
                f"{source} has {len(self._source)} lines, but {target} has {len(self._target)}; "
                "expected the same number, line by line each other's translation"
            )

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Pair:
        return self._source[index], self._target[index]

    def __iter__(self) -> Iterator[Pair]:
        return (self[i] for i in range(len(self)))


class OneFile:
    """A pair a line: `source<TAB>target` (further columns are ignored), or `{"source": …, "target": …}`."""

    def __init__(self, path: Path, kind: str) -> None:
        self._lines, self._parse = Lines(path), _parse_json if kind == ".jsonl" else _parse_tsv
        for _ in self:
            pass

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, index: int) -> Pair:
        try:
            return self._parse(self._lines[index])
        except ValueError as error:
            raise DataError(f"{self._lines.path}, line {index + 1}: {error}") from None

    def __iter__(self) -> Iterator[Pair]:
        return (self[i] for i in range(len(self)))


def _parse_tsv(line: str) -> Pair:
    columns = line.split("\t")
    if len(columns) < 2:
        raise ValueError("there is no tab; expected source<TAB>target")
    return columns[0], columns[1]


def _parse_json(line: str) -> Pair:
    try:
        found = json.loads(line)
        source, target = found["source"], found["target"]
    except (ValueError, KeyError, TypeError):
        raise ValueError('expected a JSON object like {"source": "…", "target": "…"}') from None
    if not (isinstance(source, str) and isinstance(target, str)):
        raise ValueError('"source" and "target" must be text')
    return source, target


class ListCorpus:
    """Pairs in memory."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        if not pairs:
            raise DataError("the corpus is empty; expected at least one pair of texts")
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def __getitem__(self, index: int) -> Pair:
        return self._pairs[index]

    def __iter__(self) -> Iterator[Pair]:
        return iter(self._pairs)


def open_parallel(paths: Sequence[Path | str]) -> ParallelCorpus:
    """Open parallel text: two files with one text a line, or one `.tsv` or `.jsonl` file; any may end in `.gz`.

    Raises:
        DataError: wrong number or kind of files, missing, empty or damaged file, unequal line counts, or a line that
            is not UTF-8 or not a pair; file and line are named.
    """
    files = [Path(path) for path in paths]
    if len(files) == 2:
        return TwoFiles(*files)
    kind = "".join(files[0].suffixes[-2:]).removesuffix(".gz")[-6:] if files else ""
    if len(files) == 1 and kind.endswith((".tsv", ".jsonl")):
        return OneFile(files[0], ".jsonl" if kind.endswith(".jsonl") else ".tsv")
    raise DataError(f"got {', '.join(map(str, files)) or 'no file'}; expected {EXPECTED}")
