"""Drawing examples: reproducible, by weight, tags as asked, fast."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unspool.data.dates import LOCALES, draw, inventory, split_tag, with_tag
from unspool.data.dates.fields import all_days
from unspool.errors import ConfigError

FORMATS, DAYS = inventory(), all_days()


def test_same_seed_same_lines_other_seed_other_lines() -> None:
    first = draw(FORMATS, DAYS, 300, seed=7, tag_share=0.5)
    assert first == draw(FORMATS, DAYS, 300, seed=7, tag_share=0.5)
    assert first[:100] == draw(FORMATS, DAYS, 100, seed=7, tag_share=0.5)
    assert first != draw(FORMATS, DAYS, 300, seed=8, tag_share=0.5)


def test_the_tag_share_changes_the_tags_alone() -> None:
    lines = {share: draw(FORMATS, DAYS, 2000, seed=1, tag_share=share) for share in (0.0, 0.3, 1.0)}
    assert not any(e.tagged for e in lines[0.0]) and all(e.tagged for e in lines[1.0])
    assert sum(e.tagged for e in lines[0.3]) == pytest.approx(600, abs=80)
    for share in (0.3, 1.0):
        assert [with_tag(e, False) for e in lines[share]] == lines[0.0]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**9), st.booleans())
def test_with_tag_and_split_tag_undo_each_other(seed: int, tagged: bool) -> None:
    (example,) = draw(FORMATS, DAYS, 1, seed=seed, tag_share=0.5)
    other = with_tag(example, tagged)
    assert other.tagged == tagged == other.source.startswith(f"<{example.locale}> ")
    assert with_tag(other, example.tagged) == example
    locale, text = split_tag(with_tag(example, True).source)
    assert (locale, text) == (example.locale, with_tag(example, False).source)
    assert split_tag(text) == (None, text)


def test_formats_are_drawn_by_their_weight() -> None:
    lines = draw(FORMATS, DAYS, 28_000, seed=3, tag_share=0.0)
    by_locale = Counter(e.locale for e in lines)
    assert set(by_locale) == set(LOCALES)
    assert all(abs(count - 1000) < 150 for count in by_locale.values())
    digits = Counter(e.format.split("|")[1] for e in lines if e.locale == "ja")
    assert digits["fullwide"] / by_locale["ja"] == pytest.approx(0.25, abs=0.06)
    assert sum("T" in e.target for e in lines) / len(lines) == pytest.approx(0.5, abs=0.02)


def test_twenty_thousand_examples_a_second() -> None:
    draw(FORMATS, DAYS, 10, seed=0, tag_share=0.5)
    start = time.process_time()
    draw(FORMATS, DAYS, 20_000, seed=0, tag_share=0.5)
    assert time.process_time() - start < 1


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_outside_zero_and_one_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="from 0 to 1"):
        draw(FORMATS, DAYS, 1, seed=0, tag_share=share)


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(ConfigError, match="0 formats"):
        draw([], DAYS, 1, seed=0, tag_share=0.5)
    with pytest.raises(ConfigError, match="0 days"):
        draw(FORMATS, [], 1, seed=0, tag_share=0.5)
