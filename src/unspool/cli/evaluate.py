"""`unspool evaluate`: one JSON line of metrics, for a run of any task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from unspool.cli.apps import CellsOption, RunsArgument, app, loaded, show
from unspool.cli.side_files import side_files
from unspool.cli.translate import KeysOption
from unspool.data.corpus import JSON_KEYS
from unspool.errors import ConfigError, RunError
from unspool.options import with_options
from unspool.tasks.translate import DecodeOptions, Translator
from unspool.train import Run
from unspool.train.files import write_bytes


@app.command()
@with_options(DecodeOptions)
def evaluate(
    run: RunsArgument,
    test: Annotated[
        list[Path] | None, typer.Option(help="Files like those of the training; the default jobs have their own.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Also write the translations to this file.")] = None,
    keys: KeysOption = JSON_KEYS,
    cell: CellsOption = None,
    given: dict[str, Any] = {},  # noqa: B006
) -> None:
    """Measure the model of a run: one JSON line of metrics on stdout. Several RUNs make an ensemble."""
    if out is not None and not test:
        raise ConfigError("--out writes the translations of --test, but no --test was given; name the test files")
    with side_files({"--out": out}, *run, *(test or [])):
        model = loaded(run, cell)
        if isinstance(model, Translator):
            return _translator(model, DecodeOptions(**given), test, out, keys)
        foreign = [*(f"--{name.replace('_', '-')}" for name in given), *(["--out"] if out else [])]
        if foreign:
            raise ConfigError(f"{', '.join(foreign)} belongs to translators, but {run[0]} holds none; leave it out")
        print(json.dumps(model.evaluate(test), ensure_ascii=False))
    return None


def _translator(
    translator: Translator, options: DecodeOptions, test: list[Path] | None, out: Path | None, keys: tuple[str, str]
) -> None:
    from unspool.data.corpus import open_parallel
    from unspool.tasks.translate import evaluate as measure
    from unspool.tasks.translate.dates import evaluate_dates

    if not test:
        rows = evaluate_dates(translator, options, seed=_dates_seed(translator.runs[0]))
        show("Written dates into ISO 8601: exact match", rows)
        print(json.dumps({"parts": rows}))
        return
    metrics, answers = measure(translator, open_parallel(test, keys=keys), options)
    if out is not None:
        write_bytes(out, "".join(f"{answer}\n" for answer in answers).encode())
    print(json.dumps(metrics))


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
