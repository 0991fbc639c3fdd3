"""The date and time patterns of a locale, compiled to fields.

Pattern letters and the choice of the pattern that joins a date to a time are those of Unicode Technical Standard #35,
part 4 (https://www.unicode.org/reports/tr35/tr35-dates.html).
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache

from babel.core import Locale
from babel.dates import DateTimeFormat, tokenize_pattern

from unspool.data.dates import fields
from unspool.data.dates.fields import Field, Fields, components, determines, joined, literal

DIGITS = {
    "latn": "0123456789",
    "fullwide": "０１２３４５６７８９",
    "arab": "٠١٢٣٤٥٦٧٨٩",
    "arabext": "۰۱۲۳۴۵۶۷۸۹",
    "beng": "০১২৩৪৫৬৭৮৯",
    "deva": "०१२३४५६७८९",
}
STYLES = ("full", "long", "medium", "short")
_FULL_WIDTH = ("ja", "zh")  # common in print there, though no locale data says so

_COMPONENT = {
    **dict.fromkeys("y", fields.YEAR),
    **dict.fromkeys("ML", fields.MONTH),
    **dict.fromkeys("d", fields.DAY),
    **dict.fromkeys("Ec", fields.WEEKDAY),
    **dict.fromkeys("ahHkK", fields.HOUR),
    **dict.fromkeys("m", fields.MINUTE),
    **dict.fromkeys("s", fields.SECOND),
    **dict.fromkeys("G", fields.ALWAYS),  # one era in all the years written here
}
_DATE = frozenset({fields.YEAR, fields.MONTH, fields.DAY})
_MINUTES = frozenset({fields.HOUR, fields.MINUTE})
_SECONDS = _MINUTES | {fields.SECOND}


@lru_cache
def _locale(name: str) -> Locale:
    return Locale.parse(name)


def digit_systems(locale: str) -> tuple[str, ...]:
    """The digits that the locale is written in: its default first, then its native or the full-width ones, if any.

    Native systems that are not ten digits in positions (Chinese, Hebrew and Greek numerals) are left out.
    """
    data = _locale(locale)
    native = "fullwide" if locale in _FULL_WIDTH else data.other_numbering_systems.get("native")
    systems = dict.fromkeys((data.default_numbering_system, native))
    return tuple(system for system in systems if system in DIGITS)


def _samples(component: int) -> Iterator[datetime.datetime]:
    """One date and time for each value of a component, in order."""
    for i in range(fields.SIZES[component]):
        # 2 January 1950 was a Monday, so the days from index 1 on run through the weekdays.
        changed = {"day": i + 1} if component == fields.WEEKDAY else {fields.Moment._fields[component]: i}
        yield fields.to_datetime(fields.Moment(0, 0, 0, 0)._replace(**changed))


@cache
def _field(locale: str, letter: str, width: int, digits: str) -> Field:
    component = _COMPONENT[letter]
    table = str.maketrans(DIGITS["latn"], DIGITS[digits])
    texts = (DateTimeFormat(value, _locale(locale))[letter * width] for value in _samples(component))
    return Field(component, tuple(text.translate(table) for text in texts))


def compiled(locale: str, pattern: str, digits: str) -> Fields | None:
    """The fields of a pattern; None if it has a letter that is not written here (zones, quarters, weeks)."""
    row: list[Field] = []
    for _, value in tokenize_pattern(pattern):
        if isinstance(value, str):
            row.append(literal(value))
        elif value[0] in _COMPONENT:
            row.append(_field(locale, *value, digits))
        else:
            return None
    return joined(row)


def _patterns(locale: str, named: Iterable[tuple[str, object]]) -> Iterator[tuple[str, str, Fields]]:
    """(style or skeleton, pattern, fields) of the patterns that can be compiled, each row of fields once."""
    seen: set[Fields] = set()
    for name, value in named:
        pattern = str(getattr(value, "pattern", value))
        row = compiled(locale, pattern, "latn")
        if row is not None and row not in seen and all(determines(row, c) for c in components(row)):
            seen.add(row)
            yield name, pattern, row


def date_patterns(locale: str) -> list[tuple[str, str]]:
    """(pattern, joining pattern) of each way to write year, month and day; with a weekday or an era or without."""
    data = _locale(locale)
    named = [(style, data.date_formats[style]) for style in STYLES]
    named += sorted(data.datetime_skeletons.items())
    return [
        (pattern, str(data.datetime_formats[name if name in STYLES else _joining_style(pattern)]))
        for name, pattern, row in _patterns(locale, named)
        if _DATE <= components(row) <= _DATE | {fields.WEEKDAY}
    ]


def _joining_style(pattern: str) -> str:
    """The style whose joining pattern a skeleton's date takes: section "Missing Skeleton Fields" of the standard."""
    widths = dict(value for _, value in tokenize_pattern(pattern) if not isinstance(value, str))
    month = max(widths.get("M", 0), widths.get("L", 0))
    if month >= 4:
        return "full" if widths.keys() & {"E", "c"} else "long"
    return "medium" if month == 3 else "short"


def time_patterns(locale: str) -> list[str]:
    """Each way to write hour and minute, with seconds or without, 12 hours with a day period or 24."""
    data = _locale(locale)
    named = [(style, data.time_formats[style]) for style in STYLES]
    named += sorted(data.datetime_skeletons.items())
    rows = _patterns(locale, named)
    return [pattern for _, pattern, row in rows if components(row) in (_MINUTES, _SECONDS)]
