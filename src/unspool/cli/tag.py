"""`unspool train tag` and `tag`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
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
    say,
    train_app,
)
from unspool.cli.files_or_texts import files_or_texts
from unspool.cli.lines import chunks
from unspool.cli.side_files import side_files
from unspool.cli.training import DEFAULT_EPOCHS, Presets, check_share, is_default, made, paths, report, settings
from unspool.data.tagged import Columns, is_json, open_lines, parse
from unspool.errors import ConfigError
from unspool.options import with_options
from unspool.tasks.tag import TagData, Tagged, Tagger, TagSettings, dates
from unspool.train import TrainSettings
from unspool.train.files import write_bytes

PRESETS = Presets(dates.PRESET, dates.TRAINING_PRESET)
AS_TRAINED = r"\[default: as in training]"
TokenOption = Annotated[int | None, typer.Option(help=f"CoNLL column of the token, from 1; -1: the last. {AS_TRAINED}")]
TagOption = Annotated[int | None, typer.Option(help=f"CoNLL column of the tag, from 1; -1: the last. {AS_TRAINED}")]
CommentsOption = Annotated[
    bool | None,
    typer.Option("--comments/--no-comments", help=f"Leave out CoNLL lines that start with #. {AS_TRAINED}"),
]


@train_app.command("tag")
@with_options(
    TagSettings,
    Columns,
    TrainSettings,
    leave_out=("cell_options",),
    presets={"own data": {"epochs": DEFAULT_EPOCHS}, "dates": PRESETS.model | PRESETS.training},
)
def train_tag(
    out: OutOption,
    train: Annotated[
        list[Path] | None, typer.Option(help="CoNLL columns or .jsonl; also .gz; may be repeated.")
    ] = None,
    valid: Annotated[
        list[Path] | None, typer.Option(help="The same, to choose by; without it --valid-share is split off.")
    ] = None,
    cell: CellOption = "gru",
    cell_option: CellOptionsOption = None,
    examples: Annotated[int | None, typer.Option(min=1, help="Training examples of the default job.")] = None,
    resume: ResumeOption = False,
    force: ForceOption = False,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Train a tagger. Without --train: the parts of written dates in many languages, no download."""
    from unspool.tasks.tag.train import train as train_tagger

    default_job = is_default(out, train, valid, resume=resume, force=force)
    _check_data(default_job, valid, examples, given)
    chosen, presets = load_cell(cell), PRESETS if default_job else None
    model, training = settings(TagSettings, given, presets, cell_option)
    count = dates.EXAMPLES if examples is None else examples
    origin = {"job": "dates", "examples": count, "seed": model.seed} if default_job else paths(train, valid)
    data = (
        TagData.dates(examples=count, seed=model.seed)
        if default_job
        else TagData.open(train or [], valid or [], model, made(Columns, given, {}))
    )
    summary = train_tagger(chosen, data, model, training, out, resume=resume, force=force, origin=origin)
    report(out, chosen, summary)


def _check_data(default_job: bool, valid: list[Path] | None, examples: int | None, given: dict[str, Any]) -> None:
    """Refuse options that belong to another job than the one that is asked for."""
    if examples is not None and not default_job:
        raise ConfigError("--examples belongs to the default job, but --train was given")
    check_share(given, valid, default_job=default_job)
    of_files = [name for name in Columns.__dataclass_fields__ if name in given]
    if default_job and of_files:
        option = f"--{of_files[0].replace('_', '-')}"
        raise ConfigError(f"{option} is about files of your own, but --train was not given; name them, or leave it out")


@app.command()
def tag(
    run: RunArgument,
    source: Annotated[
        list[str] | None,
        typer.Argument(metavar="[FILE|TEXT]…", help="Files (CoNLL or .jsonl), or texts; else the lines of stdin."),
    ] = None,
    ensemble: Annotated[list[Path] | None, typer.Option(help="Further runs to average with; may be repeated.")] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Also the probability of each tag.")] = False,
    html: Annotated[Path | None, typer.Option(help="Also write the texts, coloured by tag, to this file.")] = None,
    token_column: TokenOption = None,
    cell: CellsOption = None,
) -> None:
    """Tag files or texts. CoNLL: the same lines with the tag as one more column; texts: a token and its tag a line."""
    with side_files({"--html": html}, run, *(ensemble or []), *(source or [])):
        model = taggers([run, *(ensemble or [])], cell)
        columns = model.columns if token_column is None else model.columns.with_token(token_column)
        answers: list[list[Tagged]] = []
        failed = False
        files, texts = files_or_texts(source or [], "unspool tag RUN")
        for file in files:
            answers += _tag_file(model, file, columns, scores)
        if not files:
            failed = _tag_texts(model, texts, scores, answers if html else None)
        if html is not None:
            _write_page(model, answers, html)
    if failed:
        raise typer.Exit(1)


def taggers(runs: list[Path], cells: list[str] | None) -> Tagger:
    """A tagger of one run, or of several."""
    model = loaded(runs, cells)
    if not isinstance(model, Tagger):
        raise ConfigError(f"{runs[0]} holds no tagger; give a run of `unspool train tag`")
    return model


def _write_page(model: Tagger, answers: list[list[Tagged]], path: Path) -> None:
    from unspool.view.tags import page

    joint = "" if model.unit == "chars" else " "
    write_bytes(path, page(answers, tags=model.tags, joint=joint).encode())


def _tag_file(model: Tagger, file: Path, columns: Columns, scores: bool) -> list[list[Tagged]]:
    """Print the file's lines with their tags; returns the answers."""
    lines = open_lines(file)
    sequences = parse(lines, columns, tags=False)
    answers = model.tag([sequence.tokens for sequence in sequences])
    added: dict[int, Any] = {}
    for sequence, answer in zip(sequences, answers, strict=True):
        added.update([(sequence.lines[0], answer)] if is_json(file) else zip(sequence.lines, answer, strict=True))
    for number in range(1, len(lines) + 1):
        line, found = lines[number - 1], added.get(number)
        if found is None:
            print(line)
        elif is_json(file):
            print(_json_line(line, found, scores))
        else:
            print(*[line, *_cells(found, scores)], sep="\t" if "\t" in line else " ")
    return answers


def _json_line(line: str, answer: list[Tagged], scores: bool) -> str:
    more = {"probabilities": [round(one.probability, 4) for one in answer]} if scores else {}
    return json.dumps({**json.loads(line), "tags": [one.tag for one in answer], **more}, ensure_ascii=False)


def _cells(one: Tagged, scores: bool) -> Iterable[str]:
    return (one.tag, f"{one.probability:.4f}") if scores else (one.tag,)


def _tag_texts(model: Tagger, texts: list[str] | None, scores: bool, keep: list[list[Tagged]] | None) -> bool:
    """Print the tokens of each text with their tags, a blank line between texts; returns whether one is no text."""
    failed, first = False, True
    for chunk in chunks(texts):
        for line in chunk:
            if line.problem is not None:
                say(f"error: {line.name} {line.problem}; it is left empty")
                failed = True
        answers = model.tag([line.text for line in chunk])
        for answer in answers:
            if not first:
                print()
            first = False
            for one in answer:
                print("\t".join([one.token, *_cells(one, scores)]))
        sys.stdout.flush()
        if keep is not None:
            keep += answers
    return failed
