"""`unspool encode`: the vectors that a network makes of what it reads, for a run of any task."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import typer

from unspool.cli.answers import files_or_lines, of_lines
from unspool.cli.apps import CellsOption, RunArgument, app, loaded
from unspool.cli.classify import FormOption, IdOption, LabelOption, TextOption, TimeOption, columns
from unspool.cli.evaluate import PANELS, check_options
from unspool.cli.files_or_texts import files_or_texts
from unspool.cli.forecast import in_form
from unspool.cli.lines import Line, chunks, whole
from unspool.cli.tag import TokenOption
from unspool.data.tagged import read_tagged
from unspool.errors import DataError
from unspool.options import in_panels
from unspool.tasks.classify import Classifier
from unspool.tasks.forecast import Forecaster
from unspool.tasks.tag import Tagger
from unspool.tasks.translate import Translator
from unspool.train.state import finite_or_null

COMMAND = "unspool encode RUN"
Vectors = Iterable[Any]
"""An array for each text, sequence or series."""


@app.command()
@in_panels(PANELS)
def encode(
    run: RunArgument,
    given: Annotated[
        list[str] | None, typer.Argument(metavar="[FILE|TEXT]…", help="Files or texts; none: the lines of stdin.")
    ] = None,
    form: FormOption = None,
    text_column: TextOption = None,
    label_column: LabelOption = None,
    id_column: IdOption = None,
    time_column: TimeOption = None,
    token_column: TokenOption = None,
    cell: CellsOption = None,
) -> None:
    """The vector that a network makes of each text, sequence or series (a tagger: of each token): a JSON list a line.

    It is the final state; a classifier's is what the answer is made from.
    Files are those that the task's own command takes, or else hold a text a line.
    """
    named = {
        "form": form, "text_column": text_column, "label_column": label_column, "id_column": id_column,
        "time_column": time_column, "token_column": token_column,
    }  # fmt: skip
    chosen = {name: value for name, value in named.items() if value is not None}
    model = loaded([run], cell)
    check_options(chosen, type(model), run)
    for vectors in _encoded(model, given or [], chosen):
        for vector in vectors:
            print(json.dumps(finite_or_null(vector.tolist())))
        sys.stdout.flush()


def _encoded(model: Any, given: list[str], chosen: dict[str, Any]) -> Iterator[Vectors]:
    """The vectors, some at a time."""
    if isinstance(model, Forecaster):
        yield model.encode(in_form(model, **chosen).read(given) if given else model.held_out())
    elif isinstance(model, Classifier):
        yield from _of_classifier(model, given, **chosen)
    elif isinstance(model, Tagger):
        yield from _of_tagger(model, given, **chosen)
    else:
        files, texts = files_or_texts(given, COMMAND)
        for lines in whole(chunks(texts, files)):
            if isinstance(model, Translator):
                _check_sources(model, lines)
            yield model.encode([line.text for line in lines])


def _of_classifier(model: Classifier, given: list[str], **names: str) -> Iterator[Vectors]:
    files, texts = files_or_lines(model, given, COMMAND)
    if files or model.kind != "text":
        named = columns(model.columns(), **{name.removesuffix("_column"): value for name, value in names.items()})
        yield model.encode(model.opened(files or None, named, labelled=False))
    else:
        for lines in whole(chunks(texts)):
            yield model.encode(of_lines(lines))


def _of_tagger(model: Tagger, given: list[str], token_column: int | None = None) -> Iterator[Vectors]:
    named = model.columns if token_column is None else model.columns.with_token(token_column)
    files, texts = files_or_texts(given, COMMAND)
    for file in files:
        yield model.encode([sequence.tokens for sequence in read_tagged(file, named, tags=False)])
    for lines in [] if files else whole(chunks(texts)):
        yield model.encode([line.text for line in lines])


def _check_sources(translator: Translator, lines: list[Line]) -> None:
    for line in lines:
        if (problem := translator.read(line.text).problem) is not None:
            raise DataError(f"{line.name} {problem}")
