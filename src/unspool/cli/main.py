"""The program: a command, its exit status, its last words."""

from __future__ import annotations

import contextlib
import signal
import sys
import warnings
from itertools import pairwise
from pathlib import Path

from unspool.cli import bench, classify, encode, evaluate, forecast, language, tag, translate  # noqa: F401  each hangs its commands on the apps
from unspool.cli.apps import app, say
from unspool.cli.streams import flushed, listened_to, made_safe, send_nowhere
from unspool.errors import ConfigError, UnspoolError
from unspool.train import Interrupted
from unspool.train.files import REASONS, NotWritten
from unspool.train.placement import is_main

PLACES = ("--train", "--valid", "--test", "--out", "--ensemble")
"""Options that read or write folders."""


def spread(arguments: list[str]) -> list[str]:
    """Let `--train a.de a.en` name two files: a second value becomes a repeated option; and `--only` any number."""
    spread_out: list[str] = []
    for i, argument in enumerate(arguments):
        if spread_out[-2:-1] == ["--only"] and not argument.startswith("-"):
            spread_out += ["--only", argument]
            continue
        pair = i >= 2 and arguments[i - 2] in ("--train", "--valid", "--test") and not argument.startswith("-")
        single = arguments[i - 1].removesuffix(".gz").endswith((".tsv", ".jsonl")) if pair else False
        spread_out += [arguments[i - 2], argument] if pair and not single else [argument]
    return spread_out


def check_names(arguments: list[str]) -> None:
    """`ConfigError` for an empty name (of a shell's variable that is not set): as a path it would be this folder."""
    for option, value in pairwise(arguments):
        if option in PLACES and not value:
            raise ConfigError(f"the value of {option} is empty; name a file or folder (. is the one that you are in)")


class Warned:
    """Says each warning once in a command, however many windows, runs or files it is true of."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, message: Warning | str, *_: object, **__: object) -> None:
        if (text := str(message)) not in self._said:
            self._said.add(text)
            say(f"warning: {text}")


def main() -> None:
    """Run a command; exit status 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    made_safe()
    warnings.showwarning = Warned()
    if not is_main():
        warnings.simplefilter("ignore")  # the main process says it for all
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `unspool translate … | head` ends in silence
    try:
        arguments = spread(sys.argv[1:])
        check_names(arguments)
        # Who stops reading the progress of a training (`2>&1 | head`) does not stop the training.
        with flushed(), listened_to() if arguments[:1] == ["train"] else contextlib.nullcontext():
            app(args=arguments, prog_name="unspool")
    except Interrupted as stop:
        if is_main():
            say(str(stop))
        sys.exit(130)
    except (UnspoolError, OSError) as error:
        if isinstance(error, OSError) and error.filename is None and error.errno in REASONS:  # stdout has no filename
            send_nowhere(sys.stdout)
            error = NotWritten(Path("stdout"), error)
        say(f"error: {error}")
        sys.exit(1)
