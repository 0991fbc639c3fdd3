"""How far apart the steps of a series are, and which step a stamp is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from unspool.data.series import cycles, seasons
from unspool.data.series.grids import FIRST, LAST
from unspool.data.series.stamps import on_the_wall, read_as_utc, shown_stamp, stamps_of, utc
from unspool.data.series.steps import Steps, steps_of
from unspool.errors import DataError


@dataclass(frozen=True)
class Frequency:
    """How far apart steps are: any alias of pandas ("h", "15min", "D", "W-SUN", "MS", "B", …), or whole numbers ("1").

    Steps are numbered; the numbers of one frequency mean the same stamps for ever. Stamps are UTC where there is a
    zone. In it, steps of a day and more go by the clock on the wall (midnight to midnight, though one day has 23
    hours), steps of hours and less go on evenly.

    Attributes:
        alias: as pandas writes it; `"1"` for whole numbers.
        zone: time zone of the stamps, None where they have none.
        phase: places of the grid and nanoseconds by which the steps are behind those that the alias alone means:
            `(0, 6 hours)` of "D" for stamps that are all at six o'clock. `fitted` finds it.

    Raises:
        ConfigError: pandas does not know the alias, or its steps cannot be numbered.

    Example:
        >>> monthly = Frequency.of("MS")
        >>> steps = monthly.ordinals(np.array(["2024-01-01", "2024-03-01"], dtype="datetime64[ns]"))
        >>> steps.tolist(), monthly.season
        ([648, 650], 12)
        >>> monthly.times(steps + 1).astype("datetime64[D]").tolist()
        [datetime.date(2024, 2, 1), datetime.date(2024, 4, 1)]
    """

    alias: str
    zone: str | None = None
    phase: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        object.__setattr__(self, "alias", steps_of(self.alias).alias)
        object.__setattr__(self, "phase", (int(self.phase[0]), int(self.phase[1])))

    @classmethod
    def of(cls, alias: str | int, zone: str | None = None) -> Frequency:
        """The frequency of an alias, or of whole numbers that many apart."""
        return cls(str(alias), zone)

    @classmethod
    def infer(cls, times: np.ndarray | Iterable[np.ndarray], zone: str | None = None) -> Frequency:
        """The most frequent spacing, if it fits all stamps of one or several series, each sorted and distinct.

        Raises:
            DataError: there are no two stamps of one series, or no spacing fits; what to give is said.

        Example:
            >>> Frequency.infer(np.array(["2024-01-31", "2024-02-29", "2024-04-30"], dtype="datetime64[D]")).alias
            'ME'
        """
        from unspool.data.series.spacing import infer

        return infer([times] if isinstance(times, np.ndarray) else list(times), zone)

    def fitted(self, times: np.ndarray) -> Frequency:
        """The same frequency, its steps going through most of these stamps.

        Stamps that are as far behind a place of the grid as the nearest two places are apart belong to no step. Where
        stamps lie everywhere, as days do in quarters, the steps are those that the alias alone means.
        """
        stamps = stamps_of(times, self._steps.integer, self.alias)
        if not len(stamps):
            return Frequency(self.alias, self.zone)
        grid, every = self._steps.grid, self._steps.every
        wall = self._wall(stamps)
        index = grid.index(wall)
        behind = np.stack([index % every, wall - grid.stamps(index)])
        found, counts = np.unique(behind[:, behind[1] < grid.reach], axis=1, return_counts=True)
        usual = counts[(found == 0).all(0)].sum()
        phase = (0, 0) if 2 * usual >= counts.max(initial=0) else tuple(found[:, counts.argmax()])
        return Frequency(self.alias, self.zone, phase)

    @property
    def season(self) -> int:
        """Steps after which values repeat: of hours 24, of days 7, of months 12, …; 1 for none."""
        return seasons.season(self._steps)

    @property
    def integer(self) -> bool:
        """Whether stamps are whole numbers, not dates."""
        return self._steps.integer

    @property
    def by_clock(self) -> bool:
        """Whether steps are hours or less, which go on evenly through a change of the clocks."""
        return self._steps.by_clock

    def located(self, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`[n]` int64, the number of the last step at or before each stamp, and `[n]` bool: whether it is that step.

        Raises:
            DataError: the stamps are dates and the steps whole numbers or the other way round, or a stamp is missing.
        """
        stamps = stamps_of(times, self.integer, self.alias)
        places = self._steps.grid.index(self._wall(stamps) - self.phase[1])
        ordinals = (places - self.phase[0]) // self._steps.every
        return ordinals, self._stamps(ordinals) == stamps

    def ordinals(self, times: np.ndarray) -> np.ndarray:
        """`[n]` int64: the number of the step that each stamp is, of datetime64 (UTC where there is a zone) or int64.

        Raises:
            DataError: a stamp is on no step, missing, or of the other kind; the first such is named.
        """
        ordinals, fits = self.located(times)
        if not fits.all():
            raise DataError(self.misfit(np.asarray(times)[int(fits.argmin())]))
        return ordinals

    def misfit(self, stamp: Any) -> str:
        """What to say of a stamp that is on no step."""
        around = self.times(self.located(np.asarray([stamp]))[0] + np.arange(2))
        before, after = (shown_stamp(time, self.zone) for time in around)
        return (
            f"{shown_stamp(stamp, self.zone)} is on no step of frequency {self.alias!r}: the steps beside it are "
            f"{before} and {after}; mend or round it, or name the right frequency in training (--freq)"
            f"{read_as_utc(self.zone, self.by_clock)}"
        )

    def times(self, ordinals: np.ndarray) -> np.ndarray:
        """`[n]`: the stamp of each step, datetime64[ns] (UTC where there is a zone) or int64.

        Raises:
            DataError: a step is before 1678 or after 2261.
        """
        stamps = self._stamps(self._possible(np.asarray(ordinals, dtype=np.int64)))
        return stamps if self.integer else stamps.astype("datetime64[ns]")

    @property
    def cycles(self) -> tuple[str, ...]:
        """The cycles of the calendar in which steps differ, the shortest first; none for whole numbers."""
        return cycles.places_of(self._steps)

    def cycles_within(self, first: int, last: int) -> tuple[str, ...]:
        """Those of `cycles` that steps `first` to `last` go through twice: of others they show one round at most, of
        which nobody knows whether it will come again.

        Example:
            >>> Frequency.of("D").cycles_within(0, 400)
            ('day of week', 'day of month')
        """
        if self.integer:
            return ()
        begin, end = self._stamps(self._possible(np.array([first, last + 1], dtype=np.int64)))
        return cycles.held_twice(self.cycles, int(end - begin))

    def features(self, ordinals: np.ndarray, of: tuple[str, ...] | None = None) -> np.ndarray:
        """`[n, 2 · cycles]` float32: sine and cosine of the place of each step in the cycles `of`, by default all, by
        the clock on the wall.

        Example:
            >>> Frequency.of("MS").features(np.array([0, 3])).round(2).tolist()
            [[0.0, 1.0], [1.0, 0.0]]
        """
        names = self.cycles if of is None else of
        if not names:
            return np.empty((len(ordinals), 0), dtype=np.float32)
        stamps = self._stamps(self._possible(np.asarray(ordinals, dtype=np.int64)))
        return cycles.features(names, on_the_wall(stamps, self.zone))

    def lags(self, most: int, season: int | None = None) -> tuple[int, ...]:
        """Steps back that matter, ascending, at most `most`: 1 to 7, and around cycles of the calendar and of `season`.

        Example:
            >>> Frequency.of("h").lags(50), Frequency.of("1").lags(30, season=24)
            ((1, 2, 3, 4, 5, 6, 7, 23, 24, 25, 47, 48, 49), (1, 2, 3, 4, 5, 6, 7, 23, 24, 25))
        """
        return seasons.lags(self._steps, most, season)

    @property
    def _steps(self) -> Steps:
        return steps_of(self.alias)

    @property
    def _by_wall(self) -> bool:
        return self.zone is not None and not self.by_clock

    def _wall(self, stamps: np.ndarray) -> np.ndarray:
        return on_the_wall(stamps, self.zone) if self._by_wall else stamps

    def _stamps(self, ordinals: np.ndarray) -> np.ndarray:
        stamps = self._steps.grid.stamps(ordinals * self._steps.every + self.phase[0]) + self.phase[1]
        return utc(stamps, self.zone) if self._by_wall else stamps

    def _possible(self, ordinals: np.ndarray) -> np.ndarray:
        if self.integer or not len(ordinals):
            return ordinals
        first, last = (self._steps.grid.index(np.array([FIRST, LAST])) // self._steps.every).tolist()
        if ordinals.min() <= first or ordinals.max() >= last:
            raise DataError(
                f"steps {ordinals.min()} to {ordinals.max()} of frequency {self.alias!r} are not all between 1678 and "
                "2261, the years that nanoseconds reach; give a shorter horizon, or train on numbered steps (--freq 1)"
            )
        return ordinals
