"""The errors that unspool raises on purpose: each says what happened, what was expected and how to fix it."""

from collections.abc import Iterable
from dataclasses import fields
from typing import Any


def one_of(choices: Iterable[str]) -> str:
    """What was expected, where only some words are.

    Example:
        >>> one_of(("none", "balanced"))
        "one of 'none', 'balanced'"
    """
    return f"one of {', '.join(map(repr, choices))}"


class UnspoolError(Exception):
    """Base of every error raised on purpose. The command line prints its message and exits with status 1."""


class DataError(UnspoolError):
    """A file or a text given by the user cannot be used; the message names the file and the line."""


class RunError(UnspoolError):
    """A run folder is missing, incomplete, foreign, of another version, or already taken."""


class ConfigError(UnspoolError, ValueError):
    """An option has a value that cannot work; the message lists what would."""


class ShapeError(UnspoolError, ValueError):
    """A tensor has a shape that cannot work; the message gives the shape found and the one expected."""


class TrainingError(UnspoolError):
    """Training cannot go on; the message says at which step, why, and what is left on disk."""


def check_switches(settings: Any) -> None:
    """Refuse other values of a dataclass's fields that are True or False by default: any text would do for True.

    Raises:
        ConfigError: one is of another type.
    """
    for switch in fields(settings):
        value = getattr(settings, switch.name)
        if isinstance(switch.default, bool) and not isinstance(value, bool):
            kind = type(value).__name__
            raise ConfigError(f"{switch.name} is {value!r}, of type {kind}; expected True or False")
