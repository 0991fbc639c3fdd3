"""The rule-based baseline answers as the test lines ask."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from unspool.data.dates import default_splits, split_formats

pytest.importorskip("dateparser")


@pytest.fixture(scope="module")
def baseline() -> ModuleType:
    path = Path(__file__).parents[2] / "benchmarks" / "dates_rule_based.py"
    spec = importlib.util.spec_from_file_location("dates_rule_based", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("<de> 3. Mai 2021", "2021-05-03"),
        ("<en_US> 4/3/21", "2021-04-03"),
        ("<en_GB> 04/03/2021", "2021-03-04"),
        ("<de> 03.05.61", "1961-05-03"),
        ("<de> 03.05.21, 14:05:00", "2021-05-03T14:05:00"),
        ("<de> 03.05.21, 00:00", "2021-05-03T00:00"),
        ("<en_US> May 3, 2021, 2:05\u202fPM", "2021-05-03T14:05"),
        ("<ja> ２０２１年５月３日", "2021-05-03"),
        ("<de> 3. Mai 2021 n. Chr.", "2021-05-03"),
        ("maandag 12 juni 1995", "1995-06-12"),
        ("<de> kein Datum", ""),
    ],
)
def test_known_lines(baseline: ModuleType, line: str, answer: str) -> None:
    assert baseline.rule_based([line]) == [answer]


def test_an_answer_depends_on_its_line_alone(baseline: ModuleType) -> None:
    lines = [e.source for e in default_splits(0, 0, 40, 0).valid]
    assert baseline.rule_based(lines)[::-1] == baseline.rule_based(lines[::-1])


def test_scores_count_exact_matches_per_locale(baseline: ModuleType) -> None:
    lines = default_splits(0, 0, 0, 60, tag_share=1.0).test_dates
    result = baseline.score(lines, split_formats(0).train)
    answers = baseline.rule_based([e.source for e in lines])
    assert result["exact_match"] == sum(a == e.target for a, e in zip(answers, lines, strict=True)) / 60
    assert set(result["per_locale"]) == {e.locale for e in lines}
    assert result["exact_match"] > 0.8 and result["ceiling"] > 0.99
    assert "exact_match" in baseline.table({"test_dates": result})
