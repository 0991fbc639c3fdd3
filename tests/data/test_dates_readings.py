"""Reading backwards, against forward enumeration of every day."""

from __future__ import annotations

import re
import time
from collections import defaultdict
from random import Random

import pytest

from unspool.data.dates import (
    Example,
    Format,
    Reader,
    ceiling,
    default_splits,
    draw,
    inventory,
    readings,
    split_formats,
    with_tag,
)
from unspool.data.dates.fields import Moment, all_days
from unspool.data.dates.sample import written
from unspool.errors import DataError

NUMERIC = [
    f
    for f in inventory()
    if f.locale in ("en_US", "es", "ko", "fi") and re.fullmatch(r"[yMd./ G]+", f.pattern) and "MMM" not in f.pattern
]


def named(locale: str, pattern: str) -> Format:
    return next(f for f in inventory() if f.locale == locale and f.pattern == pattern)


def test_every_format_reads_back_what_it_writes() -> None:
    random = Random(0)
    for format in inventory():
        for tagged in (True, False):
            time = (random.randrange(24), random.randrange(60), random.randrange(60))
            example = written(format, Moment(*random.choice(all_days())[:4], *time), tagged)
            assert example.target in readings(example.source), example


def enumerated() -> dict[str, dict[str, float]]:
    """Text → ISO → probability by writing every day in every numeric format: no parsing at all."""
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for format in NUMERIC:
        for day in all_days():
            found[format.write(day)][format.iso(day)] += format.weight
    return found


def test_readings_and_their_weights_equal_enumeration() -> None:
    truth, reader = enumerated(), Reader(NUMERIC)
    assert len(NUMERIC) >= 8
    for text in Random(1).sample(sorted(truth), 4000):
        total = sum(truth[text].values())
        assert reader.readings(text) == pytest.approx({iso: w / total for iso, w in truth[text].items()}), text


def test_the_ceiling_equals_enumeration_over_all_lines() -> None:
    american, spanish = (named("en_US", "M/d/yy"), named("es", "d/M/yy"))
    pair = [american, spanish]
    # Both readings exist when day and month are at most 12 and differ: 12 · 11 of such days a year, each a toss of a
    # coin that falls as the weights say.
    lines = [written(format, day, False) for format in pair for day in all_days()]
    best = max(american.weight, spanish.weight) / (american.weight + spanish.weight)
    expected = 1 - 12 * 11 * 100 / len(all_days()) * (1 - best)
    assert ceiling(lines, pair) == pytest.approx(expected)
    assert ceiling([with_tag(e, True) for e in lines[::50]], pair) == 1


def test_numeric_short_forms_are_ambiguous_only_without_a_tag() -> None:
    assert set(readings("4/3/21")) == {"2021-04-03", "2021-03-04"}
    assert readings("<en_US> 4/3/21") == {"2021-04-03": 1}
    assert readings("<es> 4/3/21") == {"2021-03-04": 1}
    assert readings("25/3/21") == {"2021-03-25": 1}


@pytest.mark.parametrize(
    ("line", "iso"),
    [
        ("3. Mai 2021", "2021-05-03"),
        ("maandag 12 juni 1995", "1995-06-12"),
        ("２０２１年５月３日", "2021-05-03"),
        ("<de> 3. Mai 2021, 14:05:09", "2021-05-03T14:05:09"),
        ("<en_US> May 3, 2021, 12:05\u202fAM", "2021-05-03T00:05"),
    ],
)
def test_known_lines(line: str, iso: str) -> None:
    assert list(readings(line)) == [iso]


@pytest.mark.parametrize(
    "line",
    ["", "hello", "<de> ", "<xx> 3. Mai 2021", "30. Februar 2021", "dinsdag 12 juni 1995", "3. Mai 1949", "2021"],
)
def test_what_no_format_writes_has_no_reading(line: str) -> None:
    assert readings(line) == {}


def test_the_likeliest_reading_is_right_as_often_as_the_ceiling_says() -> None:
    reader = Reader(NUMERIC)
    lines = draw(NUMERIC, all_days(), 4000, seed=2, tag_share=0.0)
    right = sum(next(iter(reader.readings(e.source))) == e.target for e in lines) / len(lines)
    expected = ceiling(lines, NUMERIC)
    assert expected < 0.97
    assert right == pytest.approx(expected, abs=4 * (0.25 / len(lines)) ** 0.5)


def test_a_few_thousand_lines_take_seconds() -> None:
    parts = default_splits(0, train_size=0, valid_size=0, test_size=1000)
    start = time.process_time()
    assert 0.98 < ceiling(parts.test_dates, split_formats(0).train) <= 1
    assert 0.98 < ceiling(parts.test_formats) <= 1
    assert time.process_time() - start < 20


def test_a_foreign_line_and_no_lines_are_errors() -> None:
    with pytest.raises(DataError, match="cannot mean 2021-05-04"):
        ceiling([Example("3. Mai 2021", "2021-05-04", "de", "", False)])
    with pytest.raises(DataError, match="no lines"):
        ceiling([])
