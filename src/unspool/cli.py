"""The command line: parses, calls, prints. Results go to stdout, everything else to stderr."""

from __future__ import annotations

import json
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer
from rich.console import Console
from rich.table import Table

from unspool.cells import Cell, cell_name, load_cell
from unspool.data.corpus import JSON_KEYS
from unspool.errors import ConfigError, DataError, RunError, UnspoolError
from unspool.options import key_values, with_options
from unspool.tasks.translate import DecodeOptions, Source, TranslateSettings, Translator, dates
from unspool.train import Interrupted, Run, TrainSettings
from unspool.train.placement import is_main

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)
train_app = typer.Typer(no_args_is_help=True, help="Train a model of a task into a run folder.")
app.add_typer(train_app, name="train")
bench_app = typer.Typer(no_args_is_help=True, help="Measure, answers first.")
app.add_typer(bench_app, name="bench")

CellOption = Annotated[str, typer.Option("--cell", help="A shipped cell by name, or file.py:Class of your own.")]
CellsOption = Annotated[
    list[str] | None, typer.Option("--cell", help="Your own cell that the run was trained with: file.py:Class.")
]
KeysOption = Annotated[tuple[str, str], typer.Option(help="The keys of source and target in .jsonl files.")]
RunArgument = Annotated[list[Path], typer.Argument(metavar="RUN", help="Run folder.", show_default=False)]
DEFAULT_EPOCHS = 20


