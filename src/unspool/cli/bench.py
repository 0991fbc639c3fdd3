"""`unspool bench`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from unspool.cli.apps import bench_app, say
from unspool.cli.side_files import side_files


@bench_app.command("engine")
def bench_engine(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of tables.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small sizes, to see that all works; times say nothing.")
    ] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME…",
            help="Sections: lstm, gru, rnn, custom, further, ragged, long, stream, memory, sequence. All if none.",
        ),
    ] = None,
    compile: Annotated[
        bool, typer.Option("--compile", help="Also time torch.compile of the loop; compiling takes minutes.")
    ] = False,
    plot: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for bar charts of the ratios, SVG.")] = None,
) -> None:
    """Measure the CPU engine beside its peers. Each answer is checked first; exit status 1 if one is wrong."""
    from unspool.bench.engine import measure
    from unspool.bench.tables import show

    with side_files({}, folders={"--plot": plot}):
        report = measure(only or [], quick=quick, compile=compile, say=say)
        if as_json:
            print(json.dumps(report.document(), ensure_ascii=False))
        else:
            show(report, Console(width=None if sys.stdout.isatty() else 200))
        if plot is not None:
            from unspool.bench.plot import draw

            draw(report.sections, plot)
    if not report.right:
        say("error: an answer is wrong")
        raise typer.Exit(1)
