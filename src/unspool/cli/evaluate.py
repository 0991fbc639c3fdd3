"""`unspool evaluate`: one JSON line of metrics, for a run of any task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from unspool.cli.apps import CellsOption, RunsArgument, app, loaded, show
from unspool.cli.classify import FormOption, IdOption, LabelOption, TextOption, TimeOption, columns
from unspool.cli.forecast import METHOD_HELP, measure_forecaster
from unspool.cli.side_files import check_ending, side_files
from unspool.cli.tag import CommentsOption, TagOption, TokenOption
from unspool.errors import ConfigError
from unspool.options import in_panels, with_options
from unspool.tasks.classify import Classifier
from unspool.tasks.forecast import Forecaster
from unspool.tasks.tag import Tagger
from unspool.tasks.translate import DecodeOptions, Translator
from unspool.train.files import write_bytes
from unspool.train.metrics import json_line
from unspool.train.restored import default_origin

OF_TRANSLATORS = ("out", "keys", *(field.name for field in fields(DecodeOptions)))
OF_CLASSIFIERS = ("form", "text_column", "label_column", "id_column", "time_column")
OF_TAGGERS = ("token_column", "tag_column", "comments")
OF_FORECASTERS = ("form", "horizon", "windows", "step", "method", "report")
OPTIONS: dict[type[Any], tuple[str, tuple[str, ...]]] = {
    Translator: ("translators", OF_TRANSLATORS),
    Classifier: ("classifiers", OF_CLASSIFIERS),
    Tagger: ("taggers", OF_TAGGERS),
    Forecaster: ("forecasters", OF_FORECASTERS),
}
"""What the models of a task are called, and the options that belong to them."""
OF_FILES = ("out", "keys", *OF_CLASSIFIERS, *OF_TAGGERS)
"""Options that say something of --test."""


def owners(name: str) -> str:
    """What the models are called that an option belongs to.

    >>> owners("form")
    'classifiers and forecasters'
    """
    return " and ".join(whose for whose, options in OPTIONS.values() if name in options)


ALL = dict.fromkeys(name for _, names in OPTIONS.values() for name in names)
PANELS = {f"Options of {whose}": [name for name in ALL if owners(name) == whose] for whose in map(owners, ALL)}
"""What the help of a command calls the options of the same models, and their names."""


@app.command()
@in_panels(PANELS)
@with_options(DecodeOptions)
def evaluate(
    run: RunsArgument,
    test: Annotated[
        list[Path] | None, typer.Option(help="Files like those of the training; the default jobs have their own.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the translations to this file.")] = None,
    keys: Annotated[tuple[str, str] | None, typer.Option(help="The keys of source and target in .jsonl files.")] = None,
    form: FormOption = None,
    text_column: TextOption = None,
    label_column: LabelOption = None,
    id_column: IdOption = None,
    time_column: TimeOption = None,
    token_column: TokenOption = None,
    tag_column: TagOption = None,
    comments: CommentsOption = None,
    horizon: Annotated[int | None, typer.Option(help="Steps of a forecast; those of the training else.")] = None,
    windows: Annotated[int | None, typer.Option(help="Forecasts of each series, up to its end; 1 else.")] = None,
    step: Annotated[int | None, typer.Option(help="Steps from one forecast to the next; the horizon else.")] = None,
    method: Annotated[list[str] | None, typer.Option(help=METHOD_HELP)] = None,
    report: Annotated[Path | None, typer.Option(help="Page with the table and pictures of forecasts: .html.")] = None,
    cell: CellsOption = None,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Measure the model of a run: one JSON line of metrics on stdout. Several RUNs make an ensemble.

    Columns and keys are those of the training where none are given.
    """
    named = {
        "out": out, "keys": keys, "form": form, "text_column": text_column, "label_column": label_column,
        "id_column": id_column, "time_column": time_column, "token_column": token_column, "tag_column": tag_column,
        "comments": comments, "horizon": horizon, "windows": windows, "step": step, "method": method, "report": report,
    }  # fmt: skip
    chosen = {**given, **{name: value for name, value in named.items() if value is not None}}
    _check_files(test, chosen)
    if report is not None:
        check_ending("--report", report, [".html"], "a page")
    with side_files({"--out": out, "--report": report}, *run, *(test or [])):
        model = loaded(run, cell)
        check_options(chosen, type(model), run[0])
        if isinstance(model, Forecaster):
            return measure_forecaster(model, test, **chosen)
        if isinstance(model, Translator):
            return _translator(model, test, **chosen)
        if isinstance(model, Classifier):
            names = {name.removesuffix("_column"): value for name, value in chosen.items()}
            metrics = model.evaluate(test, columns(model.columns(), **names))
        elif isinstance(model, Tagger):
            metrics = model.evaluate(test, replace(model.columns, **chosen))
        else:
            metrics = model.evaluate(test)
        print(json_line(metrics), end="")
    return None


def _check_files(test: list[Path] | None, chosen: Mapping[str, Any]) -> None:
    """Refuse what says something of files where none are named."""
    of_files = [name for name in chosen if name in OF_FILES]
    if of_files and not test:
        raise ConfigError(f"{_flag(of_files[0])} is about --test, but no --test was given; name the test files")


def check_options(chosen: Mapping[str, Any], model: type[Any], run: Path) -> None:
    """Refuse options that belong to models of other tasks."""
    _, own = OPTIONS.get(model, ("", ()))
    for name in chosen:
        if name not in own:
            raise ConfigError(f"{_flag(name)} belongs to {owners(name)}, but {run} holds none; leave it out")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _translator(
    translator: Translator,
    test: list[Path] | None,
    out: Path | None = None,
    keys: tuple[str, str] | None = None,
    **decoding: Any,
) -> None:
    from unspool.data.corpus import open_parallel
    from unspool.tasks.translate import evaluate as measure
    from unspool.tasks.translate.dates import evaluate_dates

    options = DecodeOptions(**decoding)
    if not test:
        rows = evaluate_dates(translator, options, seed=default_origin(translator.runs[0], "dates", seed=True)["seed"])
        show("Written dates into ISO 8601: exact match", rows)
        print(json_line({"parts": rows}), end="")
        return
    metrics, answers = measure(translator, open_parallel(test, keys=keys or translator.keys), options)
    if out is not None:
        write_bytes(out, "".join(f"{answer}\n" for answer in answers).encode())
    print(json_line(metrics), end="")
