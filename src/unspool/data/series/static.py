"""Static covariates: one value of a column for each series."""

from __future__ import annotations

import numpy as np

from unspool.data.series.covariate import Covariate
from unspool.data.series.gather import Gathered
from unspool.errors import DataError


def static_covariate(gathered: Gathered, name: str, used: np.ndarray) -> Covariate:
    """The value of the series of these numbers; where a row has none, that of their other rows.

    Raises:
        DataError: two rows of a series have different values.
    """
    spool, words = gathered.covariates[name], gathered.words_of(name)
    values = np.full(len(gathered.ids), gathered.missing(name), spool.dtype)
    rows = np.zeros(len(values), dtype=np.int64)
    for block in gathered.blocks():
        given = spool.read(block.first, block.first + len(block.series))
        there = np.flatnonzero(_filled(given))
        members, given = block.series[there], given[there]
        new = np.flatnonzero(~_filled(values[members]))[::-1]  # of several rows of one series, the first comes last
        values[members[new]], rows[members[new]] = given[new], block.first + there[new]
        unlike = values[members] != given
        if unlike.any():
            at = int(unlike.argmax())
            series = int(members[at])
            one, other = (words[int(v)] if words else v.item() for v in (given[at], values[series]))
            raise DataError(
                f"{gathered.place(block.first + int(there[at]))}: {name!r} of series {gathered.ids.texts[series]!r} is "
                f"{one!r}, but {other!r} in {gathered.place(int(rows[series]))}; expected one value a series: mend it, "
                "or name the column in training with --past or --known"
            )
    return Covariate(name, "static", values[used], words)


def _filled(values: np.ndarray) -> np.ndarray:
    return values >= 0 if values.dtype == np.int32 else ~np.isnan(values)
