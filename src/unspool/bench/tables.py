"""The report as tables for people."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from unspool.bench.case import Row, Section
from unspool.bench.check import ALLOWED
from unspool.bench.engine import Report
from unspool.bench.timing import Timing


def show(report: Report, console: Console) -> None:
    """Print everything."""
    here = report.machine
    console.print(
        f"{here.cpu}, {here.cores} cores, {here.isa}, {here.threads} threads; torch {here.torch}\n"
        f"peak of float32 multiply-adds: {here.peak_of_one_thread:.0f} GFLOP/s on one thread, "
        f"{here.peak_of_all_threads:.0f} on all; PyTorch's product of 1024 × 1024 matrices reaches {here.product:.0f}\n"
        f"times: best (median) of n, taken in turn; ×: a peer's best over ours, above 1 ours is faster\n"
        f"error: the largest of ours over the judge's, against float64; wrong above {ALLOWED}",
        highlight=False,
    )
    if report.quick:
        console.print("--quick: small sizes and few repetitions; the times say nothing", style="bold")
    for section in report.sections:
        console.print()
        console.print(_table(section))
        for row in section.rows:
            _show_rest(row, console)
        for text in section.notes:
            console.print(text, highlight=False)


def _table(section: Section) -> Table:
    names = list(dict.fromkeys(name for row in section.rows for name in row.seconds))
    table = Table(title=section.title, title_justify="left")
    table.add_column("case", footer="geometric mean")
    for name in names:
        mean = section.means.get(name)
        table.add_column(name, justify="right", footer="" if mean is None else f"{mean:.2f}×")
    for name in ("of peak", "error"):
        table.add_column(name, justify="right")
    table.show_footer = bool(section.means) and len(section.rows) > 1
    for row in section.rows:
        share = "" if row.share_of_peak is None else f"{row.share_of_peak:.0%}"
        table.add_row(row.case, *(_cell(row, name) for name in names), share, _error(row))
    return table


def _cell(row: Row, name: str) -> str:
    found, ratio = row.seconds.get(name), row.ratios.get(name)
    if found is None:
        return ""
    return _time(found) if ratio is None else f"{_time(found)}  {ratio:.2f}×"


def _time(found: Timing) -> str:
    scale, unit = next((s, u) for s, u in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if found.best * s >= 1 or u == "µs")
    best, median = found.best * scale, found.median * scale
    return f"{best:.3g} {unit}" if found.n == 1 else f"{best:.3g} ({median:.3g}) {unit}"


def _error(row: Row) -> str:
    if not row.right:
        return "WRONG"
    return "" if row.verdict is None else f"{row.verdict.worst:.2f}"


def _show_rest(row: Row, console: Console) -> None:
    for problem in row.problems:
        console.print(f"WRONG: {problem}", style="bold red", markup=False)
    if row.more:
        told = (
            f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}" for name, value in row.more.items()
        )
        console.print(f"{row.case}: {'; '.join(told)}", highlight=False, markup=False)
