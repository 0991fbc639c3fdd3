"""`unspool train forecast` and `forecast`."""

from __future__ import annotations

import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from unspool.cells import load_cell
from unspool.cli.apps import (
    CellOption,
    CellOptionsOption,
    CellsOption,
    ForceOption,
    OutOption,
    ResumeOption,
    RunArgument,
    app,
    loaded,
    say,
    train_app,
)
from unspool.cli.side_files import check_ending, side_files
from unspool.cli.training import DEFAULT_EPOCHS, Presets, is_default, paths, report, settings
from unspool.data.sequences import shown
from unspool.data.series import Forecasts, SeriesColumns
from unspool.data.series.columns import FORMS
from unspool.errors import ConfigError
from unspool.options import with_options
from unspool.tasks.forecast import ForecastData, Forecaster, ForecastSettings, co2_job
from unspool.tasks.forecast import refit as refit_forecaster
from unspool.tasks.forecast import train as train_forecaster
from unspool.tasks.forecast.job import check_measure
from unspool.tasks.forecast.methods import METHODS
from unspool.tasks.forecast.table import table
from unspool.train import TrainSettings
from unspool.train.files import write_bytes
from unspool.train.placement import is_main
from unspool.view.fan import draw_fan
from unspool.view.forecast_page import forecast_page
from unspool.view.picture import KINDS

METHOD_HELP = (
    f"Method to measure beside a forecaster: {', '.join(METHODS)}; may be repeated. "
    "Left out: the naive ones; none: none at all."
)
NAMES = SeriesColumns()
Files = list[Path] | None
Texts = list[str] | None