@train_app.command("translate")
@with_options(
    TranslateSettings,
    TrainSettings,
    leave_out=("cell_options",),
    presets={"own data": {"epochs": DEFAULT_EPOCHS}, "dates": dates.PRESET | dates.TRAINING_PRESET},
)
def train_translate(
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    train: Annotated[
        list[Path] | None, typer.Option(help="Parallel text: two files, or a .tsv or .jsonl; also .gz.")
    ] = None,
    valid: Annotated[list[Path] | None, typer.Option(help="Parallel text to choose by.")] = None,
    keys: KeysOption = JSON_KEYS,
    cell: CellOption = "gru",
    cell_option: Annotated[list[str] | None, typer.Option(help="name=value for the cell; may be repeated.")] = None,
    examples: Annotated[int | None, typer.Option(min=1, help="Training examples of the default job.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the run in --out.")] = False,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Train a translator. Without --train: written dates in many languages into ISO 8601, no download."""
    from unspool.tasks.translate.train import TranslateData
    from unspool.tasks.translate.train import train as train_translator

    Run.check(out, resume=resume, force=force)  # before the data is read
    default_job = not train
    if default_job and resume and Run.open(out).config.get("origin", {}).get("job") == "files":
        raise ConfigError(f"{out} was trained on files of your own; name them again with --train and --valid")
    if default_job and valid:
        raise ConfigError("--valid was given without --train; name the training files too")
    if examples is not None and not default_job:
        raise ConfigError("--examples belongs to the default job, but --train was given")
    settings = _settings(
        TranslateSettings, given, dates.PRESET if default_job else {}, cell_options=key_values(cell_option or [])
    )
    training = _settings(TrainSettings, given, default_training(given) if default_job else _bounded(given))
    count = dates.EXAMPLES if examples is None else examples
    origin = {"job": "dates", "examples": count, "seed": settings.seed} if default_job else _paths(train, valid)
    data = (
        TranslateData.dates(examples=count, seed=settings.seed)
        if default_job
        else TranslateData.open(train or [], valid or [], keys=keys)
    )
    chosen = load_cell(cell)
    summary = train_translator(chosen, data, settings, training, out, resume=resume, force=force, origin=origin)
    if is_main():
        took = f"{summary.steps} steps in {summary.seconds:.0f} s"
        say(f"trained {cell_name(chosen)} for {took}; ended by {summary.reason}")
        print(json.dumps({"run": str(out), **asdict(summary)}))


def _settings(cls: type[Any], given: dict[str, Any], preset: dict[str, Any], **more: Any) -> Any:
    names = cls.__dataclass_fields__
    return cls(**{**preset, **{name: value for name, value in given.items() if name in names}, **more})


def _bounded(given: dict[str, Any]) -> dict[str, Any]:
    """A training needs an end; 20 epochs unless the user names another one."""
    return {} if given.keys() & {"epochs", "max_steps", "max_minutes"} else {"epochs": DEFAULT_EPOCHS}


def default_training(given: dict[str, Any]) -> dict[str, Any]:
    """The default job's choices but those that the user's stand in for: another end, another goal.

    A rate that falls to 0 needs to know at which step, so max_minutes alone replaces max_steps only without one.
    """
    preset = dates.TRAINING_PRESET
    named = {name for name, value in given.items() if value is not None}
    falls = given.get("schedule", preset["schedule"]) in ("linear", "cosine")
    replaced = {"max_steps"} if named & ({"epochs"} if falls else {"epochs", "max_minutes"}) else set()
    replaced |= {"monitor"} if "until" in named else set()
    return {name: value for name, value in preset.items() if name not in replaced}


def _dates_seed(run: Run) -> int:
    """With which the default job's data was drawn; refused for a run that was trained on other data."""
    origin = run.config.get("origin")
    if not isinstance(origin, dict) or (origin.get("job") == "dates" and not isinstance(origin.get("seed"), int)):
        raise RunError(
            f"{run.path / 'config.json'} does not say what the run was trained on (origin); "
            "name the test files with --test, or restore the file from a copy"
        )
    if origin.get("job") != "dates":
        raise ConfigError(f"{run.path} was trained on files; name the test files with --test")
    return origin["seed"]


def _paths(train: list[Path] | None, valid: list[Path] | None) -> dict[str, Any]:
    return {"job": "files", "train": [p.name for p in train or []], "valid": [p.name for p in valid or []]}


@app.command()
@with_options(DecodeOptions)
def evaluate(
    run: RunArgument,
    test: Annotated[list[Path] | None, typer.Option(help="Parallel text; the default job has its own.")] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the translations to this file.")] = None,
    keys: KeysOption = JSON_KEYS,
    cell: CellsOption = None,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Measure a translator: one JSON line of metrics on stdout. Several RUNs make an ensemble."""
    from unspool.data.corpus import open_parallel
    from unspool.tasks.translate import evaluate as evaluate_translator
    from unspool.tasks.translate.dates import evaluate_dates

    options = DecodeOptions(**given)
    if out is not None and not test:
        raise ConfigError("--out writes the translations of --test, but no --test was given; name the test files")
    _check_destination("--out", out)
    translator = _translator(run, cell)
    if not test:
        rows = evaluate_dates(translator, options, seed=_dates_seed(translator.runs[0]))
        _show("Written dates into ISO 8601: exact match", rows)
        print(json.dumps({"parts": rows}))
        return
    metrics, answers = evaluate_translator(translator, open_parallel(test, keys=keys), options)
    if out is not None:
        out.write_text("".join(f"{answer}\n" for answer in answers), encoding="utf-8")
    print(json.dumps(metrics))


@app.command()
@with_options(DecodeOptions)
def translate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
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
    _check_destination("--attention", attention)
    translator = _translator([run, *(ensemble or [])], cell)
    if attention is not None:
        _draw(translator, options, text or [], attention)
        return
    failed = False
    for chunk in _chunks(text):
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


class Line(NamedTuple):
    """A text to translate, its number counted from 1, and why it is no text, if it is none."""

    number: int
    name: str
    text: str
    problem: str | None = None


def _chunks(texts: list[str] | None) -> Iterator[list[Line]]:
    """Lines to translate, some at a time."""
    if not texts and sys.stdin is None:  # a shell's <&-
        raise ConfigError("stdin is closed; give texts as arguments, or one a line on stdin")
    lines = _argument_lines(texts) if texts else _stdin_lines()
    size = 1 if not texts and sys.stdin.isatty() else 256
    chunk: list[Line] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _argument_lines(texts: list[str]) -> Iterator[Line]:
    for number, text in enumerate(texts, 1):
        name = f"text {number}"
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            yield Line(number, name, "", "is not UTF-8")
        else:
            yield Line(number, name, " ".join(text.splitlines()))


def _stdin_lines() -> Iterator[Line]:
    for number, line in enumerate(sys.stdin.buffer, 1):
        name = f"line {number}"
        try:
            text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            yield Line(number, name, "", f"is not UTF-8 (byte {error.start + 1})")
        else:
            yield Line(number, name, text)


def _draw(translator: Translator, options: DecodeOptions, texts: list[str], path: Path) -> None:
    from unspool.view.attention import draw_attention

    if len(texts) != 1 or not texts[0].strip():
        raise ConfigError("--attention draws one text; give exactly one as an argument")
    best = translator.detailed(texts, options, keep_attention=True)[0][0]
    draw_attention(best, path)
    print(best.text)


@app.command()
def encode(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    text: Annotated[list[str] | None, typer.Argument(help="Texts; without any, the lines of stdin.")] = None,
    cell: CellsOption = None,
) -> None:
    """The 1-D vector of each text, the encoder's final state: one JSON list a line."""
    translator = _translator([run], cell)
    for chunk in _chunks(text):
        for line in chunk:
            problem = line.problem or translator.read(line.text).problem
            if problem is not None:
                raise DataError(f"{line.name} {problem}")
        for vector in translator.encode([line.text for line in chunk]).tolist():
            print(json.dumps(vector))


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

    if plot is not None and plot.exists() and not plot.is_dir():
        raise ConfigError(f"--plot {plot} is a file; name a folder")
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


def _translator(runs: list[Path], cells: list[str] | None) -> Translator:
    from unspool.tasks.load import load

    own: list[type[Cell]] = [load_cell(spec) for spec in cells or []]
    return load(runs, cells=own)


def _check_destination(option: str, path: Path | None) -> None:
    """Say before the work that its result could not be written."""
    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"{option} {path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ConfigError(f"{option} {path}: there is no folder {path.parent}; make it first, or name another")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ConfigError(f"{option} {path} cannot be written; allow it, or name another file")


def _show(title: str, rows: list[dict[str, Any]]) -> None:
    table = Table(*rows[0], title=title)
    for row in rows:
        table.add_row(*(f"{value:.2%}" if isinstance(value, float) else str(value) for value in row.values()))
    Console(stderr=True).print(table)


def say(message: str) -> None:
    """A message for people, on stderr."""
    print(message, file=sys.stderr, flush=True)


def spread(arguments: list[str]) -> list[str]:
    """Let `--train a.de a.en` name two files: a second value becomes a repeated option; and `--only` any number."""
    spread_out: list[str] = []
    for i, argument in enumerate(arguments):
        if spread_out[-2:-1] == ["--only"] and not argument.startswith("-"):
            spread_out += ["--only", argument]
            continue
        pair = i >= 2 and arguments[i - 2] in ("--train", "--valid", "--test") and not argument.startswith("-")
        single = arguments[i - 1].removesuffix(".gz").endswith((".tsv", ".jsonl")) if pair else False
        spread_out += [arguments[i - 2], argument] if pair and not single else [argument]
    return spread_out


def main() -> None:
    """Run a command; exit status 0 done, 1 failed, 2 wrong use, 130 interrupted."""
    warnings.showwarning = lambda message, *_: say(f"warning: {message}")
    if not is_main():
        warnings.simplefilter("ignore")  # the main process says it for all
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `unspool translate … | head` ends in silence
    try:
        app(args=spread(sys.argv[1:]), prog_name="unspool")
    except Interrupted as stop:
        if is_main():
            say(str(stop))
        sys.exit(130)
    except (UnspoolError, OSError) as error:
        say(f"error: {error}")
        sys.exit(1)
