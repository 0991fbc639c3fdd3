"""The commands' common ground: the apps they hang on, options that several have, and how they speak."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from unspool.cells import Cell, load_cell

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The command line. Results go to stdout, everything else to stderr.",
)
train_app = typer.Typer(no_args_is_help=True, help="Train a model of a task into a run folder.")
app.add_typer(train_app, name="train")
bench_app = typer.Typer(no_args_is_help=True, help="Measure, answers first.")
app.add_typer(bench_app, name="bench")

CellOption = Annotated[str, typer.Option("--cell", help="A shipped cell by name, or file.py:Class of your own.")]
CellsOption = Annotated[
    list[str] | None, typer.Option("--cell", help="Your own cell that the run was trained with: file.py:Class.")
]
CellOptionsOption = Annotated[
    list[str] | None, typer.Option("--cell-option", help="name=value for the cell; may be repeated.")
]
OutOption = Annotated[Path, typer.Option(help="Run folder to write.")]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace the run in --out.")]
RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")]
RunsArgument = Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folder.", show_default=False)]


def loaded(runs: list[Path], cells: list[str] | None) -> Any:
    """The model of a run, or of several, with the user's own cells."""
    from unspool.tasks.load import load

    own: list[type[Cell]] = [load_cell(spec) for spec in cells or []]
    return load(runs, cells=own)


def show(title: str, rows: list[dict[str, Any]]) -> None:
    """Rows of values as a table, on stderr."""
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(f"{value:.2%}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(stderr=True).print(table)


def say(message: str) -> None:
    """A message for people, on stderr."""
    print(message, file=sys.stderr, flush=True)
