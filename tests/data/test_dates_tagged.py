"""The tagger's default data: each character of a written date and the part that it belongs to."""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.dates import Format, inventory, split_days, split_formats
from unspool.data.dates.fields import FIRST_YEAR, Moment, all_days
from unspool.data.dates.parts import PARTS, parts, zoned_times, zones
from unspool.data.dates.tagged import ZONED, tagged, tagged_splits
from unspool.data.tagged import Tokens
from unspool.errors import ConfigError


def found(line: Tokens) -> dict[str, list[str]]:
    """The texts of each part, by a reading of BIO of its own."""
    texts: dict[str, list[str]] = {}
    for token, tag in zip(line.tokens, line.tags, strict=True):
        kind, _, name = tag.partition("-")
        if kind == "B":
            texts.setdefault(name, []).append(token)
        elif kind == "I":
            texts[name][-1] += token
    return texts


def number(text: str) -> int:
    """The number in a text, whatever its digits."""
    return int("".join(str(unicodedata.digit(c)) for c in text if unicodedata.digit(c, None) is not None))


class NoZone(Random):
    def random(self) -> float:
        return 1.0


MOMENTS = st.builds(
    lambda day, hour, minute, second: day._replace(hour=hour, minute=minute, second=second),
    st.sampled_from(all_days()), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59),
)  # fmt: skip


@given(format=st.sampled_from(inventory()), moment=MOMENTS)
def test_every_format_is_cut_into_its_parts(format: Format, moment: Moment) -> None:
    line = tagged(format, moment, NoZone())
    assert "".join(line.tokens) == format.write(moment)
    assert all(len(token) == 1 for token in line.tokens)
    texts = found(line)
    assert {"day", "month", "year"} <= texts.keys() <= set(PARTS) - {"zone"}
    assert number(texts["day"][0]) == moment.day + 1
    assert number(texts["year"][0]) % 100 == (FIRST_YEAR + moment.year) % 100
    if format.has_time:
        assert number(texts["minute"][0]) == moment.minute
        assert number(texts["hour"][0]) % 12 == moment.hour % 12
    else:
        assert not texts.keys() & {"hour", "minute", "second", "period"}
    if "second" in texts:
        assert number(texts["second"][0]) == moment.second


def test_a_line_part_by_part() -> None:
    named = {f.name: f for f in inventory()}
    format = next(f for name, f in named.items() if name.startswith("en_US|latn|EEEE, MMMM d, y") and "ss" in name)
    texts = found(tagged(format, all_days()[2]._replace(hour=11, minute=4, second=5), NoZone()))
    shown = ("weekday", "month", "day", "year", "hour", "minute", "second")
    assert [texts[name] for name in shown] == [["Tuesday"], ["January"], ["3"], ["1950"], ["11"], ["04"], ["05"]]


def test_the_names_of_a_pattern_in_order() -> None:
    cut = parts("en_US", "MMM d, y G h:mm a zzzz", "latn")
    assert [part.name for part in cut if part.name != "filler"] == [
        "month", "day", "year", "era", "hour", "minute", "period", "zone",
    ]  # fmt: skip
    assert ["".join(part.field.texts) for part in cut if part.name == "filler"] == [" ", ", ", " ", " ", ":", " ", " "]
    assert [part.field.texts for part in parts("en_US", "G", "latn")] == [("AD",)]


def test_zones_are_written_as_the_locale_writes_them() -> None:
    assert {"MEZ", "MESZ", "GMT", "GMT+5:30", "GMT-5"} <= set(zones("de", "z", 1, "latn"))
    assert "Mitteleuropäische Sommerzeit" in zones("de", "z", 4, "latn")
    assert "غرينتش+٥:٣٠" in zones("ar", "z", 1, "arab")
    assert all("z" in pattern or "v" in pattern for pattern in zoned_times("ja")) and zoned_times("ja")


def test_some_times_have_a_zone() -> None:
    lines = tagged_splits(seed=3, train_size=2000, valid_size=0, test_size=0).train
    timed = [line for line in lines if "B-minute" in line.tags]
    share = sum("B-zone" in line.tags for line in timed) / len(timed)
    assert abs(share - ZONED) < 0.06 and 0.4 < len(timed) / len(lines) < 0.6
    for line in lines:
        assert all(a[2:] == b[2:] for a, b in pairwise(line.tags) if b[0] == "I") and line.tags[0][0] != "I"


def test_parts_are_of_their_days_and_formats() -> None:
    splits = tagged_splits(seed=1, train_size=300, valid_size=100, test_size=100)
    assert [len(part) for part in splits] == [300, 100, 100, 100]
    formats, days = split_formats(1), split_days(1)
    trained, held_out = ({f.name for f in part} for part in formats)
    assert {line.place for part in splits[:3] for line in part} <= trained
    assert {line.place for line in splits.test_formats} <= held_out
    months = {(day.year % 100, day.day + 1) for day in days.test}
    for line in splits.test_dates:
        texts = found(line)
        assert ((number(texts["year"][0]) - FIRST_YEAR) % 100, number(texts["day"][0])) in months


def test_the_data_depend_on_the_seed_only() -> None:
    one, again, other = (tagged_splits(seed, 20, 5, 5) for seed in (0, 0, 1))
    assert one == again and one.train != other.train
    assert tagged_splits(0, 50, 5, 5).train[:20] == one.train
    with pytest.raises(ConfigError, match="from 0 up"):
        tagged_splits(0, -1)
