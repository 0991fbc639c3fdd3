"""`unspool train language` and `complete`."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

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
    show,
    train_app,
)
from unspool.cli.files_or_texts import files_or_texts
from unspool.cli.lines import chunks, whole
from unspool.cli.side_files import side_files
from unspool.cli.training import DEFAULT_EPOCHS, Presets, check_share, is_default, paths, report, settings
from unspool.data.plain_text import read_text
from unspool.errors import ConfigError, DataError
from unspool.options import with_options
from unspool.tasks.language import CompleteOptions, LanguageData, LanguageModel, LanguageSettings, State, python_job
from unspool.train import TrainSettings
from unspool.train.placement import check_alone, processes

PRESETS = Presets(python_job.PRESET, python_job.TRAINING_PRESET)


@train_app.command("language")
@with_options(
    LanguageSettings,
    TrainSettings,
    leave_out=("cell_options",),
    presets={"own text": {"epochs": DEFAULT_EPOCHS}, "python": PRESETS.model | PRESETS.training},
)
def train_language(
    out: OutOption,
    train: Annotated[
        list[Path] | None, typer.Option(help="Text files, UTF-8, also .gz; read one after another.")
    ] = None,
    valid: Annotated[
        list[Path] | None, typer.Option(help="Text to choose by; without any, the end of --train (--valid-share).")
    ] = None,
    cell: CellOption = "gru",
    cell_option: CellOptionsOption = None,
    resume: ResumeOption = False,
    force: ForceOption = False,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Train a language model. Without --train: on the source text of Python's own standard library, no download."""
    from unspool.tasks.language import train as train_model

    check_alone(processes())
    default_job = is_default(out, train, valid, resume=resume, force=force)
    check_share(given, valid, default_job=default_job)
    chosen, presets = load_cell(cell), PRESETS if default_job else None
    model, training = settings(LanguageSettings, given, presets, cell_option)
    origin = python_job.origin() if default_job else paths(train, valid)
    data = (
        LanguageData.python()
        if default_job
        else LanguageData.open(train or [], valid or [], valid_share=model.valid_share)
    )
    summary = train_model(chosen, data, model, training, out, resume=resume, force=force, origin=origin)
    report(out, chosen, summary)


@app.command()
@with_options(CompleteOptions, leave_out=("stop",))
def complete(
    run: RunArgument,
    text: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE|TEXT]…", help="The text to go on with, or a file of it; none: all of stdin."),
    ] = None,
    stop: Annotated[list[str] | None, typer.Option(help="End before this text; may be repeated.")] = None,
    top: Annotated[int, typer.Option(help="Show so many of the most probable next symbols first; 0: none.")] = 10,
    score: Annotated[
        bool,
        typer.Option("--score", help="Measure instead: a JSON line for each text, or each line of files or of stdin."),
    ] = False,
    ensemble: Annotated[list[Path] | None, typer.Option(help="Further runs to average with; may be repeated.")] = None,
    state_in: Annotated[Path | None, typer.Option(help="Go on from the state in this file.")] = None,
    state_out: Annotated[
        Path | None, typer.Option(help="Write the state after the text and all that was drawn to this file.")
    ] = None,
    cell: CellsOption = None,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Go on with a text: the most probable next symbols on stderr, the continuation on stdout as it is made."""
    options = CompleteOptions(**given, stop=tuple(stop or ()))
    if top < 0:
        raise ConfigError(f"--top is {top}; expected a number of symbols, 0 for none")
    if score:
        _check_score(given, stop, state_out)
    with side_files({"--state-out": state_out}, run, *(ensemble or []), *(text or [])):
        files, texts = files_or_texts(text or [], "unspool complete RUN")
        model = _language_model([run, *(ensemble or [])], cell)
        state = None if state_in is None else model.read_state(state_in)
        if score:
            _print_scores(model, texts, files, state)
            return
        now = model.state(_one_text(texts, files), state)
        if top:
            _show_top(model, now, top)
        completion = model.completion("", options, state=now)
        for piece in completion:
            print(piece, end="", flush=True)
        print()
        if state_out is not None:
            completion.state.save(state_out)


def _check_score(given: dict[str, Any], stop: list[str] | None, state_out: Path | None) -> None:
    """Refuse options of completing where texts are measured."""
    foreign = [*(f"--{name.replace('_', '-')}" for name in given), *(["--stop"] if stop else [])]
    if foreign or state_out:
        raise ConfigError(f"{', '.join(foreign or ['--state-out'])} belongs to completing; leave it out with --score")


def _language_model(runs: list[Path], cells: list[str] | None) -> LanguageModel:
    model = loaded(runs, cells)
    if not isinstance(model, LanguageModel):
        raise ConfigError(f"{runs[0]} holds no language model; give a run of `unspool train language`")
    return model


def _one_text(texts: list[str], files: list[Path]) -> str:
    """The text to go on with, line ends and all, but the last one of a file or of stdin, which is not the text's."""
    if len(texts) + len(files) > 1:
        what = f"{len(texts)} texts" if texts else f"{len(files)} files"
        raise ConfigError(f"{what} were given, but one is gone on with; put quotation marks around a text")
    if files:
        return read_text(files[0]).removesuffix("\n")
    if texts:
        return texts[0]
    if sys.stdin is None:
        raise ConfigError("stdin is closed; give the text as an argument, or on stdin")
    try:
        return sys.stdin.buffer.read().decode("utf-8").removesuffix("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"stdin is not UTF-8 (byte {error.start + 1}); convert it") from None


def _show_top(model: LanguageModel, state: State, count: int) -> None:
    rows = [{"symbol": repr(symbol), "probability": p} for symbol, p in model.top("", count, state=state)]
    show("What comes next", rows)


def _print_scores(model: LanguageModel, texts: list[str], files: list[Path], state: State | None) -> None:
    for lines in whole(chunks(texts, files)):
        scores = model.score([line.text for line in lines], state=state)
        for line, found in zip(lines, scores, strict=True):
            about = {**asdict(found), "bits_per_character": found.bits_per_character}
            print(json.dumps({"text": line.text, **about}, ensure_ascii=False))
        sys.stdout.flush()
