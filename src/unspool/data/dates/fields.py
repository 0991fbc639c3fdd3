"""What a written date is made of: a moment, and the fields that write one component of it each.

A pattern such as ``d. MMMM y`` is compiled once to a row of fields. Each field is a table of texts, indexed by one
component of the moment, so that writing a date is a few look-ups and reading one is the same tables backwards.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

FIRST_YEAR, LAST_YEAR = 1950, 2049  # one hundred years: a two-digit year has exactly one reading


class Moment(NamedTuple):
    """A date and a time of day, every component counted from 0 (``year`` from `FIRST_YEAR`, ``weekday`` from Monday).

    ``always`` is the index that literal text is looked up with.
    """

    year: int
    month: int
    day: int
    weekday: int
    hour: int = 0
    minute: int = 0
    second: int = 0
    always: int = 0


SIZES = Moment(LAST_YEAR - FIRST_YEAR + 1, 12, 31, 7, 24, 60, 60, 1)
YEAR, MONTH, DAY, WEEKDAY, HOUR, MINUTE, SECOND, ALWAYS = range(len(SIZES))


class Field(NamedTuple):
    """``texts[moment[component]]`` is what the field writes."""

    component: int
    texts: tuple[str, ...]


Fields = tuple[Field, ...]


def literal(text: str) -> Field:
    """A field that always writes ``text``."""
    return Field(ALWAYS, (text,))


def joined(fields: Iterable[Field]) -> Fields:
    """The same fields with neighbouring literals made one and empty ones dropped: equal writers become equal rows."""
    row: list[Field] = []
    for field in fields:
        if field.component == ALWAYS and row and row[-1].component == ALWAYS:
            row[-1] = literal(row[-1].texts[0] + field.texts[0])
        elif field.texts != ("",):
            row.append(field)
    return tuple(row)


def write(fields: Fields, moment: Moment) -> str:
    """The text of ``moment``."""
    return "".join([texts[moment[component]] for component, texts in fields])


def components(fields: Fields) -> frozenset[int]:
    """The components that the fields depend on."""
    return frozenset(field.component for field in fields) - {ALWAYS}


def determines(fields: Fields, component: int) -> bool:
    """Whether no two values of ``component`` are written alike (12 hours without a day period would be)."""
    tables = [field.texts for field in fields if field.component == component]
    return len(set(zip(*tables, strict=True))) == SIZES[component]


def _padded(component: int, first: int, width: int) -> Field:
    return Field(component, tuple(f"{first + i:0{width}}" for i in range(SIZES[component])))


_ISO_DAY = (
    _padded(YEAR, FIRST_YEAR, 4), literal("-"), _padded(MONTH, 1, 2), literal("-"), _padded(DAY, 1, 2)
)  # fmt: skip
_ISO_MINUTE = (*_ISO_DAY, literal("T"), _padded(HOUR, 0, 2), literal(":"), _padded(MINUTE, 0, 2))
_ISO_SECOND = (*_ISO_MINUTE, literal(":"), _padded(SECOND, 0, 2))


def iso_fields(fields: Fields) -> Fields:
    """The fields that write in ISO 8601, to the day, the minute or the second, what ``fields`` write."""
    present = components(fields)
    return _ISO_SECOND if SECOND in present else _ISO_MINUTE if MINUTE in present else _ISO_DAY


@lru_cache
def all_days() -> tuple[Moment, ...]:
    """Every calendar day from 1 January 1950 to 31 December 2049, at midnight: 36,525 moments in order."""
    first = datetime.date(FIRST_YEAR, 1, 1)
    count = (datetime.date(LAST_YEAR + 1, 1, 1) - first).days
    return tuple(_moment(first + datetime.timedelta(days=i)) for i in range(count))


def _moment(day: datetime.date) -> Moment:
    return Moment(day.year - FIRST_YEAR, day.month - 1, day.day - 1, day.weekday())


def to_datetime(moment: Moment) -> datetime.datetime:
    """The same moment in Python's own terms."""
    year, month, day, _, hour, minute, second, _ = moment
    return datetime.datetime(FIRST_YEAR + year, month + 1, day + 1, hour, minute, second)
