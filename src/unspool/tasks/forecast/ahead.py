"""What is known of the steps ahead, for series that are there already: a state, or a panel."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unspool.data.series import Panel, SeriesColumns
from unspool.tasks.forecast.counts import no_count
from unspool.tasks.forecast.rows import completed, joined


def with_known(panel: Panel, known: Any, columns: SeriesColumns) -> Panel:
    """`panel`, and after its histories the known covariates of a data frame `known`.

    Rows of `known` begin after the last observed step of their series; series that the panel lacks are left out, with a
    warning.

    Raises:
        DataError: a row is not after its series, or a column is missing.
    """
    from unspool.data.series.onward import frames

    found = frames(None, _only_known(columns), panel.frequency, known, going_on=set(panel.ids))
    return joined(panel, completed(found, panel))


def with_known_files(panel: Panel, known: Sequence[Path], columns: SeriesColumns) -> Panel:
    """`with_known` of files."""
    from unspool.data.series.onward import files

    found = files((), _only_known(columns), panel.frequency, known, going_on=set(panel.ids))
    return joined(panel, completed(found, panel))


def warn_of_missing(panel: Panel, horizon: int) -> None:
    """Say for how many series a known covariate is not known in all steps to forecast; it is read as missing there."""
    steps = panel.observed[:, None] + np.arange(horizon)
    there = steps < panel.lengths[:, None]
    rows = np.where(there, panel.offsets[:-1, None] + steps, 0)
    for one in panel.covariates:
        if one.role == "known" and len(panel):
            lacking = ~there | one.lacking(one.values[rows])
            if count := int(lacking.any(1).sum()):
                warnings.warn(
                    f"{one.name!r} is not known in all of the {horizon} steps to forecast for {count} of {len(panel)} "
                    "series; it is read as missing there: give it with known (--future)",
                    stacklevel=5,
                )


def warn_of_no_count(panel: Panel) -> None:
    """Say that there is a value which a model that counts cannot have learned of."""
    if found := no_count(panel):
        warnings.warn(
            f"{found} whole numbers, at least 0; do not trust the forecast of such a series: mend its values, or train "
            "with --output student-t",
            stacklevel=5,
        )


def _only_known(columns: SeriesColumns) -> SeriesColumns:
    categories = tuple(name for name in columns.categories if name in columns.known)
    return replace(columns, static=(), past=(), categories=categories)
