"""Train a forecaster: open the series, hold their ends back, build the model, run the loop."""

from __future__ import annotations

import json
import warnings
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from unspool.cells import Cell
from unspool.data.series import Panel, SeriesColumns
from unspool.errors import DataError
from unspool.tasks.forecast.calibrate import calibration
from unspool.tasks.forecast.counts import no_count
from unspool.tasks.forecast.features import FEATURES, Features, read_features, warn_of_unknown
from unspool.tasks.forecast.job import ForecastJob, check_measure
from unspool.tasks.forecast.network import Network, build
from unspool.tasks.forecast.plan import planned
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.windows import Draws, Ends, Windows
from unspool.train import Run, Summary, TrainSettings, fit
from unspool.train.kept import kept_said
from unspool.train.placement import is_main
from unspool.train.start import by_part, check, start


@dataclass(frozen=True)
class ForecastData:
    """Series to train on, and series whose ends to validate on: the same ones, where none are given for it."""

    train: Panel
    valid: Panel | None = None
    columns: SeriesColumns | None = None

    @classmethod
    def open(
        cls, train: Sequence[Path | str], valid: Sequence[Path | str], columns: SeriesColumns, *,
        freq: str | None = None,
    ) -> ForecastData:  # fmt: skip
        """Open files, see `unspool.data.series.read_series`."""
        from unspool.data.series.files import read_series

        given = read_series(list(map(Path, train)), columns, freq)
        held = read_series(list(map(Path, valid)), columns, given.frequency.alias) if valid else None
        return cls(given, held, columns)

    @classmethod
    def co2(cls) -> ForecastData:
        """The default job: carbon dioxide over Mauna Loa; nothing is downloaded."""
        from unspool.data.series.builtin import co2

        parts = co2()
        return cls(parts.train, parts.valid)


def train(
    cell: type[Cell],
    data: ForecastData,
    settings: ForecastSettings,
    training: TrainSettings,
    out: Path | str,
    *,
    resume: bool = False,
    force: bool = False,
    origin: dict[str, Any] | None = None,
) -> Summary:
    """Train a forecaster into the run folder `out`.

    The last `horizon` · `valid_windows` steps of each series that is long enough are validated on, by forecasts that
    begin at each of them, or at 4,096 of them all, evenly (docs/decisions/0034); they are kept back from what is
    learned, unless `data` has series to validate on.

    Args:
        cell: the cell of every layer, shipped or of the user's own.
        data: what to train and validate on.
        settings, training: choices of the model, and of the loop.
        out: the run folder; refused if it holds a run, unless `resume` or `force`.
        origin: where the data came from, as plain values for config.json.

    Raises:
        DataError, ConfigError, RunError, TrainingError, Interrupted: see their messages.
    """
    out = Path(out)
    check(out, "forecast", cell, files=(FEATURES,), resume=resume, force=force)
    if training.goal is not None:
        check_measure(training.goal.metric, "until")
    check_measure(training.monitored, "monitor")
    plan = planned(settings, data.train)
    valid = data.train if data.valid is None else data.valid
    check_values(data.train, plan)
    held = held_back(valid, plan, apart=data.valid is not None)
    check_held(held, plan, apart=data.valid is not None)
    until = data.train.observed - (held if data.valid is None else 0)
    more = {"columns": None if data.columns is None else asdict(data.columns)}
    done = learn(
        cell, plan, training, out, train=data.train, until=until, valid=valid, held=held, more=more, origin=origin,
        resume=resume, force=force,
    )  # fmt: skip
    return _calibrated(done, plan, held)


class Done(NamedTuple):
    """A training that has ended: how, its run, the network with the run's weights, and what it is validated on."""

    summary: Summary
    run: Run
    model: Network
    windows: Windows


