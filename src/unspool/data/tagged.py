"""Sequences of tokens with a tag each: CoNLL columns and JSON lines."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from unspool.data.given import Paths, half_character, paths_of
from unspool.data.lines import Lines
from unspool.data.wording import counted
from unspool.errors import ConfigError, DataError

EXPECTED = "CoNLL columns (a token a line, a blank line between sequences) or .jsonl, each of them also as .gz"
DOCSTART = "-DOCSTART-"
OTHERS = (".csv", ".parquet", ".json", ".wav", ".flac", ".ogg")
"""Endings of files that hold something else, whose lines would be taken for tokens."""


class Tokens(NamedTuple):
    """A sequence as it stands in a file.

    `tags` is empty where none were asked for; `place` names the file and the first line, for messages; `lines` are the
    numbers of its lines from 1: one for each token of CoNLL columns, one in all for JSON.
    """

    tokens: tuple[str, ...]
    tags: tuple[str, ...]
    place: str
    lines: tuple[int, ...] = ()


@dataclass(frozen=True)
class Columns:
    """Which column of a CoNLL file holds what; `ConfigError` for a column 0 or two equal ones."""

    token_column: Annotated[int, "CoNLL column of the token, from 1; -1: the last"] = 1
    tag_column: Annotated[int, "CoNLL column of the tag, from 1; -1: the last"] = -1
    comments: Annotated[bool, "leave out CoNLL lines that start with #"] = False

    def __post_init__(self) -> None:
        for name in ("token_column", "tag_column"):
            if getattr(self, name) == 0:
                raise ConfigError(f"{name} is 0; columns count from 1, or from the end: -1 is the last")
        if self.token_column == self.tag_column:
            raise ConfigError(f"token_column and tag_column are both {self.token_column}; name two columns")

    def with_token(self, column: int) -> Columns:
        """The token in another column, where no tags are read: their column may become another one too.

        Example:
            >>> Columns(token_column=1, tag_column=-1).with_token(-1).token_column
            -1
        """
        return Columns(column, -1 if column > 0 else 1, self.comments)


def read_tagged(path: Path | str, columns: Columns | None = None, *, tags: bool = True) -> list[Tokens]:
    """The sequences of a file.

    A name that ends in `.jsonl` holds an object a line, `{"tokens": […], "tags": […]}`. Any other holds CoNLL columns:
    split by tabs in a line that has one, else by white space; a blank line ends a sequence; lines of `-DOCSTART-` are
    left out. Every name may go on with `.gz`.

    Args:
        path: the file.
        columns: where token and tag stand.
        tags: whether tags are read; without, a file needs none.

    Raises:
        DataError: the file is missing, empty or damaged, not UTF-8, without a sequence, or has a line without token or
            tag; file and line are named.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "train.conll")
        ...     _ = file.write_text("Ada NNP B-PER\\nsleeps VBZ O\\n\\nYes UH O\\n")
        ...     found = read_tagged(file)
        >>> found[0].tokens, found[0].tags, len(found)
        (('Ada', 'sleeps'), ('B-PER', 'O'), 2)
    """
    return parse(open_lines(path), columns, tags=tags)


def parse(lines: Lines, columns: Columns | None = None, *, tags: bool = True) -> list[Tokens]:
    """What `read_tagged` does, of a file whose lines are open."""
    read = _json_rows if is_json(lines.path) else _column_rows
    found = list(read(lines, columns or Columns(), tags))
    if not found:
        raise DataError(f"{lines.path} holds no sequence of tokens; expected {EXPECTED}")
    return found


def is_json(path: Path | str) -> bool:
    """Whether the file's name says JSON lines."""
    return Path(path).name.removesuffix(".gz").endswith(".jsonl")


def open_lines(path: Path | str) -> Lines:
    """The lines of a file as they stand there; `DataError` if it cannot be read."""
    path = Path(path)
    if not path.exists():
        raise DataError(f"there is no file {path}; expected {EXPECTED}")
    if path.is_dir():
        raise DataError(f"{path} is a folder; expected {EXPECTED}")
    if path.name.lower().removesuffix(".gz").endswith(OTHERS):
        raise DataError(f"{path} is a file of another kind; expected {EXPECTED}")
    return Lines(path)


def _column_rows(lines: Lines, columns: Columns, with_tags: bool) -> Iterator[Tokens]:
    tokens: list[str] = []
    tags: list[str] = []
    numbers: list[int] = []
    for number, line in enumerate((*lines, ""), 1):  # a blank line more, which ends the last sequence
        if line.strip() and not is_left_out(line, columns):
            token, tag = _cells(line, columns, with_tags, f"{lines.path}, line {number}")
            tokens.append(token)
            tags += [tag] if with_tags else []
            numbers.append(number)
        elif tokens and not line.strip():
            yield Tokens(tuple(tokens), tuple(tags), f"{lines.path}, line {numbers[0]}", tuple(numbers))
            tokens, tags, numbers = [], [], []


