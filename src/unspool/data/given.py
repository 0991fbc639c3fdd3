"""What a caller hands over, looked at before anything is made of it: texts, lists, counts, names of files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence, Set
from numbers import Integral
from pathlib import Path
from typing import Any

from unspool.errors import ConfigError, DataError

Paths = Path | str | Sequence[Path | str]
"""One file, or several."""


def listed(given: Any, method: str, item: str = "text") -> list[Any]:
    """The items that were handed to `method`, as a list; what each of them is, is not looked at.

    Raises:
        ConfigError: one item instead of several, or something without an order.

    Example:
        >>> listed(("a", "b"), "tag")
        ['a', 'b']
    """
    if isinstance(given, str):
        raise ConfigError(f"{method} takes a list of {item}s, but got one text; write {method}([{item}])")
    if isinstance(given, (bytes, Mapping, Set)) or not isinstance(given, Iterable) or not getattr(given, "ndim", 1):
        kind = type(given).__name__
        raise ConfigError(f"{method} takes a list of {item}s, but got a value of type {kind}; write {method}([{item}])")
    return list(given)


def check_text(text: Any, place: str) -> None:
    """Refuse what is no text, or no whole one, with its `place`.

    Raises:
        DataError: it is of another type, or has a lone surrogate.
    """
    if not isinstance(text, str):
        raise DataError(f"{place} is of type {type(text).__name__}; expected a text (str)")
    if problem := half_character(text):
        raise DataError(f"{place} {problem}")


def whole(given: Any, name: str, *, least: int = 1, most: int | None = None, option: str = "") -> int:
    """A number that counts; `option` is how the command line calls it, where that is another word.

    Raises:
        ConfigError: it is no whole number, below `least`, or above `most`.

    Example:
        >>> whole(3, "horizon")
        3
    """
    hint = f" ({option})" if option else ""
    if isinstance(given, bool) or not isinstance(given, Integral):
        kind = type(given).__name__
        raise ConfigError(f"{name} is {given!r}, of type {kind}; expected a whole number, at least {least}{hint}")
    if given < least:
        raise ConfigError(f"{name} is {given}; expected at least {least}{hint}")
    if most is not None and int(given) > most:
        raise ConfigError(f"{name} is {given}; expected at most {most}{hint}")
    return int(given)


def half_character(text: str) -> str | None:
    """Why a text stands for nothing, to be read after its place; None where all its characters are whole.

    Example:
        >>> half_character("a😀"), half_character("a\\ud83d")[:44]
        (None, "has the lone surrogate '\\\\ud83d' as character")
    """
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return (
            f"has the lone surrogate {text[error.start]!a} as character {error.start + 1}, half of a character; remove "
            "it, or decode the text from its true encoding"
        )
    return None


def paths_of(given: Any) -> list[Path]:
    """`Paths` as a list.

    Raises:
        ConfigError: it is something else.

    Example:
        >>> [path.name for path in paths_of("a.csv")], [path.name for path in paths_of([Path("b.csv"), "c.csv"])]
        (['a.csv'], ['b.csv', 'c.csv'])
    """
    several = [given] if isinstance(given, (str, os.PathLike)) else given
    if isinstance(several, (bytes, Mapping, Set)) or not isinstance(several, Iterable):
        raise ConfigError(f"expected a file or a list of files, but got {given!r}, of type {type(given).__name__}")
    found = list(several)
    for one in found:
        if not isinstance(one, (str, os.PathLike)) or one == "":
            raise ConfigError(f"expected names of files, but got {one!r}, of type {type(one).__name__}")
    return [Path(one) for one in found]
