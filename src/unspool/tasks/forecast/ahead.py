"""What is known of the steps ahead, for series that are there already: a state, or a panel."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from unspool.data.series import Panel, SeriesColumns, to_frame
from unspool.tasks.forecast.counts import no_count
from unspool.tasks.forecast.rows import continued


def with_known(panel: Panel, known: Any, columns: SeriesColumns) -> Panel:
    """The histories of `panel`, and after them the known covariates of a data frame `known`.

    Rows of `known` begin after the last observed step of their series; series that the panel lacks are left out, with a
    warning.

    Raises:
        DataError: a row is not after its series, or a column is missing.
    """
    from unspool.data.series.frame import from_frame

    only = _only_known(columns)
    return continued(panel, from_frame(_ends(panel, only), only, panel.frequency, known))


def with_known_files(panel: Panel, known: Sequence[Path], columns: SeriesColumns) -> Panel:
    """`with_known` of files."""
    from unspool.data.series.files import read_series

    only = _only_known(columns)
    with tempfile.TemporaryDirectory() as folder:
        ends = Path(folder, "the latest rows.parquet")
        _ends(panel, only).to_parquet(ends, index=False)
        return continued(panel, read_series([ends], only, panel.frequency, known))


def warn_of_missing(panel: Panel, horizon: int) -> None:
    """Say for how many series a known covariate is not known in all steps to forecast; it is read as missing there."""
    steps = panel.observed[:, None] + np.arange(horizon)
    there = steps < panel.lengths[:, None]
    rows = np.where(there, panel.offsets[:-1, None] + steps, 0)
    for one in panel.covariates:
        if one.role == "known" and len(panel):
            values = one.values[rows]
            lacking = ~there | (np.isnan(values) if one.words is None else values < 0)
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


def _ends(panel: Panel, columns: SeriesColumns) -> Any:
    """The last observed row of each series, with the known covariates, as a data frame."""
    last = panel.offsets[:-1] + panel.observed - 1
    times, ids = panel.frequency.times(panel.origins), np.asarray(panel.ids, dtype=object)
    values = {columns.y: panel.y[last]}
    for one in panel.covariates:
        if one.role == "known":
            words = None if one.words is None else np.array([*one.words, None], dtype=object)
            values[one.name] = one.values[last] if words is None else words[one.values[last]]
    frame = to_frame(ids, times, values, zone=panel.frequency.zone)
    return frame.rename(columns={"unique_id": columns.unique_id, "ds": columns.ds})
