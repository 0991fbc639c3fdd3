"""Plain text: whole files, as they are, and a cut of their end for validation."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

from unspool.data.lines import read_errors
from unspool.errors import ConfigError, DataError

EXPECTED = "a file of plain text in UTF-8, also as .gz"


def read_text(path: Path | str) -> str:
    """The text of a file, line ends as they are; a last line without an end gets one, a byte order mark is left out.

    Raises:
        DataError: the file is missing, empty or damaged, or a byte is not UTF-8; file and line are named.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "a.txt")
        ...     _ = file.write_bytes(b"one\\r\\ntwo")
        ...     read_text(file)
        'one\\r\\ntwo\\n'
    """
    path = Path(path)
    text = decoded(_content(path), path).removeprefix("\ufeff")
    if not text:
        raise DataError(f"{path} is empty; expected at least one line of text")
    return ended(text)


def ended(text: str) -> str:
    """`text` with a line end at its end, so that the next text begins a line."""
    return text if text.endswith("\n") else text + "\n"


def decoded(content: bytes, path: Path) -> str:
    """Bytes read from `path` as text; `DataError` names the line of the first byte that is not UTF-8."""
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        place = error.start - content.rfind(b"\n", 0, error.start)
        raise DataError(
            f"{path}, line {line}: byte {place} of the line is not UTF-8 (0x{content[error.start]:02x}); "
            "convert the file to UTF-8, or mend the line"
        ) from None


def split_end(texts: Sequence[str], share: float) -> tuple[list[str], list[str]]:
    """Cut the last `share` of all characters off, at the first line end after that place.

    Raises:
        ConfigError: the share is not between 0 and 1. DataError: a part would be empty.

    Example:
        >>> split_end(["a\\nb\\n", "c\\nd\\ne\\n"], 0.4)
        (['a\\nb\\n', 'c\\n'], ['d\\ne\\n'])
    """
    if not 0 < share < 1:
        raise ConfigError(f"valid_share is {share}; expected a share of the text, above 0 and below 1")
    left = round((1 - share) * sum(map(len, texts)))
    train: list[str] = []
    valid: list[str] = []
    for text in texts:
        cut = len(text) if left >= len(text) else text.find("\n", max(left - 1, 0)) + 1 if left > 0 else 0
        left -= len(text)
        train += [text[:cut]] if cut else []
        valid += [text[cut:]] if cut < len(text) else []
    if not train or not valid:
        raise DataError(
            f"the text has too few lines to keep {share:.0%} of it for validation; give more text, or name validation "
            "files"
        )
    return train, valid


def _content(path: Path) -> bytes:
    with read_errors(path, EXPECTED):
        if path.suffix == ".gz":
            with gzip.open(path) as packed:
                return packed.read()
        return path.read_bytes()
