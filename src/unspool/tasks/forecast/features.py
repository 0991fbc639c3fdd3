"""What a forecaster reads of a step besides the values: calendar, covariates, and which series it is."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from unspool.data.scaler import mean_and_deviation
from unspool.data.series import Covariate, Frequency, Panel
from unspool.data.wording import counted
from unspool.errors import DataError
from unspool.train import Run
from unspool.train.files import read_json, understood

FEATURES = "features.json"
ROLES = ("static", "past", "known")
SERIES = "unique_id"
"""The name of the series' own names among the categories."""


@dataclass(frozen=True)
class Real:
    """A real covariate on the scale of the training data: (x - mean) / deviation."""

    name: str
    role: str
    mean: float
    deviation: float

    @classmethod
    def learn(cls, covariate: Covariate, used: np.ndarray) -> Real:
        """From the rows that are `used` `[rows]`; of a static covariate, from all series."""
        values = np.asarray(covariate.values if covariate.role == "static" else covariate.values[used], np.float64)
        return cls(covariate.name, covariate.role, *mean_and_deviation(values[np.isfinite(values)]))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """`values` `[…]` as `[…, 2]` float32: the value, 0 where there is none, and whether there is one."""
        seen = np.isfinite(values)
        scaled = np.where(seen, (values.astype(np.float64) - self.mean) / self.deviation, 0.0)
        return np.stack([scaled, seen], -1).astype(np.float32)


@dataclass(frozen=True)
class Category:
    """A covariate of words, by number: 0 for none and for words that the training did not have."""

    name: str
    role: str
    words: tuple[str, ...]

    def numbers(self, words: Sequence[str]) -> np.ndarray:
        """The number of each word, and last, of no word, 0."""
        known = {word: number for number, word in enumerate(self.words, 1)}
        return np.array([*(known.get(word, 0) for word in words), 0], dtype=np.int64)


