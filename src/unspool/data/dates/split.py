"""What is trained on and what is held out: days never seen in any format, and formats never seen for a language.

The two are scored apart, so that each score is of one thing:

- ``test_dates``: about 8% of the days of 1950–2049, chosen by a hash of the day and the seed, in the trained formats.
  No training line means any of these days.
- ``test_formats``: date patterns that occur in no training line of that language, neither alone nor with a time nor in
  other digits; the days are those of training. A line whose text some trained format of the language also writes for
  that moment (12/12/2021 as ``d/M/y`` and as ``dd/MM/y``) is not drawn.
- ``valid``: a further 4% of the days, in the trained formats: neither training nor test.

A date pattern is held out only if each field of it (that spelling of months, of weekdays, of days) is still shown by
another pattern of the same locale: what training has never spelled nobody could read. Languages with two locales
(British and American English) lose a pattern in both.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from unspool.data.dates.fields import ALWAYS, Field, Moment, all_days
from unspool.data.dates.formats import Format, inventory, reweighted
from unspool.data.dates.sample import Example, draw, stream, written
from unspool.errors import ConfigError

TEST_DAYS, VALID_DAYS = 0.08, 0.04  # shares of the days
HELD_OUT_PATTERNS = 0.15  # share of a language's date patterns, rounded up
LEAST_TRAINED = 6  # date patterns that every locale keeps for training


class Splits(NamedTuple):
    """The examples of the default job, in memory."""

    train: list[Example]
    valid: list[Example]
    test_dates: list[Example]
    test_formats: list[Example]


class Days(NamedTuple):
    """The days of 1950–2049, each in one part."""

    train: list[Moment]
    valid: list[Moment]
    test: list[Moment]


class Formats(NamedTuple):
    """The inventory, each format in one part, with weights that sum to 1 in each."""

    train: list[Format]
    test: list[Format]


def default_splits(
    seed: int = 0,
    train_size: int = 200_000,
    valid_size: int = 2_000,
    test_size: int = 5_000,
    tag_share: float = 0.5,
) -> Splits:
    """Training, validation and both test parts (``test_size`` each), a pure function of the arguments.

    Raises:
        UnspoolError: Babel is not installed.
        ConfigError: ``tag_share`` outside [0, 1], or a negative size.
    """
    if min(train_size, valid_size, test_size) < 0:
        raise ConfigError(f"Sizes count examples, from 0 up, but are {train_size}, {valid_size} and {test_size}")
    days, formats = split_days(seed), split_formats(seed)
    return Splits(
        draw(formats.train, days.train, train_size, seed=f"{seed}/train", tag_share=tag_share),
        draw(formats.train, days.valid, valid_size, seed=f"{seed}/valid", tag_share=tag_share),
        draw(formats.train, days.test, test_size, seed=f"{seed}/test_dates", tag_share=tag_share),
        _unseen_formats(formats, days.train, test_size, seed=f"{seed}/test_formats", tag_share=tag_share),
    )


def _hash(*parts: object) -> float:
    """A number in [0, 1) that depends on nothing but the parts."""
    digest = hashlib.blake2b("/".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


@lru_cache(maxsize=4)
def split_days(seed: int) -> Days:
    """Each day goes where a hash of it and the seed falls."""
    days = Days([], [], [])
    for day in all_days():
        place = _hash("day", seed, *day[:3])
        (days.test if place < TEST_DAYS else days.valid if place < TEST_DAYS + VALID_DAYS else days.train).append(day)
    return days


@lru_cache(maxsize=4)
def split_formats(seed: int) -> Formats:
    """The formats whose date pattern training shows for the language, and those whose it does not."""
    languages: dict[str, list[Format]] = {}
    for format in inventory():
        languages.setdefault(format.language, []).append(format)
    held_out = {(language, p) for language, formats in languages.items() for p in _held_out(formats, seed)}
    train = [f for f in inventory() if (f.language, f.date_pattern) not in held_out]
    test = [f for f in inventory() if (f.language, f.date_pattern) in held_out]
    return Formats(reweighted(train), reweighted(test))


def _held_out(formats: Sequence[Format], seed: int) -> set[str]:
    """The date patterns of one language to hold out: the first by hash that leave every locale enough to learn from."""
    locales: dict[str, dict[str, set[Field]]] = {}
    for format in formats:
        if not format.has_time:
            tables = {field for field in format.fields if field.component != ALWAYS}
            locales.setdefault(format.locale, {}).setdefault(format.date_pattern, set()).update(tables)
    patterns = {pattern for dates in locales.values() for pattern in dates}
    chosen: set[str] = set()
    for pattern in sorted(patterns, key=lambda p: _hash("format", seed, formats[0].language, p)):
        if len(chosen) == math.ceil(HELD_OUT_PATTERNS * len(patterns)):
            break
        if all(_learnable(dates, chosen | {pattern}) for dates in locales.values()):
            chosen.add(pattern)
    return chosen


def _learnable(dates: dict[str, set[Field]], held_out: set[str]) -> bool:
    kept = [tables for pattern, tables in dates.items() if pattern not in held_out]
    needed: set[Field] = set().union(*(dates[pattern] for pattern in dates.keys() & held_out))
    return len(kept) >= LEAST_TRAINED and needed <= set().union(*kept)


def _unseen_formats(
    formats: Formats, days: Sequence[Moment], count: int, *, seed: str, tag_share: float
) -> list[Example]:
    trained: dict[str, list[Format]] = {}
    for format in formats.train:
        trained.setdefault(format.language, []).append(format)
    lines = (
        (format, moment, tagged)
        for format, moment, tagged in stream(formats.test, days, seed=seed, tag_share=tag_share)
        if format.write(moment) not in {other.write(moment) for other in trained[format.language]}
    )
    return [written(*line) for line in islice(lines, count)]