def is_left_out(line: str, columns: Columns) -> bool:
    """Whether a line of a CoNLL file is no token: a document's start, or a comment where there are any."""
    return line.startswith(DOCSTART) or (columns.comments and line.startswith("#"))


def _cells(line: str, columns: Columns, with_tags: bool, place: str) -> tuple[str, str]:
    cells = line.split("\t") if "\t" in line else line.split()
    token = _place("token", columns.token_column, cells, line, place)
    if not with_tags:
        return cells[token], ""
    tag = _place("tag", columns.tag_column, cells, line, place)
    if tag == token:
        raise DataError(f"{place}: there is no column for the tag beside the token: {line[:60]!r}")
    return cells[token], cells[tag]


def _place(name: str, column: int, cells: list[str], line: str, place: str) -> int:
    at = column - 1 if column > 0 else len(cells) + column
    if not 0 <= at < len(cells):
        raise DataError(f"{place}: there is no column {column} for the {name} among {len(cells)}: {line[:60]!r}")
    if not cells[at]:
        raise DataError(f"{place}: the {name} (column {column}) is empty: {line[:60]!r}")
    return at


def _json_rows(lines: Lines, _: Columns, with_tags: bool) -> Iterator[Tokens]:
    for number in range(1, len(lines) + 1):
        line = lines[number - 1]
        if line.strip():
            place = f"{lines.path}, line {number}"
            try:
                tokens, tags = _parse_json(line, with_tags)
            except ValueError as error:
                raise DataError(f"{place}: {error}") from None
            yield Tokens(tokens, tags, place, (number,))


def _parse_json(line: str, with_tags: bool) -> tuple[tuple[str, ...], tuple[str, ...]]:
    names = ("tokens", "tags") if with_tags else ("tokens",)
    try:
        found = json.loads(line)
        rows: list[Any] = [found[name] for name in names]
    except (ValueError, KeyError, TypeError, RecursionError):
        shown = ", ".join(f'"{name}": ["…"]' for name in names)
        raise ValueError(f"expected a JSON object like {{{shown}}}") from None
    for name, row in zip(names, rows, strict=True):
        if not (isinstance(row, list) and row and all(isinstance(item, str) and item for item in row)):
            raise ValueError(f'"{name}" must be a list of texts, at least one, none of them empty')
        _check_texts(name, row)
    if with_tags and len(rows[0]) != len(rows[1]):
        raise ValueError(
            f"got {counted(len(rows[0]), 'token')}, but {counted(len(rows[1]), 'tag')}; expected a tag for each token"
        )
    return tuple(rows[0]), tuple(rows[1]) if with_tags else ()


def _check_texts(name: str, row: list[str]) -> None:
    for item in row:
        if problem := half_character(item):
            raise ValueError(f'{item!a} of "{name}" {problem}')
    if name == "tags" and any(len(tag.splitlines()) > 1 or "\t" in tag for tag in row):
        raise ValueError('a tag of "tags" has a tab or a line break in it')


def read_all(paths: Paths, columns: Columns | None = None) -> list[Tokens]:
    """The sequences of one file, or of several, one after the other."""
    return [sequence for path in paths_of(paths) for sequence in read_tagged(path, columns)]


def split_off(sequences: Sequence[Tokens], share: float, seed: int) -> tuple[list[Tokens], list[Tokens]]:
    """Training and validation part: `share` of the distinct sequences, a pure function of them and the seed.

    Sequences with the same tokens stay together, so that none of the validation part was trained on.

    Raises:
        DataError: there are fewer than two distinct sequences.

    Example:
        >>> rows = [Tokens((word,), ("O",), "") for word in "abcd"]
        >>> [len(part) for part in split_off(rows, 0.25, seed=0)]
        [3, 1]
    """
    distinct = sorted({sequence.tokens for sequence in sequences}, key=lambda tokens: _digest(tokens, seed))
    if len(distinct) < 2:
        raise DataError("there is only one distinct sequence, so no part can be split off to validate on")
    apart = set(distinct[: min(len(distinct) - 1, max(1, round(share * len(distinct))))])
    return [s for s in sequences if s.tokens not in apart], [s for s in sequences if s.tokens in apart]


def _digest(tokens: tuple[str, ...], seed: int) -> bytes:
    return hashlib.blake2b(json.dumps([seed, *tokens]).encode(), digest_size=16).digest()


def checksum(sequences: Iterable[Tokens]) -> int:
    """CRC-32 of all tokens and tags in order.

    Example:
        >>> checksum([Tokens(("a",), ("O",), "")]) == checksum([Tokens(("a",), ("O",), "elsewhere")])
        True
    """
    found = 0
    for sequence in sequences:
        found = zlib.crc32(json.dumps([sequence.tokens, sequence.tags]).encode(), found)
    return found
