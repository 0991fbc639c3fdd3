"""`unspool train translate` and `translate`."""

from __future__ import annotations

import json
import sys
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
from unspool.cli.lines import Line, chunks
from unspool.cli.side_files import check_ending, side_files
from unspool.cli.training import DEFAULT_EPOCHS, Presets, is_default, paths, report, settings
from unspool.data.corpus import JSON_KEYS
from unspool.errors import ConfigError
from unspool.options import with_options
from unspool.tasks.translate import DecodeOptions, Source, TranslateSettings, Translator, dates
from unspool.train import TrainSettings
from unspool.view.picture import KINDS

PRESETS = Presets(dates.PRESET, dates.TRAINING_PRESET)
KeysOption = Annotated[tuple[str, str], typer.Option(help="The keys of source and target in .jsonl files.")]


@train_app.command("translate")
@with_options(
    TranslateSettings,
    TrainSettings,
    leave_out=("cell_options",),
    presets={"own data": {"epochs": DEFAULT_EPOCHS}, "dates": PRESETS.model | PRESETS.training},
)
def train_translate(
    out: OutOption,
    train: Annotated[
        list[Path] | None, typer.Option(help="Parallel text: two files, or a .tsv or .jsonl; also .gz.")
    ] = None,
    valid: Annotated[list[Path] | None, typer.Option(help="Parallel text to choose by.")] = None,
    keys: KeysOption = JSON_KEYS,
    cell: CellOption = "gru",
    cell_option: CellOptionsOption = None,
    examples: Annotated[int | None, typer.Option(min=1, help="Training examples of the default job.")] = None,
    resume: ResumeOption = False,
    force: ForceOption = False,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Train a translator. Without --train: written dates in many languages into ISO 8601, no download."""
    from unspool.tasks.translate.train import TranslateData
    from unspool.tasks.translate.train import train as train_translator

    default_job = is_default(out, train, valid, resume=resume, force=force)
    if examples is not None and not default_job:
        raise ConfigError("--examples belongs to the default job, but --train was given")
    chosen, presets = load_cell(cell), PRESETS if default_job else None
    model, training = settings(TranslateSettings, given, presets, cell_option)
    count = dates.EXAMPLES if examples is None else examples
    origin = {"job": "dates", "examples": count, "seed": model.seed} if default_job else paths(train, valid)
    data = (
        TranslateData.dates(examples=count, seed=model.seed)
        if default_job
        else TranslateData.open(train or [], valid or [], keys=keys)
    )
    summary = train_translator(chosen, data, model, training, out, resume=resume, force=force, origin=origin)
    report(out, chosen, summary)


def translators(runs: list[Path], cells: list[str] | None) -> Translator:
    """A translator of one run, or of several."""
    model = loaded(runs, cells)
    if not isinstance(model, Translator):
        raise ConfigError(f"{runs[0]} holds no translator; give a run of `unspool train translate`")
    return model


@app.command()
@with_options(DecodeOptions)
def translate(
    run: RunArgument,
    text: Annotated[list[str] | None, typer.Argument(help="Texts; without any, the lines of stdin.")] = None,
    ensemble: Annotated[list[Path] | None, typer.Option(help="Further runs to average with; may be repeated.")] = None,
    scores: Annotated[
        bool, typer.Option("--scores", help="JSON lines with score and log-probability of each symbol.")
    ] = False,
    attention: Annotated[
        Path | None, typer.Option(help="Draw attention weights into this file (one text only).")
    ] = None,
    cell: CellsOption = None,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Translate texts: one line out for every line in."""
    options = DecodeOptions(**given)
    if attention is not None:
        check_ending("--attention", attention, KINDS, "a picture")
    with side_files({"--attention": attention}, run, *(ensemble or [])):
        translator = translators([run, *(ensemble or [])], cell)
        if attention is not None:
            _draw(translator, options, text or [], attention)
            return
    failed = False
    for chunk in chunks(text):
        sources = [translator.read(line.text) for line in chunk]
        for line, source in zip(chunk, sources, strict=True):
            failed |= _remark(line, source)
        for best in translator.answer(sources, options, first=chunk[0].number - 1):
            _print_translations(best, options.n_best, scores=scores)
        sys.stdout.flush()
    if failed:
        raise typer.Exit(1)


def _remark(line: Line, source: Source) -> bool:
    """Say what is wrong with a line, if anything is; returns whether it cannot be translated."""
    problem = line.problem or source.problem
    if problem is not None:
        say(f"error: {line.name} {problem}; its translation is left empty")
    elif source.doubt is not None:
        say(f"warning: {line.name} {source.doubt}")
    return problem is not None


def _print_translations(best: list[Any], n_best: int, *, scores: bool) -> None:
    """One line, or `n_best` lines; an empty or failed source gives as many empty ones."""
    for i in range(n_best):
        found = best[i] if i < len(best) else None
        if scores:
            symbols = [] if found is None else list(zip(found.pieces, found.log_probs, strict=True))
            line = {"text": "" if found is None else found.text, "score": None if found is None else found.score}
            print(json.dumps({**line, "symbols": symbols}, ensure_ascii=False))
        else:
            print("" if found is None else found.text)


def _draw(translator: Translator, options: DecodeOptions, texts: list[str], path: Path) -> None:
    from unspool.view.attention import draw_attention

    if len(texts) != 1 or not texts[0].strip():
        raise ConfigError("--attention draws one text; give exactly one as an argument")
    best = translator.detailed(texts, options, keep_attention=True)[0][0]
    draw_attention(best, path)
    print(best.text)
