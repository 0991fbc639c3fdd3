"""Written dates and times with the part that each character belongs to: the tagger's default data, generated.

Tokens are characters, so that languages without spaces work; tags are BIO: `B-day` and `I-day`, …, and `O` for what
belongs to no part. Days and formats are held out as in `split`; times with a zone, which mean no one moment and so
stand in none of the inventory's formats, are added to it here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice
from random import Random
from typing import NamedTuple

from unspool.data.dates.fields import Moment
from unspool.data.dates.formats import Format, inventory
from unspool.data.dates.sample import stream
from unspool.data.dates.split import split_days, split_formats
from unspool.data.tagged import Tokens
from unspool.errors import ConfigError, UnspoolError

ZONED = 0.2
"""Share of the lines with a time whose time has a zone."""


class TaggedSplits(NamedTuple):
    """The examples of the default job, in memory; the test parts are those of `unspool.data.dates.default_splits`."""

    train: list[Tokens]
    valid: list[Tokens]
    test_dates: list[Tokens]
    test_formats: list[Tokens]


def tagged_splits(
    seed: int = 0, train_size: int = 30_000, valid_size: int = 1_000, test_size: int = 3_000
) -> TaggedSplits:
    """Training, validation and both test parts (`test_size` each), a pure function of the arguments.

    Raises:
        UnspoolError: Babel is not installed. ConfigError: a negative size.

    Example:
        >>> line = tagged_splits(seed=0, train_size=1, valid_size=0, test_size=0).train[0]
        >>> len(line.tokens) == len(line.tags)
        True
    """
    if min(train_size, valid_size, test_size) < 0:
        raise ConfigError(f"sizes count examples, from 0 up, but are {train_size}, {valid_size} and {test_size}")
    _check_babel()
    days, formats = split_days(seed), split_formats(seed)
    trained: dict[str, list[Format]] = {}
    for format in formats.train:
        trained.setdefault(format.language, []).append(format)

    def drawn(name: str, written_in: Sequence[Format], on: Sequence[Moment]) -> Iterator[Tokens]:
        return _drawn(written_in, on, f"{seed}/tagged/{name}", trained if written_in is formats.test else {})

    return TaggedSplits(
        list(islice(drawn("train", formats.train, days.train), train_size)),
        list(islice(drawn("valid", formats.train, days.valid), valid_size)),
        list(islice(drawn("test_dates", formats.train, days.test), test_size)),
        list(islice(drawn("test_formats", formats.test, days.train), test_size)),
    )


def _check_babel() -> None:
    try:
        import babel  # noqa: F401
    except ModuleNotFoundError as error:
        raise UnspoolError(
            f"written dates need Babel's locale data, but the package {error.name!r} is not installed; install it with "
            "pip install 'unspool[tag]'"
        ) from error


def _drawn(
    formats: Sequence[Format], days: Sequence[Moment], seed: str, known: dict[str, list[Format]]
) -> Iterator[Tokens]:
    """Lines without end; none whose date one of the `known` formats of its language also writes so."""
    random = Random(f"unspool.dates/{seed}/zones")
    for format, moment, _ in stream(formats, days, seed=seed, tag_share=0.0):
        date = _dates()[format.locale, format.digits, format.date_pattern]
        if date.write(moment) not in {other.write(moment) for other in known.get(format.language, ())}:
            yield tagged(format, moment, random)


@cache
def _dates() -> dict[tuple[str, str, str], Format]:
    """The formats that write a date alone."""
    return {(f.locale, f.digits, f.date_pattern): f for f in inventory() if not f.has_time}


def tagged(format: Format, moment: Moment, random: Random) -> Tokens:
    """The line that the format writes for the moment, by characters; a time gets a zone with probability `ZONED`.

    Example:
        >>> from unspool.data.dates.fields import all_days
        >>> format = next(f for f in inventory() if f.pattern == "d. MMMM y" and f.locale == "de")
        >>> line = tagged(format, all_days()[0], Random(0))
        >>> "".join(line.tokens), line.tags[:5]
        ('1. Januar 1950', ('B-day', 'O', 'O', 'B-month', 'I-month'))
    """
    from unspool.data.dates.parts import FILLER, ZONE, parts

    zoned = format.has_time and random.random() < ZONED
    pattern = _choice(random, _zoned(format.locale, format.date_pattern)) if zoned else format.pattern
    tokens: list[str] = []
    tags: list[str] = []
    for name, field in parts(format.locale, pattern, format.digits):
        text = _choice(random, field.texts) if name == ZONE else field.texts[moment[field.component]]
        tokens += text
        tags += ["O"] * len(text) if name == FILLER else [f"B-{name}", *[f"I-{name}"] * (len(text) - 1)][: len(text)]
    return Tokens(tuple(tokens), tuple(tags), format.name)


def _choice(random: Random, texts: Sequence[str]) -> str:
    return texts[int(random.random() * len(texts))]


@cache
def _zoned(locale: str, date_pattern: str) -> tuple[str, ...]:
    """A date pattern joined to each of the locale's times with a zone."""
    from unspool.data.dates import locale_data
    from unspool.data.dates.parts import zoned_times

    joining = dict(locale_data.date_patterns(locale))[date_pattern]
    return tuple(joining.replace("{0}", time).replace("{1}", date_pattern) for time in zoned_times(locale))