@dataclass(frozen=True)
class Features:
    """What was learned of the training data, to read any data of its kind in the same way.

    Of the calendar, `cycles` are those that the training data goes through twice (docs/decisions/0026). `means` are
    those of the series that had a value, by name; None where they are not read.

    Example:
        >>> panel = Panel.of({"a": [1.0, 2.0], "b": [3.0, 4.0]})
        >>> Features.learn(panel, series=True).categories[0].words
        ('a', 'b')
    """

    frequency: Frequency
    reals: tuple[Real, ...]
    categories: tuple[Category, ...]
    cycles: tuple[str, ...] = ()
    means: Mapping[str, float] | None = None

    @classmethod
    def learn(cls, panel: Panel, *, series: bool, means: bool = False, until: np.ndarray | None = None) -> Features:
        """From the training data, of each series the first `until` steps, `[N]`; with `series`, its name too, and with
        `means`, its mean."""
        reals = [c for c in panel.covariates if c.words is None]
        counts = panel.lengths if until is None else until
        used = _first_rows(panel, counts) if reals else np.zeros(0, bool)
        words = tuple(Category(c.name, c.role, tuple(c.words)) for c in panel.covariates if c.words is not None)
        names = (Category(SERIES, "static", tuple(panel.ids)),) if series else ()
        cycles = panel.frequency.cycles_within(int(panel.starts.min()), int((panel.starts + counts).max()) - 1)
        found = _means(panel, counts) if means else None
        return cls(panel.frequency, tuple(Real.learn(c, used) for c in reals), (*names, *words), cycles, found)

    def widths(self, role: str) -> tuple[int, tuple[int, ...]]:
        """Of a role: how wide its real numbers are, and how many numbers each of its categories has."""
        reals = 2 * sum(real.role == role for real in self.reals)
        return reals, tuple(len(category.words) + 1 for category in self.categories if category.role == role)

    def to_json(self) -> dict[str, Any]:
        """The content of a run's features.json."""
        return {
            "frequency": [self.frequency.alias, self.frequency.zone, list(self.frequency.phase)],
            "reals": [[real.name, real.role, real.mean, real.deviation] for real in self.reals],
            "categories": [[c.name, c.role, list(c.words)] for c in self.categories],
            "cycles": list(self.cycles),
            **({} if self.means is None else {"means": dict(self.means)}),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Features:
        """What `to_json` gave; `ValueError`, `KeyError` or `TypeError` for anything else."""
        reals = tuple(Real(str(n), str(role), float(m), float(d)) for n, role, m, d in content["reals"])
        words = tuple(Category(str(n), str(role), tuple(map(str, w))) for n, role, w in content["categories"])
        if not all(each.role in ROLES for each in (*reals, *words)) or not all(real.deviation > 0 for real in reals):
            raise ValueError("a covariate has no role, or no scale")
        frequency = frequency_of(content["frequency"])
        cycles = tuple(map(str, content.get("cycles", frequency.cycles)))  # runs from before 0026 read all
        if not set(cycles) <= set(frequency.cycles):
            raise ValueError(f"cycles {cycles}")
        means = {str(n): float(m) for n, m in content["means"].items()} if "means" in content else None
        if not all(map(isfinite, (means or {}).values())):
            raise ValueError("the mean of a series is not finite")
        return cls(frequency, reals, words, cycles, means)


def read_features(run: Run) -> Features:
    """What a run learned of its training data; `RunError` where its features.json is missing, damaged or of a run with
    other settings."""
    content = read_json(run.path / FEATURES, "a forecaster's run holds what it learned of its covariates")
    with understood(run.path / FEATURES):
        features = Features.from_json(content)
        means = bool(run.config.get("settings", {}).get("reversion", False))
        if means != (features.means is not None):
            raise ValueError(f"means of series are {'missing' if means else 'there'}")
        return features


def warn_of_unknown(features: Features, panel: Panel) -> None:
    """Say which series and words of `panel`, whose covariates are those of `features`, the training did not have."""
    known = {category.name: category.words for category in features.categories}
    if features.means is not None:
        known[SERIES] = tuple(features.means)
    given = {covariate.name: covariate.words or () for covariate in panel.covariates} | {SERIES: panel.ids}
    for name, words in known.items():
        if new := sorted(set(given[name]) - set(words)):
            warnings.warn(
                f"new to the model, which reads it as unknown: {counted(len(new), 'value')} of {name!r} "
                f"({', '.join(new[:5])})",
                stacklevel=3,
            )


def _first_rows(panel: Panel, counts: np.ndarray) -> np.ndarray:
    """Which rows are among the first `counts` `[N]` of their series: `[rows]`."""
    places = np.arange(len(panel.y)) - np.repeat(panel.offsets[:-1], panel.lengths)
    return places < np.repeat(counts, panel.lengths)


def _means(panel: Panel, counts: np.ndarray) -> dict[str, float]:
    """The mean of what was seen in the first `counts` `[N]` steps of each series, by its name."""
    found: dict[str, float] = {}
    for i, name in enumerate(panel.ids):
        values = panel.history(i)[: int(counts[i])]
        if (seen := values[~np.isnan(values)]).size:
            found[name] = float((seen / seen.size).sum(dtype=np.float64))  # whose sum may be beyond float64
    return found


def frequency_of(content: Any) -> Frequency:
    """The frequency that was written down as alias, zone and phase."""
    alias, zone, (place, behind) = content
    return Frequency(str(alias), None if zone is None else str(zone), (int(place), int(behind)))


class Reader:
    """The features of the rows of one panel, ready to be looked up.

    Args:
        features: what was learned.
        panel: data of the same frequency with the same covariates.

    Raises:
        DataError: the frequency is another, or a covariate is missing or of another kind.
    """

    def __init__(self, features: Features, panel: Panel) -> None:
        if panel.frequency.alias != features.frequency.alias:
            raise DataError(
                f"the steps of the data are of frequency {panel.frequency.alias!r}, but the model was trained on "
                f"{features.frequency.alias!r}; give data of that frequency"
            )
        self._given = {covariate.name: covariate for covariate in panel.covariates}
        self._reals = {role: [r for r in features.reals if r.role == role] for role in ROLES}
        self._categories = {role: [c for c in features.categories if c.role == role] for role in ROLES}
        self._numbers = {
            c.name: c.numbers(
                panel.ids if c.name == SERIES else self._covariate(c.name, c.role, words=True).words or ()
            )
            for c in features.categories
        }
        for real in features.reals:
            self._covariate(real.name, real.role, words=False)
        means = features.means
        self._means = None if means is None else np.array([means.get(name, np.nan) for name in panel.ids])

    def _covariate(self, name: str, role: str, *, words: bool) -> Covariate:
        found = self._given.get(name)
        if found is None or found.role != role:
            raise DataError(
                f"the data has no {role} covariate {name!r}, which the model was trained with; add the column"
            )
        if (found.words is not None) != words:
            kinds = ("words", "numbers") if words else ("numbers", "words")
            raise DataError(f"{name!r} is of {kinds[1]}, but was of {kinds[0]} when the model was trained; give those")
        return found

    def off_mean(self, series: np.ndarray, y: np.ndarray, means: np.ndarray | None = None) -> np.ndarray:
        """The mean of each window `y` `[B, L]` of `series` `[B]` less that of the series in training, or other `means`
        `[B]`, 0 where either is not known: `[B, 1]`; `[B, 0]` if that is not read."""
        if self._means is None:
            return np.zeros((len(y), 0))
        seen, means = ~np.isnan(y), self._means[series] if means is None else means
        counts = np.maximum(seen.sum(1, keepdims=True), 1)
        off = (np.where(seen, y - means[:, None], 0.0) / counts).sum(1)
        return np.nan_to_num(off)[:, None]

    def reals(self, role: str, rows: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """The real numbers of a role at `rows`, none where not `valid`: `[…, widths]` float32."""
        found = [real(np.where(valid, self._given[real.name].values[rows], np.nan)) for real in self._reals[role]]
        return np.concatenate([np.zeros((*rows.shape, 0), np.float32), *found], -1)

    def codes(self, role: str, rows: np.ndarray, valid: np.ndarray) -> np.ndarray:
        """The numbers of a role's categories at `rows`: `[…, categories]` int64."""
        found = [np.zeros((*rows.shape, 0), np.int64)]
        for category in self._categories[role]:
            named = category.name == SERIES
            codes = rows if named else np.where(valid, self._given[category.name].values[rows], -1)
            found.append(self._numbers[category.name][codes][..., None])
        return np.concatenate(found, -1)
