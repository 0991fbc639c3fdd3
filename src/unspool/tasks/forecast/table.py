"""Methods side by side, as text."""

from __future__ import annotations

from collections.abc import Mapping

from unspool.tasks.forecast.backtest import Result

COLUMNS = {
    "sMAPE": "smape", "MASE": "mase", "OWA": "owa", "wQL": "wql", "MSIS": "msis", "coverage": "coverage", "MAE": "mae",
    "MSE": "mse",
}  # fmt: skip
"""Heads of columns, and the scores below them."""
IN_UNITS = ("mae", "mse")
"""Scores in the unit of the series, of any size."""


def table(results: Mapping[str, Result]) -> str:
    """A line for each method; `–` where a measure is not defined, and below what should be known of the numbers.

    >>> from unspool.data.series import Panel
    >>> from unspool.tasks.forecast.backtest import compare
    >>> from unspool.tasks.forecast.methods import method
    >>> panel = Panel.of([[1, 2, 1, 3, 1, 2], [5, 5, 5, 5, 5, 5]])
    >>> found = {name: method(name, season=2) for name in ("naive", "seasonal-naive")}
    >>> lines = table(compare(panel, found, horizon=2, season=2)).splitlines()
    >>> lines[0]
    'method           sMAPE   MASE    OWA     wQL    MSIS  coverage     MAE     MSE  seconds'
    >>> lines[2].removesuffix("0.0").rstrip()
    'seasonal-naive  10.000  1.000  0.310  0.0701   5.800     0.750  0.2500  0.2500'
    >>> lines[3]
    '2 forecasts of 4 targets; MASE and MSIS without 1 whose history is constant or not longer than a season'
    """
    rows = [["method", *COLUMNS, "seconds"]]
    rows += [[name, *_cells(result), f"{result.backtest.seconds:.1f}"] for name, result in results.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows]
    return "\n".join([*lines, *_notes(results)])


def _cells(result: Result) -> list[str]:
    values = {name: getattr(result.scores, name) for name in COLUMNS.values()}
    return ["–" if value is None else _cell(name, value) for name, value in values.items()]


def _cell(name: str, value: float) -> str:
    return f"{value:#.4g}" if name in IN_UNITS else _shown(value, 4 if name == "wql" else 3)


def _shown(value: float, places: int) -> str:
    """So many places after the point, or as many digits for what would be all zeros."""
    return f"{value:.{places}f}" if value == 0 or abs(value) >= 0.1**places else f"{value:.{places - 1}e}"


def _notes(results: Mapping[str, Result]) -> list[str]:
    failed = {name: result.backtest.failed for name, result in results.items() if result.backtest.failed}
    notes = [f"{name} failed on {count}, which have the seasonal naive forecast" for name, count in failed.items()]
    if results:
        scores = next(iter(results.values())).scores
        unscaled = f"; MASE and MSIS without {scores.unscaled} whose history is constant or not longer than a season"
        measured = f"{scores.series:,} forecasts of {scores.targets:,} targets"
        notes.append(measured + (unscaled if scores.unscaled else ""))
    return notes
