"""The rule-based parser `dateparser` on the test lines of the default job.

    python benchmarks/dates_rule_based.py --lines 1000 > dates_rule_based.json

It gets the same information as the model and the help that a careful user would give it:

- A tagged line is parsed with the tag's locale alone, an untagged one with the 27 languages of the job (all 205 that
  dateparser knows score the same on the validation lines and take twice as long). The order of day and month is left
  to its locale data.
- What a parser should not have to know is put plainly: compatibility forms (NFKC: full-width digits, narrow no-break
  spaces), marks of writing direction and digits of other scripts, if the line as it stands has no answer. If there
  is still none, the era ("AD", "n. Chr."), which dateparser does not know, is taken out as Babel writes it.
- Of its parsers only those for absolute dates run, so that no part of an answer is today's.
- A year outside 1950-2049 comes from two digits and is moved by a century.
- The answer has a time of day only where dateparser found one in the text, with seconds only where the text has them.

Needs the extras `translate` and `bench`: pip install 'unspool[translate,bench]'
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from functools import cache

from babel.core import Locale
from dateparser.date import DateDataParser

from unspool.data.dates import (
    LOCALES,
    Example,
    Format,
    ceiling,
    default_splits,
    split_formats,
    split_tag,
    with_tag,
)

SETTINGS = {"RETURN_TIME_AS_PERIOD": True, "PARSERS": ["absolute-time", "no-spaces-time"]}
LANGUAGES = sorted({locale.partition("_")[0] for locale in LOCALES})
FIRST_YEAR, LAST_YEAR = 1950, 2049
_ZERO_SECONDS = re.compile(r"[:.]\d\d[:.]00(?!\d)|\b0?0[초秒]")


def rule_based(lines: Sequence[str]) -> list[str]:
    """The ISO answer to each line, "" where the parser has none. A line may start with a locale tag: ``<de> ``."""
    return [_answer(*split_tag(line)) for line in lines]


def _answer(locale: str | None, text: str) -> str:
    parser = _parser(locale)
    for form in dict.fromkeys((text, plain(text), _eras(locale).sub("", plain(text), count=1).strip())):
        found = parser.get_date_data(form)
        if found.date_obj is not None:
            return _iso(found.date_obj, found.period == "time", plain(text))
    return ""


@cache
def _parser(locale: str | None) -> DateDataParser:
    languages, locales = (LANGUAGES, None) if locale is None else (None, [locale.replace("_", "-")])
    # Locales of earlier lines are not tried first: each answer depends on its line alone.
    return DateDataParser(languages=languages, locales=locales, settings=SETTINGS, try_previous_locales=False)


@cache
def _eras(locale: str | None) -> re.Pattern[str]:
    """The names of the common era in the locale (in all of them without one), where no letter adjoins."""
    names = {plain(eras[1]) for name in ([locale] if locale else LOCALES) for eras in Locale.parse(name).eras.values()}
    choices = "|".join(map(re.escape, sorted(names, key=lambda name: (-len(name), name))))
    return re.compile(rf"(?<![^\W\d_])(?:{choices})(?![^\W\d_])")


def plain(text: str) -> str:
    """The text in compatibility form, without direction marks, in ASCII digits."""
    kept = (c for c in unicodedata.normalize("NFKC", text) if unicodedata.category(c) != "Cf")
    return "".join(str(unicodedata.digit(c)) if c.isdecimal() else c for c in kept)


def _iso(moment: datetime, has_time: bool, text: str) -> str:
    century = 100 * ((moment.year < FIRST_YEAR) - (moment.year > LAST_YEAR))
    day = f"{moment.year + century:04}-{moment:%m-%d}"
    if not has_time:
        return day
    return f"{day}T{moment:%H:%M:%S}" if moment.second or _ZERO_SECONDS.search(text) else f"{day}T{moment:%H:%M}"


def score(examples: Sequence[Example], formats: Sequence[Format]) -> dict[str, object]:
    """Exact match overall and per locale, and the ceiling of the same lines."""
    right: dict[str, list[bool]] = defaultdict(list)
    for example, answer in zip(examples, rule_based([e.source for e in examples]), strict=True):
        right[example.locale].append(answer == example.target)
    every = [hit for hits in right.values() for hit in hits]
    return {
        "lines": len(every),
        "exact_match": sum(every) / len(every),
        "ceiling": ceiling(examples, formats),
        "per_locale": {locale: sum(hits) / len(hits) for locale, hits in sorted(right.items())},
    }


def compare(seed: int, lines: int) -> dict[str, dict[str, object]]:
    """``lines`` lines of each test part, each scored with its tag and without."""
    splits = default_splits(seed, train_size=0, valid_size=0, test_size=lines)
    formats = split_formats(seed)
    parts = {"test_dates": (splits.test_dates, formats.train), "test_formats": (splits.test_formats, formats.test)}
    return {
        f"{name}/{'tagged' if tagged else 'untagged'}": score([with_tag(e, tagged) for e in part], drawn_from)
        for name, (part, drawn_from) in parts.items()
        for tagged in (True, False)
    }


def table(results: dict[str, dict[str, object]]) -> str:
    """One column for each test, one row for each locale, in percent."""
    rows: dict[str, list[str]] = {"": list(results)}
    rows |= {key: [_percent(result[key]) for result in results.values()] for key in ("exact_match", "ceiling")}
    rows |= {locale: [_percent(_of_locale(result, locale)) for result in results.values()] for locale in LOCALES}
    return "\n".join(f"{name:14}" + "".join(f"{cell:>24}" for cell in cells) for name, cells in rows.items())


def _of_locale(result: dict[str, object], locale: str) -> object:
    scores = result["per_locale"]
    return scores.get(locale) if isinstance(scores, dict) else None


def _percent(share: object) -> str:
    return f"{100 * share:.1f}" if isinstance(share, float) else "-"


def main() -> None:
    options = argparse.ArgumentParser(description="dateparser on the dates test lines: JSON on stdout, table on stderr")
    options.add_argument("--seed", type=int, default=0, help="seed of the splits")
    options.add_argument("--lines", type=int, default=1000, help="lines of each test part")
    chosen = options.parse_args()
    results = compare(chosen.seed, chosen.lines)
    print(table(results), file=sys.stderr)
    print(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
