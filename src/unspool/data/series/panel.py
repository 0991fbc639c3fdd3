"""Many series on the steps of one frequency, as flat arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from unspool.data.sequences import starts_and_end
from unspool.data.series.covariate import Covariate
from unspool.data.series.flat import Spans
from unspool.data.series.frequency import Frequency
from unspool.errors import DataError, ShapeError


@dataclass(frozen=True, eq=False)
class Panel:
    """N series, each on every step from its first to its last row; what is not observed is NaN.

    Series i has the rows `offsets[i]` to `offsets[i + 1]`, one a step, beginning at step `starts[i]`. Of these the
    first `observed[i]` are its history; of the rows after them only covariates of role `"known"` may be read: their `y`
    is NaN, and their `"past"` covariates are there at most for a history that goes on.

    Attributes:
        ids: names of the N series.
        offsets: `[N + 1]` int64.
        starts: `[N]` int64, number of the first step.
        frequency: what the numbers of steps mean.
        y: `[rows]` float64, NaN where missing; may be mapped from disk.
        observed: `[N]` int64, at least 1.
        covariates: what is known beside `y`.

    Raises:
        ShapeError: the arrays do not fit each other.

    Example:
        >>> panel = Panel.of({"a": [1, 2, np.nan, 4], "b": [7, 8]})
        >>> len(panel), panel.history(0).tolist(), panel.future(1, 3).tolist()
        (2, [1.0, 2.0, nan, 4.0], [2, 3, 4])
        >>> panel.cut(np.array([2, 0])).history(0).tolist()
        [1.0, 2.0]
    """

    ids: Sequence[str]
    offsets: np.ndarray
    starts: np.ndarray
    frequency: Frequency
    y: np.ndarray
    observed: np.ndarray
    covariates: tuple[Covariate, ...] = ()

    def __post_init__(self) -> None:
        series, rows = len(self.ids), len(self.y)
        arrays = {"offsets": self.offsets, "starts": self.starts, "y": self.y, "observed": self.observed}
        expected = {"offsets": series + 1, "starts": series, "y": rows, "observed": series}
        for one in self.covariates:
            arrays[one.name], expected[one.name] = one.values, series if one.role == "static" else rows
        for name, values in arrays.items():
            if values.shape != (expected[name],):
                raise ShapeError(f"{name} has shape {values.shape}; expected ({expected[name]},) of {series} series")
        if self.offsets[0] != 0 or self.offsets[-1] != rows or (self.observed > self.lengths).any():
            raise ShapeError(f"offsets must go from 0 to {rows}, in spans that hold what is observed")

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> np.ndarray:
        """`[N]` int64: rows of each series."""
        return np.diff(self.offsets)

    @property
    def origins(self) -> np.ndarray:
        """`[N]` int64: number of the last step of each history."""
        return self.starts + self.observed - 1

    def history(self, i: int) -> np.ndarray:
        """`[observed[i]]` float64: y of series i, up to its last observed value."""
        first = int(self.offsets[i])
        return self.y[first : first + int(self.observed[i])]

    def future(self, i: int, horizon: int) -> np.ndarray:
        """`[horizon]` int64: numbers of the steps after the history of series i."""
        return self.starts[i] + self.observed[i] + np.arange(horizon)

    def cut(self, steps: np.ndarray | int) -> Panel:
        """Each series as if its last `steps[i]` observed steps were still to come.

        Their y and their past covariates are hidden; known covariates stay. The history ends where it was cut, also
        where that step has no value.

        Raises:
            DataError: nothing would be left of a series.
        """
        steps = np.broadcast_to(np.asarray(steps, dtype=np.int64), self.observed.shape)
        short = np.flatnonzero(steps >= self.observed)
        if len(short):
            raise DataError(
                f"{len(short)} series have too few observed steps to leave any after the cut, among them "
                f"{self.ids[short[0]]!r} with {self.observed[short[0]]}, of which {steps[short[0]]} are cut: leave "
                "such series out, or cut less"
            )
        observed = self.observed - steps
        known = any(one.role == "known" for one in self.covariates)
        return self._copied(np.arange(len(self)), self.lengths if known else observed, observed)

    def take(self, which: np.ndarray | Sequence[int]) -> Panel:
        """The series of these numbers, in the order given; also of a mask `[N]` bool.

        Raises:
            IndexError: a number is outside of the series.
        """
        chosen = np.arange(len(self))[np.asarray(which, dtype=None if len(which) else np.int64)]
        return self._copied(chosen, self.lengths[chosen], self.observed[chosen])

    @staticmethod
    def of(
        series: Mapping[Any, ArrayLike] | Sequence[ArrayLike],
        *,
        frequency: str | Frequency = "1",
        starts: Any = 0,
    ) -> Panel:
        """A panel of arrays: a mapping of ids, or a sequence, whose ids are "0", "1", ….

        Missing values at both ends are cut off; a series without any value is left out with a warning.

        Args:
            series: values of each, one a step.
            frequency: an alias of pandas, or "1".
            starts: the first step of all series or of each: numbers of steps, or dates.

        Raises:
            DataError: a value is infinite or no number, or all are missing.

        Example:
            >>> panel = Panel.of([[np.nan, 3, 4]], frequency="D", starts="2024-01-01")
            >>> panel.frequency.times(panel.starts).astype("datetime64[D]").tolist()
            [datetime.date(2024, 1, 2)]
        """
        from unspool.data.series.arrays import panel_of

        return panel_of(series, frequency, starts)

    def _copied(self, chosen: np.ndarray, lengths: np.ndarray, observed: np.ndarray) -> Panel:
        """The first rows of some series, of which so many are history."""
        offsets = starts_and_end(lengths)
        spans = Spans(self.offsets[chosen], offsets, observed)
        covariates = tuple(
            one.take(chosen) if one.role == "static" else
            replace(one, values=spans.copied(one.values, None if one.role == "known" else one.missing))
            for one in self.covariates
        )  # fmt: skip
        ids = [self.ids[int(i)] for i in chosen]
        y = spans.copied(self.y, np.nan)
        return Panel(ids, offsets, self.starts[chosen], self.frequency, y, observed, covariates)
