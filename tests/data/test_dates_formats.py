"""The inventory against Babel itself, format by format."""

from __future__ import annotations

import datetime
import sys
from random import Random

import pytest
from babel.dates import format_date, format_datetime

import unspool.data.dates as dates_package
from unspool.data.dates import LOCALES, Format, inventory
from unspool.data.dates.fields import LAST_YEAR, SIZES, Moment, all_days, components, to_datetime
from unspool.data.dates.locale_data import DIGITS, compiled, date_patterns, time_patterns
from unspool.errors import UnspoolError


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> Moment:
    weekday = datetime.date(year, month, day).weekday()
    return Moment(year - 1950, month - 1, day - 1, weekday, hour, minute, second)


def random_moments(count: int, seed: str) -> list[Moment]:
    random = Random(seed)
    times = [(random.randrange(24), random.randrange(60), random.randrange(60)) for _ in range(count)]
    return [Moment(*random.choice(all_days())[:4], *time) for time in times]


def named(locale: str, pattern: str, digits: str = "latn") -> Format:
    return next(f for f in inventory() if f.name == f"{locale}|{digits}|{pattern}")


@pytest.mark.parametrize("locale", LOCALES)
def test_every_format_writes_what_babel_writes(locale: str) -> None:
    edges = [at(1950, 1, 1), at(2049, 12, 31, 23, 59, 59), at(2000, 2, 29, 12, 0, 0), at(2012, 11, 10, 11, 30, 9)]
    for format in (f for f in inventory() if f.locale == locale):
        table = str.maketrans(DIGITS["latn"], DIGITS[format.digits])
        for moment in edges + random_moments(6, format.name):
            expected = format_datetime(to_datetime(moment), format.pattern, locale=locale).translate(table)
            assert format.write(moment) == expected, format.name


@pytest.mark.parametrize("locale", LOCALES)
def test_babels_own_styles_are_all_there(locale: str) -> None:
    formats = [f for f in inventory() if f.locale == locale and f.digits == "latn"]
    for moment in random_moments(5, locale):
        texts = {f.write(moment) for f in formats}
        when = to_datetime(moment)
        assert {format_date(when, style, locale=locale) for style in ("full", "long", "medium", "short")} <= texts
        assert {format_datetime(when, style, locale=locale) for style in ("medium", "short")} <= texts


def test_iso_is_what_python_writes() -> None:
    for format in inventory()[::7]:
        for moment in random_moments(3, format.name):
            when = to_datetime(moment)
            if not format.has_time:
                assert format.iso(moment) == when.date().isoformat()
            else:
                timespec = "seconds" if 6 in components(format.fields) else "minutes"
                assert format.iso(moment) == when.isoformat(timespec=timespec)


def test_at_least_twenty_languages_with_six_formats_or_more_each() -> None:
    assert len({f.language for f in inventory()}) >= 20
    for locale in LOCALES:
        assert len({f.date_pattern for f in inventory() if f.locale == locale}) >= 6


def test_names_and_writers_are_unique_and_weights_sum_to_one() -> None:
    assert len({f.name for f in inventory()}) == len(inventory())
    assert len({(f.locale, f.fields) for f in inventory()}) == len(inventory())
    assert sum(f.weight for f in inventory()) == pytest.approx(1)
    for locale in LOCALES:
        assert sum(f.weight for f in inventory() if f.locale == locale) == pytest.approx(1 / len(LOCALES))
    assert sum(f.weight for f in inventory() if f.has_time) == pytest.approx(0.5)


def test_the_examples_of_the_readme_are_written() -> None:
    assert named("de", "d. MMMM y").write(at(2021, 5, 3)) == "3. Mai 2021"
    assert named("nl", "EEEE d MMMM y").write(at(1995, 6, 12)) == "maandag 12 juni 1995"
    assert named("ja", "y年M月d日", "fullwide").write(at(2021, 5, 3)) == "２０２１年５月３日"
    assert named("ar", "d MMMM y", "arab").write(at(2021, 5, 3)) == "٣ مايو ٢٠٢١"
    assert named("en_US", "M/d/yy").write(at(2021, 4, 3)) == "4/3/21"


def test_patterns_that_do_not_determine_a_date_or_time_are_left_out() -> None:
    for locale in LOCALES:
        for pattern, joining in date_patterns(locale):
            fields = compiled(locale, pattern, "latn")
            assert fields is not None
            assert {0, 1, 2} <= components(fields) <= {0, 1, 2, 3}
            assert "{0}" in joining and "{1}" in joining
        for pattern in time_patterns(locale):
            twelve_hours = "h" in pattern or "K" in pattern
            assert ("a" in pattern) >= twelve_hours, "12 hours need the day period"
    assert compiled("en_US", "HH:mm z", "latn") is None
    assert compiled("en_US", "QQQ y", "latn") is None


def test_all_days_are_all_days() -> None:
    days = all_days()
    assert len(days) == 36525 and SIZES.year == 100
    assert to_datetime(days[0]) == datetime.datetime(1950, 1, 1)
    assert to_datetime(days[-1]) == datetime.datetime(LAST_YEAR, 12, 31)
    assert all(to_datetime(day).weekday() == day.weekday for day in days[::97])


def test_without_babel_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "babel", None)
    monkeypatch.setitem(sys.modules, "babel.core", None)
    monkeypatch.delitem(sys.modules, "unspool.data.dates.locale_data")
    monkeypatch.delattr(dates_package, "locale_data")
    with pytest.raises(UnspoolError, match=r"pip install 'unspool\[translate\]'"):
        inventory.__wrapped__()
