"""Parallel text, read from disk when asked for: only where each line begins is kept in memory."""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from unspool.data.given import Paths, half_character, paths_of
from unspool.data.lines import EXPECTED, Lines
from unspool.data.wording import counted
from unspool.errors import DataError

Pair = tuple[str, str]
Side = Literal["source", "target"]
JSON_KEYS: Pair = ("source", "target")


class ParallelCorpus(Protocol):
    """Pairs of source and target text by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Pair: ...
    def __iter__(self) -> Iterator[Pair]: ...
    def place(self, index: int, side: Side) -> str:
        """Where a text was written, for messages: a file and a line, counted from 1."""
        ...


class TwoFiles:
    """Line i of one file beside line i of the other."""

    def __init__(self, source: Path, target: Path) -> None:
        self._source, self._target = Lines(source), Lines(target)
        if len(self._source) != len(self._target):
            raise DataError(
                f"{source} has {counted(len(self._source), 'line')}, but {target} has {len(self._target)}; "
                "expected the same number, line by line each other's translation"
            )

    def __len__(self) -> int:
        return len(self._source)

    def __getitem__(self, index: int) -> Pair:
        return self._source[index], self._target[index]

    def __iter__(self) -> Iterator[Pair]:
        return (self[i] for i in range(len(self)))

    def place(self, index: int, side: Side) -> str:
        lines = self._source if side == "source" else self._target
        return f"{lines.path}, line {index + 1}"


class OneFile:
    """A pair a line, as `parse` reads it: None for a blank line, which holds nothing but counts; `ValueError` for one
    that holds something else."""

    def __init__(self, path: Path, parse: Callable[[str], Pair | None]) -> None:
        holds = array("b")
        self._lines, self._parse = Lines(path, check=lambda line: holds.append(parse(line) is not None)), parse
        self._numbers = range(len(holds)) if all(holds) else np.flatnonzero(np.asarray(holds))
        if not len(self._numbers):
            raise DataError(f"{path} has blank lines only; expected a pair of texts on each line")

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Pair:
        try:
            pair = self._parse(self._lines[int(self._numbers[index])])
            if pair is None:
                raise ValueError("it is blank")
        except ValueError as error:
            raise DataError(f"{self._line(index)}: {error}; it was changed while it was in use") from None
        return pair

    def __iter__(self) -> Iterator[Pair]:
        return (self[i] for i in range(len(self)))

    def place(self, index: int, side: Side) -> str:
        return f"{self._line(index)}, {side}"

    def _line(self, index: int) -> str:
        return f"{self._lines.path}, line {int(self._numbers[index]) + 1}"


def _parse_tsv(line: str) -> Pair | None:
    columns = line.split("\t")
    if len(columns) > 1:
        return columns[0], columns[1]
    if line.strip():
        raise ValueError("there is no tab; expected source<TAB>target")
    return None


def _parse_json(line: str, keys: Pair) -> Pair | None:
    if not line.strip():
        return None
    try:
        found = json.loads(line)
        source, target = found[keys[0]], found[keys[1]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError(f'expected a JSON object like {{"{keys[0]}": "…", "{keys[1]}": "…"}}') from None
    if not (isinstance(source, str) and isinstance(target, str)):
        raise ValueError(f'"{keys[0]}" and "{keys[1]}" must be text')
    for key, text in zip(keys, (source, target), strict=True):
        if problem := half_character(text):
            raise ValueError(f'"{key}" {problem}')
    return source, target


class ListCorpus:
    """Pairs in memory.

    Example:
        >>> list(ListCorpus([("eins", "one"), ("zwei", "two")]))
        [('eins', 'one'), ('zwei', 'two')]
    """

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

    def place(self, index: int, side: Side) -> str:
        return f"pair {index + 1} of the list, {side}"


def open_parallel(paths: Paths, *, keys: Pair = JSON_KEYS) -> ParallelCorpus:
    """Open parallel text; every file may end in `.gz`.

    Two files hold one text a line, line by line each other's translation. One `.tsv` file holds `source<TAB>target`
    (further columns are ignored); one `.jsonl` file holds an object a line, with the two texts under `keys`. In one
    file blank lines are passed over; in one of two, a blank line is an empty text.

    Raises:
        DataError: wrong number or kind of files, missing, empty or damaged file, unequal line counts, or a line that
            is not UTF-8 or not a pair; file and line are named.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "pairs.tsv")
        ...     _ = file.write_text("eins\\tone\\nzwei\\ttwo\\n")
        ...     corpus = open_parallel([file])
        ...     len(corpus), corpus[1]
        (2, ('zwei', 'two'))
    """
    files = paths_of(paths)
    kinds = [Path(file.name.removesuffix(".gz")).suffix for file in files]
    if len(files) == 2 and not {".tsv", ".jsonl"} & set(kinds):
        return TwoFiles(*files)
    if kinds == [".tsv"]:
        return OneFile(files[0], _parse_tsv)
    if kinds == [".jsonl"]:
        return OneFile(files[0], partial(_parse_json, keys=keys))
    raise DataError(f"got {', '.join(map(str, files)) or 'no file'}; expected {EXPECTED}")
