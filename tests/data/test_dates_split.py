"""What is held out is held out."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from functools import lru_cache

import pytest

from unspool.data.dates import LOCALES, Splits, default_splits, inventory, split_days, split_formats, with_tag
from unspool.data.dates.fields import ALWAYS, all_days, to_datetime
from unspool.errors import ConfigError

BY_NAME = {format.name: format for format in inventory()}


@lru_cache
def splits(seed: int) -> Splits:
    return default_splits(seed, train_size=20_000, valid_size=1000, test_size=1500)


def days_of(examples: list) -> set[str]:
    return {example.target[:10] for example in examples}


@pytest.mark.parametrize("seed", [0, 1])
def test_no_test_or_validation_day_is_ever_trained_on(seed: int) -> None:
    parts = splits(seed)
    train, valid, test = days_of(parts.train), days_of(parts.valid), days_of(parts.test_dates)
    assert not train & valid and not train & test and not valid & test
    allowed = {to_datetime(day).date().isoformat() for day in split_days(seed).train}
    assert train <= allowed and days_of(parts.test_formats) <= allowed


def test_the_days_are_divided_without_remainder() -> None:
    parts = split_days(0)
    assert sorted(day for part in parts for day in part) == sorted(all_days())
    assert len(parts.test) / len(all_days()) == pytest.approx(0.08, abs=0.01)
    assert len(parts.valid) / len(all_days()) == pytest.approx(0.04, abs=0.01)
    assert split_days(1).test != parts.test


@pytest.mark.parametrize("seed", range(4))
def test_held_out_patterns_are_never_trained_in_their_language(seed: int) -> None:
    formats = split_formats(seed)
    trained = {(f.language, f.date_pattern) for f in formats.train}
    held_out = {(f.language, f.date_pattern) for f in formats.test}
    assert not trained & held_out
    assert len(formats.train) + len(formats.test) == len(inventory())
    for locale in LOCALES:
        assert len({f.date_pattern for f in formats.train if f.locale == locale}) >= 6
    assert len({language for language, _ in held_out}) >= 20
    for part in formats:
        assert sum(f.weight for f in part) == pytest.approx(1)


@pytest.mark.parametrize("seed", range(4))
def test_every_held_out_field_is_shown_by_a_trained_pattern(seed: int) -> None:
    formats = split_formats(seed)
    for locale in LOCALES:
        shown = {field for f in formats.train if f.locale == locale for field in f.fields}
        needed = {field for f in formats.test if f.locale == locale for field in f.fields}
        assert {field for field in needed if field.component != ALWAYS} <= shown


def test_each_part_draws_from_its_own_formats() -> None:
    parts, formats = splits(0), split_formats(0)
    trained, held_out = {f.name for f in formats.train}, {f.name for f in formats.test}
    assert {e.format for e in parts.train + parts.valid + parts.test_dates} <= trained
    assert {e.format for e in parts.test_formats} <= held_out
    assert {BY_NAME[name].date_pattern for name in {e.format for e in parts.test_formats}} == {
        f.date_pattern for f in formats.test
    }


def test_no_line_of_the_unseen_formats_is_also_written_by_a_trained_one() -> None:
    parts = splits(0)
    language = {locale: locale.partition("_")[0] for locale in LOCALES}
    trained = {(language[e.locale], with_tag(e, False).source, e.target) for e in parts.train}
    unseen = {(language[e.locale], with_tag(e, False).source, e.target) for e in parts.test_formats}
    assert not trained & unseen
    assert not any(e.target == "2021-12-12" and "12/12/2021" in e.source for e in parts.test_formats)


def test_sizes_and_tags_are_as_asked() -> None:
    parts = default_splits(3, train_size=50, valid_size=20, test_size=10, tag_share=1.0)
    assert [len(part) for part in parts] == [50, 20, 10, 10]
    assert all(e.tagged and e.source.startswith(f"<{e.locale}> ") for part in parts for e in part)


def test_another_process_with_other_hashes_draws_the_same() -> None:
    code = (
        "import hashlib; from unspool.data.dates import default_splits;"
        "print(hashlib.sha256(repr(default_splits(5, 200, 50, 50)).encode()).hexdigest())"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "12", "PYTHONPATH": os.pathsep.join(sys.path)}
    other = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert other.stdout.strip() == hashlib.sha256(repr(default_splits(5, 200, 50, 50)).encode()).hexdigest()


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="-1"):
        default_splits(0, train_size=-1)
