"""The errors that unspool raises on purpose: each says what happened, what was expected and how to fix it."""

from collections.abc import Iterable


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
