"""A trained forecaster: what series will be, how sure that is, and where they stand."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from unspool.cells import Cell, find_cell
from unspool.cells.state import tensors
from unspool.data.series import Forecasts, Frequency, Panel, SeriesColumns
from unspool.data.series.builtin import HELD
from unspool.errors import ConfigError, RunError
from unspool.tasks.forecast import co2_job
from unspool.tasks.forecast.ahead import warn_of_missing, with_known, with_known_files
from unspool.tasks.forecast.backtest import Result, compare
from unspool.tasks.forecast.features import Features
from unspool.tasks.forecast.methods import NAIVE, method
from unspool.tasks.forecast.network import Network, build
from unspool.tasks.forecast.paths import sampled
from unspool.tasks.forecast.rows import joined, latest
from unspool.tasks.forecast.settings import ForecastSettings
from unspool.tasks.forecast.state import ForecastState, read_state
from unspool.tasks.forecast.train import FEATURES
from unspool.tasks.forecast.windows import Windows
from unspool.train import Run
from unspool.train.files import read_json, understood
from unspool.train.restored import check_task, config_read, restored

BATCH = 256
"""Series that are run at once."""
QUICK = tuple(NAIVE)
"""Other methods that are measured where none are named."""
PATHS = 200
"""Paths behind a forecast that has to be drawn."""


class Loaded(NamedTuple):
    """One run of an ensemble."""

    model: Network
    settings: ForecastSettings
    features: Features


class Forecaster:
    """One run, or an ensemble of several of one frequency and horizon: the mean of their means and of their quantiles.

    Example:
        `unspool.load("runs/co2").forecast(frame)` gives a data frame with `unique_id`, `ds`, `mean` and a column for
        each quantile.
    """

    def __init__(self, runs: Sequence[Run], cells: Sequence[type[Cell]] = ()) -> None:
        self.runs, self._loaded = list(runs), [_load(run, cells) for run in runs]
        first = self._loaded[0]
        self.settings, self.frequency = first.settings, first.features.frequency
        self.columns = _columns(self.runs[0])
        for run, loaded in zip(runs, self._loaded, strict=True):
            mine = (loaded.features.frequency.alias, loaded.settings.horizon)
            if mine != (self.frequency.alias, self.settings.horizon):
                raise ConfigError(
                    f"{run.path} and {runs[0].path} differ in frequency or horizon ({mine[0]}, {mine[1]} and "
                    f"{self.frequency.alias}, {self.settings.horizon}); an ensemble needs runs of one kind"
                )

    @cached_property
    def checksum(self) -> int:
        """Of all weights: what tells a state of this model from those of others."""
        return zlib.crc32(b"".join(run.weights_path.read_bytes() for run in self.runs))

    def forecast(
        self, data: Any = None, *, state: ForecastState | None = None, known: Any = None, horizon: int | None = None,
        levels: Sequence[float] | None = None, paths: int = PATHS, seed: int = 0,
    ) -> Any:  # fmt: skip
        """What comes after the last observed step of each series, as a pandas data frame.

        Args:
            data: the series' history, a data frame as for training.
            state: where the series stand, in place of `data`, or before it.
            known: a data frame with the known covariates of the steps to forecast.
            horizon: steps; that of the training if None, and any other.
            levels: of the quantiles; those of the settings if None.
            paths: draws behind the quantiles, where they have to be drawn: by an autoregressive model, or beyond the
                horizon of the training.
            seed: of the draws.

        Returns:
            columns `unique_id`, `ds`, `mean`, and one per level, named by it.
        """
        panel = self.panel(data, state, known)
        return self.predict(panel, horizon=horizon, levels=levels, paths=paths, seed=seed).frame()

    def predict(
        self, panel: Panel, *, horizon: int | None = None, levels: Sequence[float] | None = None, paths: int = PATHS,
        seed: int = 0,
    ) -> Forecasts:  # fmt: skip
        """`forecast` of a panel, as arrays."""
        horizon = self.settings.horizon if horizon is None else horizon
        levels = tuple(self.settings.levels if levels is None else levels)
        check_draws(paths, seed)
        if horizon < 1:
            raise ConfigError(f"horizon is {horizon}; expected at least 1")
        if list(levels) != sorted(set(levels)) or not all(0 < level < 1 for level in levels):
            raise ConfigError(f"levels are {levels}; expected rising numbers between 0 and 1")
        warn_of_missing(panel, horizon)
        found = [
            self._member(member, panel, horizon, levels, paths, np.random.default_rng([seed, number]))
            for number, member in enumerate(self._loaded)
        ]
        mean, quantiles = (np.mean(parts, 0) for parts in zip(*found, strict=True))
        return Forecasts(panel.ids, panel.frequency, panel.origins, mean, levels, quantiles)

    def sample_paths(
        self, data: Any = None, *, state: ForecastState | None = None, known: Any = None, horizon: int | None = None,
        paths: int = PATHS, seed: int = 0,
    ) -> np.ndarray:  # fmt: skip
        """Draws of what could come: `[N, paths, horizon]`, the series in their order; from an ensemble, each of its
        members draws its part.

        Args: see `forecast`.
        """
        panel = self.panel(data, state, known)
        horizon = self.settings.horizon if horizon is None else horizon
        check_draws(paths, seed)
        warn_of_missing(panel, horizon)
        parts = [len(part) for part in np.array_split(np.arange(paths), len(self._loaded))]
        found: list[np.ndarray] = []
        for number, (member, count) in enumerate(zip(self._loaded, parts, strict=True)):
            windows = self._windows(member, panel, horizon)
            draw = np.random.default_rng([seed, number])
            found.append(
                np.concatenate(
                    [
                        sampled(member.model, windows, series, horizon=horizon, paths=count, draw=draw)
                        for series in _batches(len(panel))
                    ]
                )
            )
        return np.concatenate(found, 1)

    def read(
        self, paths: Sequence[Path | str], state: ForecastState | None = None, *, future: Sequence[Path | str] = ()
    ) -> Panel:
        """The series of files like those of the training, after those of a state; `future` have the known covariates of
        the steps to forecast. See `unspool.data.series.read_series`. Without either, those of the default job,
        if the run is of it.
        """
        from unspool.data.series.files import read_series

        known = [Path(p) for p in future]
        if not paths and state is None and self.runs[0].config.get("origin") == co2_job.ORIGIN:
            return self.held_out()
        if paths:
            return self.panel(read_series([Path(p) for p in paths], self.columns, self.frequency, known), state)
        panel = self.panel(None, state)
        return with_known_files(panel, known, self.columns) if known else panel

    def evaluate(self, paths: Sequence[Path | str] | None = None, **how: Any) -> dict[str, Any]:
        """How good forecasts of the ends of series are, beside methods that need no training.

        Args:
            paths: files with whole series, of which the ends were not trained on; the default job's own test part if
                `None`.
            how: see `compare`.

        Returns:
            the measures of `unspool.tasks.forecast.scores.Scores`, and in `methods` those of each other method.
        """
        own, *others = self.compare(None if paths is None else self.read(paths), **how).items()
        return {**own[1].scores.to_json(), "methods": {name: result.scores.to_json() for name, result in others}}

    def held_out(self) -> Panel:
        """The default job's series with its test part; `ConfigError` for a run that was trained on others."""
        return co2_job.test_panel(self.runs[0])

    def compare(
        self, data: Any = None, *, horizon: int | None = None, windows: int | None = None,
        step: int | None = None, methods: Sequence[str] | None = None, paths: int = PATHS, seed: int = 0,
    ) -> dict[str, Result]:  # fmt: skip
        """Backtests of this model, first, and of other methods, on the same windows.

        Args:
            data: whole series, a data frame or a panel; the default job's with its test part if `None`.
            horizon: of the forecasts; that of the training if None.
            windows, step: see `unspool.tasks.forecast.origins.origins`; of the default job, all of its test part.
            methods: of `unspool.tasks.forecast.methods.METHODS`; those that are quick if None.
            paths, seed: see `forecast`.
        """
        horizon = self.settings.horizon if horizon is None else horizon
        check_draws(paths, seed)
        if data is None and windows is None:
            windows = max(HELD // max(horizon, 1), 1)
        data = self.held_out() if data is None else data
        season = self.settings.season
        named = {name: method(name, season) for name in (QUICK if methods is None else methods)}
        return compare(
            self.panel(data), {self.name: partial(self.predict, paths=paths, seed=seed), **named},
            horizon=horizon, windows=1 if windows is None else windows, step=step, levels=self.settings.levels,
            season=season,
        )  # fmt: skip

    @property
    def name(self) -> str:
        """What it is called beside other methods: its cell, or how many runs it is of."""
        return str(self.runs[0].config["cell"]) if len(self.runs) == 1 else f"ensemble of {len(self.runs)}"

    def state(self, data: Any) -> ForecastState:
        """Where series stand: all that a forecast needs of them."""
        return self.update(data)

    def update(self, rows: Any, state: ForecastState | None = None) -> ForecastState:
        """The state after new rows, without training again.

        A forecast from it is that from the whole history at once, to the last bit. Rows come after those of the state;
        steps between are missing, and a series that is new begins.
        """
        return ForecastState(self._latest(self.panel(rows, state)), self.checksum)

    def read_state(self, path: Path | str) -> ForecastState:
        """A state that `ForecastState.save` wrote; `RunError` or `ConfigError` if it is damaged or of another model."""
        return self._own(read_state(path))

    @torch.no_grad()
    def encode(self, data: Any = None, *, state: ForecastState | None = None) -> np.ndarray:
        """The network's state before the forecast, all its layers joined, and all members of an ensemble: `[N, ·]`
        float32."""
        panel = self.panel(data, state)
        found: list[np.ndarray] = []
        for member in self._loaded:
            windows = self._windows(member, panel, member.settings.horizon)
            rows = [
                torch.cat([part.flatten(1) for part in tensors(member.model.encode(self._ends(windows, series)))], 1)
                for series in _batches(len(panel))
            ]
            found.append(torch.cat(rows).numpy())
        return np.concatenate(found, 1)

    @property
    def networks(self) -> list[Network]:
        """The network of each run, in eval mode."""
        return [loaded.model for loaded in self._loaded]

    def windows(self, panel: Panel, *, horizon: int | None = None) -> Windows:
        """The windows of series as the first run's network reads them."""
        return self._windows(self._loaded[0], panel, horizon or self.settings.horizon)

    @torch.no_grad()
    def _member(
        self, member: Loaded, panel: Panel, horizon: int, levels: tuple[float, ...], paths: int,
        draw: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
        model, windows = member.model, self._windows(member, panel, horizon)
        drawn = member.settings.model == "autoregressive" or horizon > member.settings.horizon
        means, quantiles = [], []
        for series in _batches(len(panel)):
            if drawn:
                values = sampled(model, windows, series, horizon=horizon, paths=paths, draw=draw)
                means.append(values.mean(1))
                quantiles.append(np.quantile(values, levels, axis=1).transpose(1, 2, 0))
            else:
                batch = self._ends(windows, series)
                params = model(batch)[:, :horizon]
                loc, scale = (part[:, -windows.horizon :][:, :horizon] for part in (batch.loc, batch.scale))
                means.append(model.output.mean(params, loc, scale).double().numpy())
                found = model.output.quantiles(params, levels, loc, scale)
                quantiles.append(found.double().numpy())
        return np.concatenate(means), np.concatenate(quantiles)

    def _windows(self, member: Loaded, panel: Panel, horizon: int) -> Windows:
        s = member.settings
        length = horizon if s.model == "autoregressive" else s.horizon
        assert s.context is not None and s.lags is not None
        return Windows(
            panel, member.features, context=s.context, horizon=length, lags=s.lags, scaling=s.scaling,
            season=s.season or 1, calendar=s.calendar,
        )  # fmt: skip

    def _ends(self, windows: Windows, series: np.ndarray) -> Any:
        return windows.batch(series, windows.panel.observed[series])

    def _latest(self, panel: Panel) -> Panel:
        s = [loaded.settings for loaded in self._loaded]
        return latest(panel, max((each.context or 0) + max(each.lags or (0,)) for each in s))

    def panel(self, data: Any, state: ForecastState | None = None, known: Any = None) -> Panel:
        """The series of a data frame or of a panel, after those of a state; see `forecast`."""
        if data is None and state is None:
            raise ConfigError(
                "there is nothing to forecast from; give the series' histories (--data), or a state (--state-in)"
            )
        own = None if state is None else self._own(state).panel
        if data is None or isinstance(data, Panel):
            panel = own if data is None else data if own is None else joined(own, data)
            assert panel is not None
            return panel if known is None else with_known(panel, known, self.columns)
        given = _read(data, self.columns, self.frequency, known)
        return given if own is None else joined(own, given)

    def _own(self, state: ForecastState) -> ForecastState:
        if state.model != self.checksum:
            names = ", ".join(str(run.path) for run in self.runs)
            raise ConfigError(
                f"this state was made by another model than {names}, or before it was trained further; make it anew "
                "with this one"
            )
        return state


def check_draws(paths: int, seed: int) -> None:
    """`ConfigError` for draws that cannot be."""
    if paths < 1:
        raise ConfigError(f"paths is {paths}; expected at least 1 (--draws)")
    if seed < 0:
        raise ConfigError(f"seed is {seed}; expected at least 0")


def _batches(count: int) -> Iterator[np.ndarray]:
    for at in range(0, count, BATCH):
        yield np.arange(at, min(at + BATCH, count))


def _read(data: Any, columns: SeriesColumns, freq: Frequency, known: Any) -> Panel:
    from unspool.data.series.frame import from_frame

    return from_frame(data, columns, freq, known)


def _columns(run: Run) -> SeriesColumns:
    found = run.config.get("columns")
    try:
        return SeriesColumns() if found is None else SeriesColumns(**found)
    except TypeError as error:
        raise RunError(f"{run.path / 'config.json'} is damaged ({error}); restore it from a copy") from error


def _load(run: Run, cells: Sequence[type[Cell]]) -> Loaded:
    check_task(run, "forecast", "a forecaster")
    content = read_json(run.path / FEATURES, "a forecaster's run holds what it learned of its covariates")
    with understood(run.path / FEATURES):
        features = Features.from_json(content)
    with config_read(run):
        name, settings = str(run.config["cell"]), ForecastSettings(**run.config["settings"])
    cell = find_cell(name, cells)
    return Loaded(restored(run, cell, lambda: build(cell, settings, features)), settings, features)