@train_app.command("forecast")
@with_options(
    ForecastSettings,
    TrainSettings,
    leave_out=("cell_options", "levels", "lags"),
    presets={"own series": {"epochs": DEFAULT_EPOCHS}, "co2": co2_job.PRESET | co2_job.TRAINING_PRESET},
)
def train_forecast(
    out: OutOption,
    train: Annotated[Files, typer.Option(help="CSV, TSV or Parquet; may be repeated.")] = None,
    valid: Annotated[
        Files, typer.Option(help="Series whose ends to validate on; without any, the ends of --train are held back.")
    ] = None,
    freq: Annotated[
        str | None, typer.Option(help="How far apart steps are: h, 15min, D, W, MS, … or 1; without it, as it looks.")
    ] = None,
    form: Annotated[
        str | None, typer.Option(help=f"Form of the files: {', '.join(FORMS)}; {NAMES.form}, if none is named.")
    ] = None,
    unique_id: Annotated[str, typer.Option(help="Column of the series' names.")] = NAMES.unique_id,
    ds: Annotated[str, typer.Option(help="Column of the stamp of a row.")] = NAMES.ds,
    y: Annotated[str, typer.Option(help="Column of the values.")] = NAMES.y,
    static: Annotated[Texts, typer.Option(help="Column with one value a series; may be repeated.")] = None,
    past: Annotated[Texts, typer.Option(help="Column that is unknown in the future; may be repeated.")] = None,
    known: Annotated[Texts, typer.Option(help="Column that is known in the future; may be repeated.")] = None,
    categories: Annotated[Texts, typer.Option(help="Of these, one whose numbers are names; may be repeated.")] = None,
    zone: Annotated[
        str | None, typer.Option(help="Zone of stamps with offsets from UTC, such as Europe/Berlin; UTC else.")
    ] = None,
    level: Annotated[
        list[float] | None, typer.Option(help="Level of a quantile to learn; may be repeated, rising.")
    ] = None,
    lag: Annotated[
        list[int] | None, typer.Option(help="Steps back to read besides the context; may be repeated; 0: none.")
    ] = None,
    refit: Annotated[
        Path | None,
        typer.Option(help="Run to train anew as it was, on all of --train, nothing kept back to validate on."),
    ] = None,
    cell: CellOption = "gru",
    cell_option: CellOptionsOption = None,
    resume: ResumeOption = False,
    force: ForceOption = False,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Train a forecaster of series. Without --train: carbon dioxide over Mauna Loa, a year ahead, no download."""
    default_job = is_default(out, train, valid, resume=resume, force=force)
    columns = SeriesColumns(
        form or NAMES.form, unique_id, ds, y,
        static=tuple(static or ()), past=tuple(past or ()), known=tuple(known or ()),
        categories=tuple(categories or ()), zone=zone,
    )  # fmt: skip
    if refit is not None:
        named = replace(columns, form=NAMES.form) != NAMES
        if given or named or any(option is not None for option in (valid, freq, level, lag, cell_option)):
            raise ConfigError(
                "--refit trains as its run was trained, on files of the same columns; beside it there are --train, "
                "--form, --out, --resume and --force alone, and --cell file.py:Class"
            )
        _refit(refit, train, form, out, cell, resume=resume, force=force)
        return
    if default_job and (columns != NAMES or freq is not None):
        raise ConfigError("columns or --freq were given without --train; name the training files too")
    more: dict[str, Any] = {} if level is None else {"levels": tuple(level)}
    if lag is not None:
        more["lags"] = tuple(steps for steps in lag if steps)
    if (monitor := given.get("monitor")) is not None:
        check_measure(monitor, "monitor")  # what the training's settings would ask for, min or max, would not help
    chosen = load_cell(cell)
    presets = Presets(co2_job.preset(given.get("model")), co2_job.TRAINING_PRESET) if default_job else None
    model, training = settings(ForecastSettings, given, presets, cell_option, **more)
    data = ForecastData.co2() if default_job else ForecastData.open(train or [], valid or [], columns, freq=freq)
    origin = co2_job.ORIGIN if default_job else paths(train, valid)
    summary = train_forecaster(chosen, data, model, training, out, resume=resume, force=force, origin=origin)
    report(out, chosen, summary)


def _refit(run: Path, train: Files, form: str | None, out: Path, cell: str, *, resume: bool, force: bool) -> None:
    """Train a run anew on all that there is."""
    own = [cell] if ":" in cell else None
    model = in_form(forecasters([run], own), form)
    if own is None and cell not in ("gru", model.name):
        raise ConfigError(f"--cell is {cell}, but --refit takes the cell of {run}, {model.name}; leave --cell out")
    data = model.read(train) if train else None
    origin = paths(train, None) if train else co2_job.ORIGIN
    summary = refit_forecaster(model, data, out, resume=resume, force=force, origin=origin)
    report(out, model.members[0].cell, summary)
    if is_main():
        say("nothing was kept back: its loss is of what it learned from, and only later values tell how good it is")


@app.command()
def forecast(
    run: RunArgument,
    data: Annotated[Files, typer.Option(help="The series' histories: files as in training; may be repeated.")] = None,
    future: Annotated[
        Files, typer.Option(help="The known columns of the steps to forecast, as files; may be repeated.")
    ] = None,
    form: Annotated[
        str | None, typer.Option(help=f"Form of the files: {', '.join(FORMS)}; that of the training else.")
    ] = None,
    horizon: Annotated[int | None, typer.Option(help="Steps to forecast; without it, as many as in training.")] = None,
    level: Annotated[
        list[float] | None, typer.Option(help="Level of a quantile to write; may be repeated; those of training else.")
    ] = None,
    draws: Annotated[int, typer.Option(help="Paths behind quantiles that have to be drawn.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    out: Annotated[Path | None, typer.Option(help="CSV file to write instead of stdout.")] = None,
    plot: Annotated[Path | None, typer.Option(help=f"Picture of the forecasts: {', '.join(KINDS)}.")] = None,
    state_in: Annotated[
        Path | None, typer.Option(help="Where the series stood: go on from the state in this file.")
    ] = None,
    state_out: Annotated[Path | None, typer.Option(help="Write where the series stand now to this file.")] = None,
    ensemble: Annotated[Files, typer.Option(help="Further runs to average with; may be repeated.")] = None,
    cell: CellsOption = None,
) -> None:
    """Forecast series: CSV with the columns unique_id, ds, mean, and one for each quantile, named by its level.

    Forecasts begin after the last observed y of each series, also where later rows have none. A model that was trained
    with --output point or mean has no quantiles.
    """
    if plot is not None:
        check_ending("--plot", plot, KINDS, "a picture")
    runs, read = [run, *(ensemble or [])], [*(data or []), *(future or []), *([state_in] if state_in else [])]
    with side_files({"--out": out, "--plot": plot, "--state-out": state_out}, *runs, *read):
        model = in_form(forecasters(runs, cell), form)
        state = None if state_in is None else model.read_state(state_in)
        panel = model.read(data or [], state, future=future or [])
        found = model.predict(panel, horizon=horizon, levels=level, paths=draws, seed=seed)
        _warn_of_no_numbers(found)
        _write(found, out)
        if plot is not None:
            draw_fan(panel, found, plot)
        if state_out is not None:
            model.state(panel).save(state_out)


def forecasters(runs: list[Path], cells: list[str] | None) -> Forecaster:
    """A forecaster of one run, or of several."""
    model = loaded(runs, cells)
    if not isinstance(model, Forecaster):
        raise ConfigError(f"{runs[0]} holds no forecaster; give a run of `unspool train forecast`")
    return model


def in_form(model: Forecaster, form: str | None = None) -> Forecaster:
    """The forecaster, which reads files of this form from here on; of that of its training, if it is None."""
    if form is not None:
        model.columns = replace(model.columns, form=form)
    return model


def measure_forecaster(
    model: Forecaster, test: Files = None, *, form: str | None = None, method: Texts = None,
    report: Path | None = None, **how: int,
) -> None:  # fmt: skip
    """Backtests beside other methods: a table on stderr, a JSON line on stdout, and a page of pictures."""
    given = None if test is None else in_form(model, form).read(test)
    found = model.compare(given, methods=None if method is None else [name for name in method if name != "none"], **how)
    print(table(found), file=sys.stderr)
    if report is not None:
        panel = model.held_out() if given is None else given
        write_bytes(report, forecast_page(panel, found).encode())
    own, *others = found.items()
    print(json.dumps({**own[1].scores.to_json(), "methods": {name: each.scores.to_json() for name, each in others}}))


def _warn_of_no_numbers(found: Forecasts) -> None:
    """Say of which series cells are empty."""
    whole = np.isfinite(found.mean).all(1) & np.isfinite(found.quantiles).all((1, 2))
    if names := [found.ids[i] for i in np.flatnonzero(~whole).tolist()]:
        warnings.warn(
            f"{len(names)} of {len(found.ids)} series have forecasts that are no finite numbers: {shown(names)}; their "
            "values are too large for this model: give them in a larger unit, or train with another --scaling",
            stacklevel=2,
        )


def _write(found: Forecasts, out: Path | None) -> None:
    text = found.frame().to_csv(index=False)
    if out is None:
        print(text, end="")
    else:
        write_bytes(out, text.encode())
