"""The parts of a written date, each with its name: what a pattern's letters stand for, time zones included.

Pattern letters are those of Unicode Technical Standard #35, part 4
(https://www.unicode.org/reports/tr35/tr35-dates.html).
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

from babel.core import Locale
from babel.dates import tokenize_pattern

from unspool.data.dates.fields import ALWAYS, Field
from unspool.data.dates.locale_data import DIGITS, STYLES, compiled

FILLER, ZONE = "filler", "zone"
_NAMES = {
    **dict.fromkeys("Ec", "weekday"),
    **dict.fromkeys("d", "day"),
    **dict.fromkeys("ML", "month"),
    **dict.fromkeys("y", "year"),
    **dict.fromkeys("G", "era"),
    **dict.fromkeys("hHkK", "hour"),
    **dict.fromkeys("m", "minute"),
    **dict.fromkeys("s", "second"),
    **dict.fromkeys("a", "period"),
    **dict.fromkeys("zv", ZONE),
}
PARTS = tuple(dict.fromkeys(_NAMES.values()))
"""The names of all parts that are not filler."""
_ZONES = {
    "Europe_Central": 1, "Europe_Western": 0, "Europe_Eastern": 2, "GMT": 0, "Moscow": 3, "India": 5.5, "China": 8,
    "Japan": 9, "Korea": 9, "Indochina": 7, "Indonesia_Western": 7, "America_Eastern": -5, "America_Central": -6,
    "America_Pacific": -8, "Brasilia": -3, "Australia_Eastern": 10, "Israel": 2, "Arabian": 3,
}  # fmt: skip
"""Zones by CLDR's name, with their hours east of Greenwich in winter."""


class Part(NamedTuple):
    """`name` of what `field` writes. A zone's texts are drawn from; every other field is indexed by the moment."""

    name: str
    field: Field


Parts = tuple[Part, ...]


@cache
def parts(locale: str, pattern: str, digits: str) -> Parts:
    """The parts of a pattern in order; those that write nothing are left out."""
    found: list[Part] = []
    for _, value in tokenize_pattern(pattern):
        if isinstance(value, str):
            found.append(Part(FILLER, Field(ALWAYS, (value,))))
            continue
        letter, width = value
        if letter in "zv":
            found.append(Part(ZONE, Field(ALWAYS, zones(locale, letter, width, digits))))
        else:
            found += [Part(_NAMES[letter], field) for field in compiled(locale, letter * width, digits) or ()]
    return tuple(found)


def zoned_times(locale: str) -> list[str]:
    """The patterns in which the locale writes a time with its zone."""
    data = Locale.parse(locale)
    named = [data.time_formats[style] for style in STYLES]
    named += [value for _, value in sorted(data.datetime_skeletons.items())]
    patterns = dict.fromkeys(str(getattr(value, "pattern", value)) for value in named)
    return [pattern for pattern in patterns if _is_zoned(_letters(pattern))]


def _is_zoned(letters: set[str]) -> bool:
    return "m" in letters and bool(letters & set("zv")) and letters <= set("hHkKmsazv")


def _letters(pattern: str) -> set[str]:
    return {value[0] for _, value in tokenize_pattern(pattern) if not isinstance(value, str)}


@cache
def zones(locale: str, letter: str, width: int, digits: str) -> tuple[str, ...]:
    """How a locale writes time zones: names if `width` is 4, else abbreviations; without one, hours from GMT."""
    data = Locale.parse(locale)
    size = "long" if width == 4 else "short"
    texts: dict[str, None] = {}
    for zone, hours in _ZONES.items():
        named = data.meta_zones.get(zone, {}).get(size, {})
        kinds = ("generic",) if letter == "v" else ("standard", "daylight")
        found = [named[kind] for kind in kinds if kind in named] or [_offset(data, hours, width, digits)]
        texts.update(dict.fromkeys(found))
    return tuple(texts)


def _offset(data: Locale, hours: float, width: int, digits: str) -> str:
    whole, minutes = divmod(round(60 * abs(hours)), 60)
    text = f"{whole:02}:{minutes:02}" if width == 4 else f"{whole}:{minutes:02}" if minutes else f"{whole}"
    signed = f"{'-' if hours < 0 else '+'}{text.translate(str.maketrans(DIGITS['latn'], DIGITS[digits]))}"
    return str(data.zone_formats["gmt"]) % (signed if hours else "")
