"""The forms of a table: a text a row, a sequence a row; `unspool.data.long_form` has the third, a step a row."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from unspool.data.belongings import Belongings, key_columns, number_columns
from unspool.data.columns import Columns
from unspool.data.long_form import long_form
from unspool.data.sequences import Sequences, starts_and_end
from unspool.data.tables import Table, TableFile, open_table, place, read_table, require
from unspool.errors import DataError


def read_table_sequences(path: Path, columns: Columns, *, labelled: bool, empty_labels: bool) -> Sequences:
    """The sequences of a table, in the form that `columns` names or that its columns show."""
    file = open_table(path)
    form = columns.form if columns.form != "auto" else _form(file, columns)
    if form == "wav":
        raise DataError(f"{path} is a table; expected audio files, or a folder of them, for the form 'wav'")
    if labelled:
        require(file, columns.label, "label", "--label-column")
        if columns.group is not None:
            require(file, columns.group, "group", "--group")
    read = {"text": _text_form, "long": long_form, "wide": _wide_form}[form]
    return read(file, columns, Belongings(columns, labelled, empty_labels))


def _form(file: TableFile, columns: Columns) -> str:
    if columns.text in file.names:
        return "text"
    return "long" if {columns.id, columns.time} <= set(file.names) else "wide"


def _text_form(file: TableFile, columns: Columns, belongings: Belongings) -> Sequences:
    require(file, columns.text, "text", "--text-column")
    table = read_table(file, {columns.text: "text", **key_columns(file, columns)})
    labels, groups, ids = belongings.of_rows(table)
    places = partial(_place, file, ids)
    return Sequences("text", table.texts(columns.text), None, None, (), labels, groups, places, ids)


def _wide_form(file: TableFile, columns: Columns, belongings: Belongings) -> Sequences:
    keys = key_columns(file, columns)
    steps = number_columns(file, [name for name in file.names if name not in keys])
    table = read_table(file, {**dict.fromkeys(steps, "number"), **keys})
    values = np.stack([table.numbers(name) for name in steps], axis=1)
    lengths = _lengths(table, steps, values)
    labels, groups, ids = belongings.of_rows(table)
    numbers = values[np.arange(len(steps)) < lengths[:, None]][:, None]
    places = partial(_place, file, ids)
    return Sequences("numbers", None, numbers, starts_and_end(lengths), ("value",), labels, groups, places, ids)


def _lengths(table: Table, steps: list[str], values: np.ndarray) -> np.ndarray:
    """`[rows]`: steps up to the last one that is not empty; every one before it must be a finite number."""
    filled = np.stack([table.filled(name) for name in steps], axis=1)
    lengths = np.where(filled.any(1), len(steps) - filled[:, ::-1].argmax(1), 0)
    wrong = (np.arange(len(steps)) < np.maximum(lengths, 1)[:, None]) & ~np.isfinite(values)
    if wrong.any():
        row, step = divmod(int(wrong.argmax()), len(steps))
        raise table.refused(steps[step], row, "a finite number (only cells at the end of a row may be empty)")
    return lengths


def _place(file: TableFile, ids: list[str] | None, i: int) -> str:
    return place(file, i) + (f" (id {ids[i]!r})" if ids is not None else "")
