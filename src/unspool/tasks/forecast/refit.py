"""`refit`: learn anew from all there is, as a forecaster did that kept the ends of its series back to validate on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from unspool.data.series import Panel
from unspool.errors import ConfigError, DataError, RunError
from unspool.tasks.forecast import co2_job
from unspool.tasks.forecast.features import FEATURES
from unspool.tasks.forecast.forecaster import Forecaster
from unspool.tasks.forecast.member import Member
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.train import check_values, learn
from unspool.tasks.forecast.widened import has_spread
from unspool.train import Run, Summary, TrainSettings
from unspool.train.checkpoint import latest_checkpoint
from unspool.train.files import read_json
from unspool.train.restored import config_read
from unspool.train.start import check

ENDS = {"epochs", "max_steps", "max_minutes", "patience", "until"}
"""Settings of where a training ends. Its steps are the same with others, unless the rate falls towards that end."""
SEEN = {"validate_every", "keep_best", "log_every", "checkpoint_minutes", "tensorboard"}
"""Settings of what is seen and kept of a training. Its steps are the same with others."""


def refit(
    model: Forecaster, data: Any, out: Path | str, *, resume: bool = False, force: bool = False,
    origin: Mapping[str, Any] | None = None,
) -> Summary:  # fmt: skip
    """Train a forecaster as `model` was trained, from the same seed, on `data` to its last step, into the run `out`.

    What was validated on is the latest of a series; a model that is to forecast can learn from it too. Settings, cell
    and training are those of the run; it ends after as many steps as the run's best weights had had, its rate falling
    as it did there; the spread of its distributions is that which the run was validated to need. Nothing is kept back,
    so the loss that is told is of windows that were learned from: how good it is, only later values can tell.

    Args:
        model: one forecaster, trained. data: a data frame or a panel, as for training; the default job's series up to
            its test part if `None`.
        out: the run folder, another than the model's; refused if it holds a run, unless `resume` or `force`.
        origin: where the data came from, as plain values for config.json.

    Raises:
        DataError, ConfigError, RunError, TrainingError, Interrupted: see their messages.

    Example:
        `refit(unspool.load("runs/sales"), frame, "runs/final")` makes a run that has learned from all of `frame`.
    """
    if not isinstance(model, Forecaster):
        raise ConfigError(f"expected a forecaster, as unspool.load gives it, but got a value of type {_kind(model)}")
    if len(model.members) > 1:
        raise ConfigError(f"{model.name}: name one run; those of an ensemble are refitted one by one")
    out, run, (member,) = Path(out), model.runs[0], model.members
    if out.resolve() == run.path.resolve():
        raise ConfigError(f"{out} is the run to refit, which stays as it was validated; choose another --out")
    check(out, "forecast", member.cell, files=(FEATURES,), resume=resume, force=force)
    _check_repeatable(run, member)
    steps = _steps(run)
    training = _training(run, steps)
    panel, plan = co2_job.known_panel(run) if data is None else model.panel(data), member.settings
    _check_like(panel, model)
    check_values(panel, plan)
    kept = {"columns": asdict(model.columns) if run.config.get("columns") else None}
    kept |= {"calibration": run.config["calibration"]} if "calibration" in run.config else {}
    return learn(
        member.cell, plan, training, out,
        train=panel, until=panel.observed, valid=panel, held=_measured(panel, plan),
        refit={"of": run.path.resolve().name, "steps": steps}, more=kept, origin=origin,
        resume=resume, force=force, stop=steps,
    ).summary  # fmt: skip


def _kind(value: object) -> str:
    return type(value).__name__


def _check_like(panel: Panel, model: Forecaster) -> None:
    """Refuse series that are not of the kind that the run was trained on."""
    if panel.frequency.alias != model.frequency.alias:
        raise ConfigError(
            f"the series have the frequency {panel.frequency.alias}, but the run was trained on steps of "
            f"{model.frequency.alias}; give series of that"
        )
    model.windows(panel)  # looks at the covariates


def _measured(panel: Panel, plan: ForecastSettings) -> np.ndarray:
    """Steps at the end of each series on which the loss is told, `[N]`: whole horizons, with a value before them."""
    found = np.minimum(plan.valid_windows, np.maximum(panel.observed - 1, 0) // plan.horizon) * plan.horizon
    if not found.any():
        raise DataError(
            f"no series has the {plan.horizon + 1} values that it takes to learn a forecast of {plan.horizon} steps; "
            "give longer series"
        )
    return found


def _check_repeatable(run: Run, member: Member) -> None:
    """Refuse a run whose spread is not fitted yet, or of which it is not known any more how it was trained."""
    if has_spread(member.model.output) and "calibration" not in run.config:
        raise RunError(
            f"the training of {run.path} has not ended, so its spread is not fitted; go on with it by --resume"
        )
    with config_read(run):
        falls = run.config["training"]["schedule"] in ("linear", "cosine")
        changed = {name for entry in run.config.get("changes", []) for name in entry} - {"after_step"}
    if changed := sorted(changed - SEEN - (set() if falls else ENDS)):
        raise ConfigError(
            f"{run.path} was gone on with other settings than it began with ({', '.join(changed)}), so it cannot be "
            "done again; train it in one go"
        )


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
    if training.schedule not in ("linear", "cosine"):
        training = replace(training, epochs=None, max_steps=steps)
    return replace(training, patience=None, until=None, max_minutes=None, keep_best=1, validate_every=steps)


def _steps(run: Run) -> int:
    """After how many steps the run had its best weights, as its latest checkpoint says.

    Raises:
        RunError: there is none, or it is damaged.
    """
    last = latest_checkpoint(run.checkpoints_path)
    if last is None:
        raise RunError(
            f"{run.checkpoints_path} holds no checkpoint, which says after how many steps the run was best; go on with "
            "it by --resume, or restore the folder from a copy"
        )
    state = read_json(last / "state.json", "every checkpoint holds one")
    try:
        step = state["training"]["best"][0]["step"]
        if not isinstance(step, int) or not 0 < step <= state["training"]["step"]:
            raise ValueError(f"best step {step!r}")
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise RunError(f"{last / 'state.json'} names no best step ({error}); go on with the run by --resume") from error
    return step
