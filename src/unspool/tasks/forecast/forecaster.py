"""A trained forecaster: what series will be, how sure that is, and where they stand."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from unspool.cells import Cell
from unspool.data.given import Paths, listed, paths_of
from unspool.data.series import Forecasts, Panel, SeriesColumns
from unspool.data.series.builtin import HELD
from unspool.errors import ConfigError, RunError
from unspool.tasks.forecast import co2_job
from unspool.tasks.forecast.ahead import warn_of_missing, warn_of_no_count, with_known, with_known_files
from unspool.tasks.forecast.asked import Asked, check_memory
from unspool.tasks.forecast.backtest import Result, compare
from unspool.tasks.forecast.levels import levels_of
from unspool.tasks.forecast.member import BATCH, Member, load_member
from unspool.tasks.forecast.method import Method
from unspool.tasks.forecast.methods import NAIVE, method
from unspool.tasks.forecast.network import Network
from unspool.tasks.forecast.rows import joined, latest
from unspool.tasks.forecast.state import ForecastState, read_state
from unspool.tasks.forecast.windows import Windows
from unspool.train import Run

QUICK = tuple(NAIVE)
"""Other methods that are measured where none are named."""
PATHS = 200
"""Paths behind a forecast that has to be drawn."""


class Forecaster:
    """One run, or an ensemble of several of one frequency and horizon: the mean of their means and of their quantiles.

    Example:
        `unspool.load("runs/co2").forecast(frame)` gives a data frame with `unique_id`, `ds`, `mean` and a column for
        each quantile.
    """

    def __init__(self, runs: Sequence[Run], cells: Sequence[type[Cell]] = ()) -> None:
        self.runs, self.members = list(runs), [load_member(run, cells) for run in runs]
        first = self.members[0]
        self.settings, self.frequency = first.settings, first.features.frequency
        self.columns = _columns(self.runs[0])
        for run, member in zip(runs, self.members, strict=True):
            if _kind(member) != _kind(first):
                mine, others = (", ".join(map(str, _kind(one))) for one in (member, first))
                raise ConfigError(
                    f"{run.path} and {runs[0].path} differ in frequency or horizon, or one writes points ({mine} and "
                    f"{others}); an ensemble needs runs of one kind"
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
            seed: of the draws; those of a series depend on it and on the series' name, not on other series.

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
        asked, chosen = self._asked(horizon, paths, seed), self._levels(levels)
        drawn = asked.paths if any(asked.horizon > member.written for member in self.members) else 0
        self._check(panel, asked.horizon, each=3 * (1 + len(chosen)), drawn=drawn)
        found = [member.forecast(panel, asked, chosen, number) for number, member in enumerate(self.members)]
        mean, quantiles = (np.mean(parts, 0) for parts in zip(*found, strict=True))
        return Forecasts(panel.ids, panel.frequency, panel.origins, mean, chosen, quantiles)

    def sample_paths(
        self, data: Any = None, *, state: ForecastState | None = None, known: Any = None, horizon: int | None = None,
        paths: int = PATHS, seed: int = 0,
    ) -> np.ndarray:  # fmt: skip
        """Draws of what could come: `[N, paths, horizon]`, the series in their order; from an ensemble, each of its
        members draws its part. Those of quantiles never leave the outermost levels that were trained for.

        Args: see `forecast`.
        """
        panel = self.panel(data, state, known)
        asked = self._asked(horizon, paths, seed)
        self._check(panel, asked.horizon, each=2 * asked.paths, drawn=asked.paths)
        members = self.members[: asked.paths]
        parts = [asked.paths // len(members) + (number < asked.paths % len(members)) for number in range(len(members))]
        found = [
            member.paths(panel, asked._replace(paths=count), number)
            for number, (member, count) in enumerate(zip(members, parts, strict=True))
        ]
        return np.concatenate(found, 1)

    def read(self, paths: Paths, state: ForecastState | None = None, *, future: Paths = ()) -> Panel:
        """The series of files like those of the training, after those of a state; `future` have the known covariates of
        the steps to forecast. See `unspool.data.series.read_series`. Without either, those of the default job,
        if the run is of it.
        """
        from unspool.data.series.onward import files as read_files

        files, known = paths_of(paths), paths_of(future)
        if not files and state is None and self.runs[0].config.get("origin") == co2_job.ORIGIN:
            return self.held_out()
        if files:
            before = () if state is None else set(self._own(state).panel.ids)
            return self.panel(read_files(files, self.columns, self.frequency, known, going_on=before), state)
        panel = self.panel(None, state)
        return with_known_files(panel, known, self.columns) if known else panel

    def evaluate(self, paths: Paths | None = None, **how: Any) -> dict[str, Any]:
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
        asked, season = self._asked(horizon, paths, seed), self.settings.season
        if windows is None:
            windows = max(HELD // asked.horizon, 1) if data is None else 1
        names = QUICK if methods is None else listed(methods, "compare", "method")
        named: dict[str, Method] = {name: method(name, season) for name in names}
        return compare(
            self.panel(self.held_out() if data is None else data),
            {self.name: partial(self.predict, paths=asked.paths, seed=asked.seed), **named},
            horizon=asked.horizon, windows=windows, step=step, levels=self.settings.levels, season=season,
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

        A forecast from it is that from the whole history at once, to the last bit. Values come after those of the
        state; steps between are missing, and a series that is new begins with its first value. Rows without a value
        count too: their covariates are kept, and a later row of the same step adds to them.
        """
        return ForecastState(self._latest(self.panel(rows, state)), self.checksum)

    def read_state(self, path: Path | str) -> ForecastState:
        """A state that `ForecastState.save` wrote; `RunError` or `ConfigError` if it is damaged or of another model."""
        return self._own(read_state(path))

    def encode(self, data: Any = None, *, state: ForecastState | None = None) -> np.ndarray:
        """The network's state before the forecast, all its layers joined, and all members of an ensemble: `[N, ·]`
        float32."""
        panel = self.panel(data, state)
        return np.concatenate([member.encode(panel) for member in self.members], 1)

    @property
    def networks(self) -> list[Network]:
        """The network of each run, in eval mode."""
        return [member.model for member in self.members]

    def windows(self, panel: Panel, *, horizon: int | None = None) -> Windows:
        """The windows of series as the first run's network reads them."""
        return self.members[0].windows(panel, horizon or self.settings.horizon)

    def _asked(self, horizon: int | None, paths: int, seed: int) -> Asked:
        return Asked.of(self.settings.horizon if horizon is None else horizon, paths, seed)

    def _levels(self, given: Sequence[float] | None) -> tuple[float, ...]:
        """The levels to forecast: those of the training where none are given; a point has none."""
        own = self.settings.levels
        if given is None or (isinstance(given, tuple) and given == own):
            return own
        levels = levels_of(given)
        if not own:
            raise ConfigError(
                f"levels are {levels}, but this model writes one number, which has no quantiles; leave them out "
                "(--level), or train with --output quantiles"
            )
        return levels

    def _check(self, panel: Panel, horizon: int, *, each: int, drawn: int) -> None:
        """Refuse what cannot be forecast, and say what should be otherwise: `each` numbers stay of a step of a series,
        and a batch is `drawn` so often."""
        if not isinstance(panel, Panel):
            kind = type(panel).__name__
            raise ConfigError(f"expected a panel, but got a value of type {kind}; a data frame goes to .forecast")
        check_memory(8 * horizon * (each * len(panel) + 4 * drawn * min(len(panel), BATCH)), horizon)
        panel.frequency.times(panel.origins + horizon)
        warn_of_missing(panel, horizon)
        if any(member.settings.output == "negative-binomial" for member in self.members):
            warn_of_no_count(panel)

    def _latest(self, panel: Panel) -> Panel:
        s = [member.settings for member in self.members]
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
        from unspool.data.series.onward import frames

        given = frames(data, self.columns, self.frequency, known, going_on=() if own is None else set(own.ids))
        return given if own is None else joined(own, given)

    def _own(self, state: ForecastState) -> ForecastState:
        if not isinstance(state, ForecastState):
            kind = type(state).__name__
            raise ConfigError(f"state is of type {kind}; expected a state, as state, update or read_state give it")
        if state.model != self.checksum:
            names = ", ".join(str(run.path) for run in self.runs)
            raise ConfigError(
                f"this state was made by another model than {names}, or before it was trained further; make it anew "
                "with this one"
            )
        return state


def _kind(member: Member) -> tuple[str, int, str]:
    """What runs of an ensemble have in common."""
    written = "quantiles" if member.settings.levels else "points"
    return member.features.frequency.alias, member.settings.horizon, written


def _columns(run: Run) -> SeriesColumns:
    found = run.config.get("columns")
    try:
        return SeriesColumns() if found is None else SeriesColumns(**found)
    except TypeError as error:
        raise RunError(f"{run.path / 'config.json'} is damaged ({error}); restore it from a copy") from error
