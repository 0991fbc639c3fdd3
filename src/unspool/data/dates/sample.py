"""Examples drawn from formats: a written date and what it means, a pure function of the seed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate, islice
from random import Random
from typing import NamedTuple

from unspool.data.dates.fields import SIZES, Moment
from unspool.data.dates.formats import Format
from unspool.errors import ConfigError

_TAG = re.compile(r"<(\w+)> ")


class Example(NamedTuple):
    """One line: ``source`` as written, with the tag ``<locale>`` and a space in front if ``tagged``; ``target`` in ISO.

    ``format`` is the format's name in the inventory.
    """

    source: str
    target: str
    locale: str
    format: str
    tagged: bool


def with_tag(example: Example, tagged: bool) -> Example:
    """The same example with its locale tag or without: ``<de> 3. Mai 2021`` or ``3. Mai 2021``."""
    text = split_tag(example.source)[1] if example.tagged else example.source
    return example._replace(source=f"<{example.locale}> {text}" if tagged else text, tagged=tagged)


def split_tag(line: str) -> tuple[str | None, str]:
    """The locale that a line is tagged with, if it is, and the rest of the line."""
    match = _TAG.match(line)
    return (match[1], line[match.end() :]) if match else (None, line)


def draw(
    formats: Sequence[Format], days: Sequence[Moment], count: int, *, seed: int | str, tag_share: float
) -> list[Example]:
    """``count`` independent examples.

    A format is drawn by its weight, a day uniformly from ``days``, the time of day uniformly by the second; a line
    carries its locale tag with probability ``tag_share``. The same arguments give the same examples on every machine.

    Raises:
        ConfigError: ``tag_share`` outside [0, 1], or nothing to draw from.
    """
    return [written(*drawn) for drawn in islice(stream(formats, days, seed=seed, tag_share=tag_share), count)]


def written(format: Format, moment: Moment, tagged: bool) -> Example:
    """The line that the format writes for the moment."""
    text = format.write(moment)
    source = f"<{format.locale}> {text}" if tagged else text
    return Example(source, format.iso(moment), format.locale, format.name, tagged)


def stream(
    formats: Sequence[Format], days: Sequence[Moment], *, seed: int | str, tag_share: float
) -> Iterator[tuple[Format, Moment, bool]]:
    """(format, moment, whether tagged) without end: what `draw` writes."""
    if not 0 <= tag_share <= 1:
        raise ConfigError(f"tag_share is a share of the lines, from 0 to 1, but is {tag_share}")
    if not formats or not days:
        raise ConfigError(f"Nothing to draw dates from: {len(formats)} formats and {len(days)} days; give at least one")
    return _drawn(formats, days, Random(f"unspool.dates/{seed}"), tag_share)


def _drawn(
    formats: Sequence[Format], days: Sequence[Moment], random: Random, tag_share: float
) -> Iterator[tuple[Format, Moment, bool]]:
    cumulative = list(accumulate(format.weight for format in formats))
    while True:
        format = random.choices(formats, cum_weights=cumulative)[0]
        moment = _at_random_time(days[_below(random, len(days))], random)
        yield format, moment, random.random() < tag_share


def _below(random: Random, bound: int) -> int:
    return int(random.random() * bound)


def _at_random_time(day: Moment, random: Random) -> Moment:
    second = _below(random, SIZES.hour * SIZES.minute * SIZES.second)
    minutes, second = divmod(second, SIZES.second)
    return Moment(*day[:4], *divmod(minutes, SIZES.minute), second)
