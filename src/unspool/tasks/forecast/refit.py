"""`refit`: learn anew from all there is, as a forecaster did that kept the ends of its series back to validate on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from unspool.errors import ConfigError, RunError
from unspool.tasks.forecast.features import FEATURES
from unspool.tasks.forecast.forecaster import Forecaster
from unspool.tasks.forecast.train import check_held, check_values, held_back, learn
from unspool.train import Run, Summary, TrainSettings
from unspool.train.restored import config_read
from unspool.train.start import check


def refit(
    model: Forecaster, data: Any, out: Path | str, *, resume: bool = False, force: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> Summary:  # fmt: skip
    """Train a forecaster as `model` was trained, from the same seed, on `data` to its last step, into the run `out`.

    What was validated on is the latest of a series, and tells most of what comes next; a model that is to forecast
    should have learned from it too. Settings, cell and training are those of the run; it ends after as many steps as
    the run's best weights had had, its rate falling as it did there; the spread of its distributions is that which the
    run was validated to need. Nothing is kept back, so the loss that is told is of windows that were learned from, and
    how good it is, only later values can tell.

    Args:
        model: one forecaster, trained. data: a data frame or a panel, as for training.
        out: the run folder; refused if it holds a run, unless `resume` or `force`.
        origin: where the data came from, as plain values for config.json.

    Raises:
        DataError, ConfigError, RunError, TrainingError, Interrupted: see their messages.

    Example:
        `refit(unspool.load("runs/sales"), frame, "runs/final")` makes a run that has learned from all of `frame`.
    """
    if len(model.members) > 1:
        raise ConfigError(f"{model.name}: name one run; those of an ensemble are refitted one by one")
    out, run, (member,) = Path(out), model.runs[0], model.members
    check(out, "forecast", member.cell, files=(FEATURES,), resume=resume, force=force)
    steps = _steps(run)
    training = _training(run, steps)
    panel = model.panel(data)
    plan = member.settings
    check_values(panel, plan)
    held = held_back(panel, plan, apart=False)
    check_held(held, plan, apart=False)
    kept = {name: run.config[name] for name in ("columns", "calibration") if name in run.config}
    return learn(
        member.cell, plan, training, out,
        train=panel, until=panel.observed, valid=panel, held=held, more={**kept, "refit": {"steps": steps}},
        origin=origin, resume=resume, force=force, stop=steps,
    ).summary  # fmt: skip


def _training(run: Run, steps: int) -> TrainSettings:
    """The run's training, without what may end it before its step `steps`."""
    with config_read(run):
        told = run.config["training"]
        training = TrainSettings(**{**told, "betas": tuple(told["betas"])})
    if training.schedule == "plateau":
        raise ConfigError(
            f"the rate of {run.path} fell as its validations asked (schedule plateau), of which a refit has none; "
            "train it with --schedule cosine, linear, inverse-sqrt or constant"
        )
    if training.average:
        raise ConfigError(
            f"the weights of {run.path} may be a mean of those of several steps (average), and a refit ends after one; "
            "train it without --average; --ema averages too"
        )
    bound = {} if training.epochs or training.max_steps else {"max_steps": steps}
    free = {"patience": None, "until": None, "max_minutes": None, "keep_best": 1}
    return replace(training, **bound, **free, validate_every=steps)


def _steps(run: Run) -> int:
    """After how many steps the run had its best weights.

    Raises:
        RunError: it never validated.
    """
    with config_read(run):
        if "refit" in run.config:
            return int(run.config["refit"]["steps"])
    losses = {
        line["step"]: line["loss"]
        for line in run.metrics()
        if line.get("kind") == "validation" and isinstance(line.get("loss"), float)
    }
    if not losses:
        raise RunError(f"{run.path} has not validated once, so its best step is not known; go on with it by --resume")
    return min(losses, key=lambda step: (losses[step], step))
