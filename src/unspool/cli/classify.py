"""`unspool train classify` and `classify`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from unspool.cells import load_cell
from unspool.cli.answers import Answers
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
    train_app,
)
from unspool.cli.side_files import side_files
from unspool.cli.training import DEFAULT_EPOCHS, Presets, check_share, is_default, paths, report, settings
from unspool.data.columns import FORMS, Columns
from unspool.errors import ConfigError
from unspool.options import with_options
from unspool.tasks.classify import Classifier, ClassifyData, ClassifySettings, digits
from unspool.tasks.classify import train as train_classifier
from unspool.train import TrainSettings

PRESETS = Presets(digits.PRESET, digits.TRAINING_PRESET)
FormOption = Annotated[str | None, typer.Option(help=f"Form of the files: {', '.join(FORMS)}.")]
TextOption = Annotated[str | None, typer.Option(help="Column of the text.")]
LabelOption = Annotated[str | None, typer.Option(help="Column of the label; for audio, a pattern of the file name.")]
IdOption = Annotated[str | None, typer.Option(help="Column that tells which rows are one sequence.")]
TimeOption = Annotated[str | None, typer.Option(help="Column of the time of a row.")]
GroupOption = Annotated[str | None, typer.Option(help="Column of the group; for audio, a pattern of the file name.")]


def columns(base: Columns, **given: str | None) -> Columns:
    """The columns of `base`, those that were given in their stead."""
    return Columns(**{**asdict(base), **{name: value for name, value in given.items() if value is not None}})


@train_app.command("classify")
@with_options(
    ClassifySettings,
    TrainSettings,
    leave_out=("cell_options", "order"),
    presets={"own data": {"epochs": DEFAULT_EPOCHS}, "digits": PRESETS.model | PRESETS.training},
)
def train_classify(
    out: OutOption,
    train: Annotated[
        list[Path] | None, typer.Option(help="CSV, Parquet or JSON lines, or a folder of sounds; may be repeated.")
    ] = None,
    valid: Annotated[list[Path] | None, typer.Option(help="The same to choose by; without it, --valid-share.")] = None,
    form: FormOption = None,
    text_column: TextOption = None,
    label_column: LabelOption = None,
    id_column: IdOption = None,
    time_column: TimeOption = None,
    group: GroupOption = None,
    order: Annotated[
        list[str] | None, typer.Option(help="For --target ordinal: the classes, lowest first; repeated for each.")
    ] = None,
    cell: CellOption = "gru",
    cell_option: CellOptionsOption = None,
    resume: ResumeOption = False,
    force: ForceOption = False,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Train a classifier of texts, series or sounds. Without --train: handwritten digits, no download."""
    default_job = is_default(out, train, valid, resume=resume, force=force)
    check_share(given, valid, default_job=default_job)
    named = columns(
        Columns(), form=form, text=text_column, label=label_column, id=id_column, time=time_column, group=group
    )
    if default_job and named != Columns():
        raise ConfigError("columns were given without --train; name the training files too")
    chosen, presets = load_cell(cell), PRESETS if default_job else None
    model, training = settings(ClassifySettings, given, presets, cell_option, order=tuple(order or ()))
    data = ClassifyData.digits() if default_job else ClassifyData.open(train or [], valid or [], model, named)
    origin = {"job": "digits"} if default_job else paths(train, valid)
    summary = train_classifier(chosen, data, model, training, out, resume=resume, force=force, origin=origin)
    report(out, chosen, summary)


@app.command()
def classify(
    run: RunArgument,
    given: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|TEXT]…", help="Files or texts; none: the lines of stdin.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="CSV file to write instead of stdout.")] = None,
    ensemble: Annotated[list[Path] | None, typer.Option(help="Further runs to average with; may be repeated.")] = None,
    saliency: Annotated[
        Path | None,
        typer.Option(help="Show which steps of one sequence mattered: .html for a text, else .png or .svg."),
    ] = None,
    row: Annotated[int, typer.Option(min=1, help="Number of the sequence that --saliency shows.")] = 1,
    pictures: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Folder for reliability and confusion matrix (of target classes); needs labels."
        ),
    ] = None,
    form: FormOption = None,
    text_column: TextOption = None,
    label_column: LabelOption = None,
    id_column: IdOption = None,
    time_column: TimeOption = None,
    cell: CellsOption = None,
) -> None:
    """Classify sequences: CSV with the columns id, label, and p_CLASS for each class, its probability.

    The id is that of the file, else the number of the sequence, counted from 1. A text that names a file stands for it.
    What cannot be classified is said on stderr and has empty fields; the exit status is then 1.
    """
    if saliency is not None and (out is not None or pictures is not None):
        raise ConfigError("--saliency shows one sequence alone; leave out --out and --pictures, or ask for them apart")
    files, folders = {"--out": out, "--saliency": saliency}, {"--pictures": pictures}
    with side_files(files, run, *(ensemble or []), *(given or []), folders=folders):
        classifier = classifiers([run, *(ensemble or [])], cell)
        named = columns(
            classifier.columns(), form=form, text=text_column, label=label_column, id=id_column, time=time_column
        )
        answers = Answers(classifier, named, given or [], labelled=pictures is not None)
        if saliency is not None:
            return answers.explain(row, saliency)
        if pictures is not None:
            answers.draw(pictures)
        failed = answers.write(out)
    if failed:
        raise typer.Exit(1)
    return None


def classifiers(runs: list[Path], cells: list[str] | None) -> Classifier:
    """A classifier of one run, or of several."""
    model = loaded(runs, cells)
    if not isinstance(model, Classifier):
        raise ConfigError(f"{runs[0]} holds no classifier; give a run of `unspool train classify`")
    return model