def learn(
    cell: type[Cell], plan: ForecastSettings, training: TrainSettings, out: Path, *, train: Panel, until: np.ndarray,
    valid: Panel, held: np.ndarray, more: Mapping[str, Any], origin: Mapping[str, Any] | None, resume: bool,
    force: bool, stop: int | None = None, refit: Mapping[str, Any] | None = None,
) -> Done:  # fmt: skip
    """Learn from the first `until` steps of the series `train`, and validate on the last `held` of `valid`.

    Args:
        cell, training, out, origin, resume, force: see `train`.
        plan: settings without a None, see `planned`.
        train, valid: series. until, held: steps of each of them, `[N]`.
        more: other values of the run's config.
        stop: see `fit`. refit: what config.json says of the run that is refitted.
    """
    features = read_features(Run.open(out)) if resume else learned(train, plan, until)
    draws = Draws(
        _windows(train, features, plan, until, training=True),
        batch=plan.batch, steps=plan.steps_per_epoch, seed=plan.seed,
    )  # fmt: skip
    windows = _windows(valid, features, plan)
    warn_of_unknown(features, valid)
    torch.manual_seed(plan.seed)
    model = build(cell, plan, features)
    same = {
        "frequency": train.frequency.alias,
        "data": by_part(train=fingerprint(train, until), valid=fingerprint(valid)),
        "refit": None if refit is None else dict(refit),
    }
    run = start(
        out,
        "forecast",
        cell,
        plan,
        training,
        same=same,
        more=more,
        files={FEATURES: (json.dumps(features.to_json(), ensure_ascii=False, indent=1) + "\n").encode()},
        origin=origin,
        resume=resume,
        force=force,
    )
    ends = Ends(windows, held, every=1, batch=plan.batch)
    summary = fit(ForecastJob(model, draws, ends), training, run, resume=resume, stop=stop)
    return Done(summary, run, model, windows)


def _calibrated(done: Done, plan: ForecastSettings, held: np.ndarray) -> Summary:
    """Fit the spread of the run's weights to the validation windows, and store it in the run's config."""
    ends = Ends(done.windows, held, every=plan.horizon, batch=plan.batch)
    measured = calibration(done.model.cpu().eval(), plan, ends)
    if not measured:
        return done.summary
    if is_main():
        with kept_said(done.run), done.run.locked():
            done.run.change(calibration=measured)
    return replace(done.summary, best={**done.summary.best, **measured})


def learned(panel: Panel, plan: ForecastSettings, until: np.ndarray) -> Features:
    """What `plan` reads besides the values, of the first `until` steps of each series."""
    return Features.learn(panel, series=bool(plan.series_embedding), means=plan.reversion, until=until)


def check_values(panel: Panel, plan: ForecastSettings) -> None:
    """`DataError` for values that the output cannot write: a count is whole, and at least 0."""
    if plan.output != "negative-binomial":
        return
    if found := no_count(panel):
        raise DataError(f"{found}: expected whole numbers, at least 0; take student-t or gaussian")


def held_back(panel: Panel, plan: ForecastSettings, *, apart: bool) -> np.ndarray:
    """How many steps at the end of each series are validated on, `[N]`: whole horizons, as long as half of the series
    is left before them, or, of series that are there for it alone (`apart`), a context if that is less."""
    observed, half = panel.observed, panel.observed // 2
    before = np.minimum(half, plan.context or 0) if apart else observed - half
    return np.minimum(plan.valid_windows, (observed - before) // plan.horizon) * plan.horizon


def check_held(held: np.ndarray, plan: ForecastSettings, *, apart: bool) -> None:
    """Say where no series has as many horizons to validate on as were asked for.

    Raises:
        DataError: none has a single one.
    """
    horizon, most = plan.horizon, int(held.max(initial=0)) // plan.horizon
    if not most and apart:
        least = horizon + min(plan.context or 0, horizon - 1)
        raise DataError(
            f"no series to validate on has {least} values: what is read before a forecast, and {horizon} steps to "
            "compare it with; give longer ones with --valid, leave --valid out, or take a shorter --horizon"
        )
    if not most:
        raise DataError(
            f"no series has the {2 * horizon} values that it takes to hold one horizon back and learn from the rest; "
            "give longer series, series to validate on (--valid), or a shorter --horizon"
        )
    if most < plan.valid_windows:
        warnings.warn(
            f"valid_windows is {plan.valid_windows}, but the longest series has room for {most} horizons of {horizon} "
            f"steps; {most} are validated on",
            stacklevel=3,
        )


def fingerprint(panel: Panel, until: np.ndarray | None = None) -> dict[str, int]:
    """What tells these series from others: how many, and a checksum of their names, steps and values, and of how many
    are used."""
    checksum = zlib.crc32("\n".join(panel.ids).encode())
    used = panel.observed if until is None else until
    for part in (panel.offsets, panel.starts, used, panel.y, *(c.values for c in panel.covariates)):
        checksum = zlib.crc32(np.ascontiguousarray(part).data, checksum)
    return {"series": len(panel), "crc32": checksum}


def _windows(
    panel: Panel, features: Features, plan: ForecastSettings, until: np.ndarray | None = None, *, training: bool = False
) -> Windows:  # fmt: skip
    assert plan.context is not None and plan.lags is not None
    return Windows(
        panel, features, context=plan.context, horizon=plan.horizon, lags=plan.lags, scaling=plan.scaling,
        season=plan.season or 1, calendar=plan.calendar, until=until, training=training,
    )  # fmt: skip
