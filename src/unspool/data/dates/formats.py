"""The inventory: every way in which the locales write a full date, alone or with a time of day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

from unspool.data.dates.fields import MINUTE, Fields, Moment, components, iso_fields, write
from unspool.errors import UnspoolError

LOCALES = (
    "ar", "cs", "da", "de", "el", "en_GB", "en_US", "es", "fi", "fr", "he", "hi", "hu", "id",
    "it", "ja", "ko", "nb", "nl", "pl", "pt", "ro", "ru", "sv", "tr", "uk", "vi", "zh",
)  # fmt: skip
TIME_SHARE = 0.5  # of the lines of a date pattern, those that go on with a time of day
OTHER_DIGITS_SHARE = 0.25  # of the lines of a locale that has native or full-width digits, those written in them


@dataclass(frozen=True, eq=False)
class Format:
    """One way to write a moment in one locale.

    ``pattern`` is Babel's, date and time joined; ``date_pattern`` its date part; ``digits`` the numbering system;
    ``weight`` the probability that the sampler draws it from the whole inventory.
    """

    locale: str
    date_pattern: str
    pattern: str
    digits: str
    weight: float
    fields: Fields

    @cached_property
    def name(self) -> str:
        """Unique in the inventory: ``locale|digits|pattern``."""
        return f"{self.locale}|{self.digits}|{self.pattern}"

    @property
    def language(self) -> str:
        return self.locale.partition("_")[0]

    @cached_property
    def has_time(self) -> bool:
        return MINUTE in components(self.fields)

    def write(self, moment: Moment) -> str:
        """The moment as the locale writes it."""
        return write(self.fields, moment)

    @cached_property
    def iso_fields(self) -> Fields:
        """The fields that write in ISO 8601, to the day, the minute or the second, what this format writes."""
        return iso_fields(self.fields)

    def iso(self, moment: Moment) -> str:
        """The moment in ISO 8601, to the day, minute or second that the format writes."""
        return write(self.iso_fields, moment)


@lru_cache
def inventory() -> tuple[Format, ...]:
    """All formats of all locales; their weights sum to 1.

    A locale is drawn uniformly, then a date pattern of it uniformly, then the digits (`OTHER_DIGITS_SHARE`), then
    whether a time follows (`TIME_SHARE`), then a time pattern uniformly.

    Raises:
        UnspoolError: Babel is not installed.
    """
    return tuple(format for locale in LOCALES for format in _formats(locale, 1 / len(LOCALES)))


def _formats(locale: str, weight: float) -> list[Format]:
    try:
        from unspool.data.dates import locale_data
    except ModuleNotFoundError as error:
        raise UnspoolError(
            f"Written dates need Babel's locale data, but the package {error.name!r} is not installed. "
            "Install it with: pip install 'unspool[translate]'"
        ) from error

    dates, times = locale_data.date_patterns(locale), locale_data.time_patterns(locale)
    found: list[Format] = []
    for digits, share in _digit_shares(locale_data.digit_systems(locale)):
        for date, joining in dates:
            each = weight / len(dates) * share
            written = [(date, 1 - TIME_SHARE)]
            written += [(joining.replace("{0}", time).replace("{1}", date), TIME_SHARE / len(times)) for time in times]
            for pattern, part in written:
                row = locale_data.compiled(locale, pattern, digits)
                assert row is not None, pattern  # both halves were compiled before
                found.append(Format(locale, date, pattern, digits, each * part, row))
    return found


def _digit_shares(systems: tuple[str, ...]) -> list[tuple[str, float]]:
    default, *others = systems
    if not others:
        return [(default, 1.0)]
    return [(default, 1 - OTHER_DIGITS_SHARE), (others[0], OTHER_DIGITS_SHARE)]


def reweighted(formats: list[Format]) -> list[Format]:
    """The same formats with weights that sum to 1 and each locale as likely as any other."""
    totals: dict[str, float] = {}
    for format in formats:
        totals[format.locale] = totals.get(format.locale, 0.0) + format.weight
    return [replace(f, weight=f.weight / totals[f.locale] / len(totals)) for f in formats]
