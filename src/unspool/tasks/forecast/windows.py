"""Windows of series: what came before a step, what is known of the steps after it, and what came there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from unspool.data.series import Panel
from unspool.errors import DataError
from unspool.tasks.forecast.elsewhere import Elsewhere
from unspool.tasks.forecast.features import Features, Reader
from unspool.tasks.forecast.scaling import scale_of

CALENDAR_ROWS = 5_000_000
"""Steps of the calendar that are kept in memory; beyond that it is worked out for each batch."""


@dataclass(frozen=True)
class WindowBatch:
    """B windows of L steps before a forecast and h steps after its beginning.

    `y` `[B, L + h]` float64, 0 where not `seen`; `seen`, and `loc`, `scale`, float64, are as large. `lags`
    `[B, L + h, G, 2]`: past values on the scale of the window, and whether there are such. `known` `[B, L + h, K]`,
    `past` `[B, L, P]`, `static` `[B, S]`: real numbers; `known_codes`, `past_codes`, `static_codes`: of categories.
    `off_mean` `[B, 1]` float64: the mean of the window less that of its series in training; `[B, 0]` if not read.
    """

    y: Tensor
    seen: Tensor
    loc: Tensor
    scale: Tensor
    lags: Tensor
    known: Tensor
    past: Tensor
    static: Tensor
    known_codes: Tensor
    past_codes: Tensor
    static_codes: Tensor
    off_mean: Tensor

    def to(self, device: torch.device | str) -> WindowBatch:
        return WindowBatch(*(getattr(self, item.name).to(device) for item in fields(self)))

    def z(self) -> Tensor:
        """`y` on the scale of its window, float32, 0 where nothing was seen: `[B, L + h]`."""
        return torch.where(self.seen, (self.y - self.loc) / self.scale, 0.0).float()

    def mirrored(self) -> WindowBatch:
        """Each value of the series as far on the other side of its `loc`: z and the lags with the other sign."""
        y = torch.where(self.seen, 2 * self.loc - self.y, 0.0)
        return replace(self, y=y, lags=torch.stack([-self.lags[..., 0], self.lags[..., 1]], -1))

    def beside(self, other: WindowBatch) -> WindowBatch:
        """The windows of both, these first."""
        return WindowBatch(*(torch.cat([getattr(self, item.name), getattr(other, item.name)]) for item in fields(self)))


class Windows:
    """All windows of a panel.

    Args:
        panel: the series.
        features: how their covariates are read.
        context, horizon: L and h.
        lags: steps back, G of them.
        scaling, season: see `scale_of`.
        until: `[N]`, steps of each series up to which values may be read; all that were observed if None.
        calendar: whether the calendar is read.
        training: whether they are learned from, and what they know of the mean of their series is that of other steps.
    """

    def __init__(
        self, panel: Panel, features: Features, *, context: int, horizon: int, lags: tuple[int, ...], scaling: str,
        season: int, calendar: bool, until: np.ndarray | None = None, training: bool = False,
    ) -> None:  # fmt: skip
        self.panel, self.context, self.horizon, self.lags = panel, context, horizon, lags
        self.scaling, self.season = scaling, season
        self._features, self._reader = features, Reader(features, panel)
        self.until = panel.observed if until is None else until
        apart = training and features.means is not None
        self._elsewhere = Elsewhere(panel, self.until, window=context + horizon) if apart else None
        self._rows = np.diff(panel.offsets)
        self._calendar = calendar
        ends = panel.starts + self._rows
        begin, end = (int(panel.starts.min()), int(ends.max())) if len(panel) else (0, 0)
        self._first, last = begin - context, end + horizon
        small = last - self._first <= CALENDAR_ROWS
        self._table = self._cycles_of(np.arange(self._first, last)) if calendar and small else None

    @property
    def reach(self) -> int:
        """Steps back from its beginning that a forecast depends on."""
        return self.context + max(self.lags, default=0)

    def of(self, panel: Panel, *, until: np.ndarray) -> Windows:
        """The windows of another panel, read in the same way."""
        return Windows(
            panel, self._features, context=self.context, horizon=self.horizon, lags=self.lags,
            scaling=self.scaling, season=self.season, calendar=self._calendar, until=until,
        )  # fmt: skip

    def batch(self, series: np.ndarray, ends: np.ndarray) -> WindowBatch:
        """The windows of `series` `[B]` whose forecasts begin at the steps `ends` `[B]`, counted from 0."""
        steps = ends[:, None] + np.arange(-self.context, self.horizon)
        y, rows, valid = self._values(series, steps)
        loc, scale = scale_of(y[:, : self.context], self.scaling, horizon=self.horizon, season=self.season)
        reader = self._reader
        places = {
            "known": (rows, valid),
            "past": (rows[:, : self.context], valid[:, : self.context]),
            "static": (series, np.ones(len(series), bool)),
        }
        reals = {role: reader.reals(role, *where) for role, where in places.items()}
        codes = {f"{role}_codes": reader.codes(role, *where) for role, where in places.items()}
        reals["known"] = np.concatenate([self._calendar_at(series, steps), reals["known"]], -1)
        values = {"y": np.nan_to_num(y), "seen": ~np.isnan(y), "loc": loc, "scale": scale}
        means = None if self._elsewhere is None else self._elsewhere(series, ends - self.context)
        values["off_mean"] = reader.off_mean(series, y[:, : self.context], means)
        arrays = {**values, "lags": self._lagged(series, steps, loc, scale), **reals, **codes}
        return WindowBatch(**{name: torch.from_numpy(array) for name, array in arrays.items()})

    def _values(self, series: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """y at `steps` of `series`, NaN where there is none; the rows, and which of them exist."""
        valid = (steps >= 0) & (steps < self._rows[series][:, None])
        rows = np.where(valid, self.panel.offsets[series][:, None] + steps, 0)
        told = valid & (steps < self.until[series][:, None])
        return np.where(told, self.panel.y[rows], np.nan), rows, valid

    def _lagged(self, series: np.ndarray, steps: np.ndarray, loc: np.ndarray, scale: np.ndarray) -> np.ndarray:
        found = np.zeros((*steps.shape, len(self.lags), 2), np.float32)
        for place, lag in enumerate(self.lags):
            y, _, _ = self._values(series, steps - lag)
            found[..., place, 0] = np.nan_to_num((y - loc) / scale)
            found[..., place, 1] = ~np.isnan(y)
        return found

    def _calendar_at(self, series: np.ndarray, steps: np.ndarray) -> np.ndarray:
        if not self._calendar:
            return np.zeros((*steps.shape, 0), np.float32)
        ordinals = self.panel.starts[series][:, None] + steps
        if self._table is not None:
            return self._table[ordinals - self._first]
        return self._cycles_of(ordinals.ravel()).reshape(*steps.shape, -1)

    def _cycles_of(self, ordinals: np.ndarray) -> np.ndarray:
        return self._features.frequency.features(ordinals, self._features.cycles)


class Draws:
    """Training windows, drawn anew in each epoch by (seed, epoch, position): a series, all alike, then where in it.

    A forecast begins where the window before it is full, in a series too short for that after half of its values; at
    least one value comes after it.

    Args:
        windows: of the training data.
        batch: windows of a step; steps: steps of an epoch; seed: of the draws.

    Raises:
        DataError: no series has two observed values.
    """

    def __init__(self, windows: Windows, *, batch: int, steps: int, seed: int) -> None:
        self._windows, self._batch, self._steps, self._seed = windows, batch, steps, seed
        self._series = np.flatnonzero(windows.until >= 2)
        if not len(self._series):
            raise DataError("no series has two observed values to train on; give longer series, or a shorter horizon")
        lengths = windows.until[self._series]
        self._last = np.maximum(lengths - windows.horizon, (lengths + 1) // 2)
        self._first = np.minimum(windows.context, np.maximum(self._last // 2, 1))

    def count(self, epoch: int) -> int:
        return self._steps

    def epoch(self, epoch: int, start: int = 0) -> Iterator[WindowBatch]:
        """The batches of an epoch from position `start` on."""
        for position in range(start, self._steps):
            draw = np.random.default_rng([self._seed, epoch, position])
            chosen = draw.integers(len(self._series), size=self._batch)
            ends = draw.integers(self._first[chosen], self._last[chosen] + 1)
            yield self._windows.batch(self._series[chosen], ends)


class Ends:
    """The windows that end series: forecasts within the last `held` steps, the last of them up to the last step.

    Args:
        windows: of the series. held: `[N]`, steps; a series with fewer than a horizon of them has no window.
        every: steps from the beginning of a forecast to that of the next; a horizon, if they are not to overlap.
        batch: windows at once. most: if there are more windows, so many of them, evenly.

    Raises:
        DataError: no series has any.
    """

    def __init__(self, windows: Windows, held: np.ndarray, *, every: int, batch: int, most: int = 4096) -> None:
        self._windows, self._batch = windows, batch
        counts = np.where(held < windows.horizon, 0, (held - windows.horizon) // every + 1)
        until = np.cumsum(counts)
        if not counts.any():
            raise DataError(f"no series has {windows.horizon} steps, a whole horizon, held back")
        chosen = np.linspace(0, until[-1] - 1, min(most, int(until[-1]))).astype(int)
        self._series = np.searchsorted(until, chosen, side="right")
        after = until[self._series] - chosen - 1
        self._ends = windows.panel.observed[self._series] - windows.horizon - after * every

    def __len__(self) -> int:
        return len(self._series)

    def __iter__(self) -> Iterator[WindowBatch]:
        for at in range(0, len(self._series), self._batch):
            part = slice(at, at + self._batch)
            yield self._windows.batch(self._series[part], self._ends[part])
