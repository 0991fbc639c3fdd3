"""How to mend tables that are written in other ways: cells between semicolons, decimal commas."""

from __future__ import annotations

import re

SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
"""What separates cells in some files."""


def hint_of_separator(header: str) -> str:
    """How to mend a table whose one column has this name, if that seems to be several; else nothing."""
    found = next((name for mark, name in SEPARATORS.items() if mark in header), None)
    if found is None:
        return ""
    return (
        f"its cells seem to be separated by {found}; expected commas, or tabs in a file that ends in .tsv, and decimal "
        "numbers with a point"
    )


def hint_of_cell(value: str) -> str:
    """How to mend a cell, as it is written with its quotes, that is no number."""
    return "write decimal numbers with a point" if re.fullmatch(r"'[+-]?[\d.]+,\d+'", value) else "mend the row"
