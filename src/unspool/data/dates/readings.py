r"""What a line can mean, and how often the best possible reader would be right.

A line ``s`` that the sampler may have drawn has the posterior, over formats ``f`` and moments ``m``,

    p(y | s) ∝ Σ_f p(f) · Σ_{m : f writes s for m, f's ISO text of m is y} 1 / (days · times of day of f)

with ``p(f)`` the format's weight and ``f`` of the tag's locale if the line has a tag. The best possible reader answers
``argmax_y p(y | s)`` and is right with probability ``max_y p(y | s)``; the mean of that over lines is the ceiling. The
reader knows the formats, their weights and that all days are equally likely, but not what was drawn. ``4/3/21`` has
two readings without a tag and one with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache

from unspool.data.dates.fields import (
    ALWAYS,
    DAY,
    HOUR,
    MINUTE,
    MONTH,
    SECOND,
    SIZES,
    WEEKDAY,
    YEAR,
    Field,
    Moment,
    all_days,
)
from unspool.data.dates.formats import Format, inventory
from unspool.data.dates.sample import Example, split_tag
from unspool.errors import DataError


class Inverse:
    """One format backwards: a regular expression with a group for each field, and each field's table by its texts."""

    def __init__(self, format: Format) -> None:
        self.format = format
        self._varying = [field for field in format.fields if field.component != ALWAYS]
        times = 1
        for component in {field.component for field in self._varying} & {HOUR, MINUTE, SECOND}:
            times *= SIZES[component]
        self.weight = format.weight / times

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return re.compile("".join(_pattern(field) for field in self.format.fields))

    @cached_property
    def _values(self) -> list[dict[str, set[int]]]:
        return [_by_text(field) for field in self._varying]

    def moment(self, text: str) -> Moment | None:
        """The one moment that the format writes as ``text``, if there is one."""
        match = self._regex.fullmatch(text)
        if match is None:
            return None
        found: dict[int, set[int]] = {}
        for field, values, part in zip(self._varying, self._values, match.groups(), strict=True):
            possible = values.get(part, set())
            found[field.component] = found.get(field.component, possible) & possible
        return self._checked(found, text)

    def _checked(self, found: dict[int, set[int]], text: str) -> Moment | None:
        """The moment of the values found, if they are one of each and writing it gives the text back."""
        single = {component: min(values) for component, values in found.items() if len(values) == 1}
        day = _days_by_date().get((single.get(YEAR, -1), single.get(MONTH, -1), single.get(DAY, -1)))
        if day is None or len(single) < len(found) - (WEEKDAY in found):
            return None
        moment = day._replace(hour=single.get(HOUR, 0), minute=single.get(MINUTE, 0), second=single.get(SECOND, 0))
        return moment if self.format.write(moment) == text else None


def _pattern(field: Field) -> str:
    texts = sorted(set(field.texts), key=len, reverse=True)
    if field.component == ALWAYS:
        return re.escape(texts[0])
    if all(text.isdigit() for text in texts):
        return rf"(\d{{{len(texts[-1])},{len(texts[0])}}})"
    return f"({'|'.join(map(re.escape, texts))})"


def _by_text(field: Field) -> dict[str, set[int]]:
    values: dict[str, set[int]] = {}
    for i, text in enumerate(field.texts):
        values.setdefault(text, set()).add(i)
    return values


@lru_cache
def _days_by_date() -> dict[tuple[int, int, int], Moment]:
    return {day[:3]: day for day in all_days()}


class Reader:
    """The best possible reader of lines drawn from the given formats."""

    def __init__(self, formats: Sequence[Format]) -> None:
        self._candidates: dict[tuple[str | None, str, str], list[Inverse]] = {}
        for format in formats:
            inverse = Inverse(format)
            for ends in _ends(format):
                self._candidates.setdefault((format.locale, *ends), []).append(inverse)
                self._candidates.setdefault((None, *ends), []).append(inverse)

    def readings(self, line: str) -> dict[str, float]:
        """Each ISO text that the line can mean, with its probability, the likeliest first; {} if no format writes it.

        Equally likely readings come in the order of their ISO texts.
        """
        locale, text = split_tag(line)
        weights: dict[str, float] = {}
        for inverse in self._candidates.get((locale, text[:1], text[-1:]), ()):
            moment = inverse.moment(text)
            if moment is not None:
                iso = inverse.format.iso(moment)
                weights[iso] = weights.get(iso, 0.0) + inverse.weight
        total = sum(weights.values())
        return {iso: weight / total for iso, weight in sorted(weights.items(), key=lambda item: (-item[1], item[0]))}


def _ends(format: Format) -> set[tuple[str, str]]:
    """The first and last characters of all that the format writes: what the candidates for a line are found by."""
    first, last = format.fields[0].texts, format.fields[-1].texts
    return {(start, end) for start in {text[0] for text in first} for end in {text[-1] for text in last}}


@lru_cache
def _whole_inventory() -> Reader:
    return Reader(inventory())


def readings(line: str, formats: Sequence[Format] | None = None) -> dict[str, float]:
    """What a line, with a locale tag or without, can mean: see `Reader.readings`.

    Without ``formats`` the whole inventory is read. Build one `Reader` for many lines of other formats.

        >>> list(readings("<de> 3. Mai 2021"))
        ['2021-05-03']
        >>> sorted(readings("4/3/21"))
        ['2021-03-04', '2021-04-03']
    """
    return (_whole_inventory() if formats is None else Reader(formats)).readings(line)


def ceiling(examples: Iterable[Example], formats: Sequence[Format] | None = None) -> float:
    """The expected share of these lines that the best possible reader gets exactly right, in [0, 1].

    ``formats`` are those that the lines were drawn from (a part of `split_formats`); the whole inventory by default.

    Raises:
        DataError: a line that none of the formats writes, or no lines.
    """
    reader = _whole_inventory() if formats is None else Reader(formats)
    shares: list[float] = []
    for example in examples:
        found = reader.readings(example.source)
        if example.target not in found:
            raise DataError(
                f"The line {example.source!r} cannot mean {example.target} in any of the formats given; "
                "expected lines drawn from these very formats"
            )
        shares.append(next(iter(found.values())))
    if not shares:
        raise DataError("The ceiling of no lines is not defined; give at least one example")
    return sum(shares) / len(shares)
