"""JSON lines: texts and sequences of numbers as they were written, damage named by its line."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unspool.data.open_sequences import Columns, open_sequences
from unspool.errors import DataError

WIDTHS = st.integers(1, 3)


@st.composite
def sequences(draw: st.DrawFn) -> list[list[list[float]]]:
    width = draw(WIDTHS)
    step = st.lists(st.floats(-1e6, 1e6, width=32) | st.integers(-9, 9), min_size=width, max_size=width)
    return draw(st.lists(st.lists(step, min_size=1, max_size=5), min_size=1, max_size=5))


@given(sequences())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_rows_of_numbers_are_read_as_written(tmp_path: Path, expected: list[list[list[float]]]) -> None:
    lines = [json.dumps({"sequence": steps, "label": f"l{i}"}) for i, steps in enumerate(expected)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    found = open_sequences([tmp_path / "a.jsonl"])
    assert found.numbers is not None and found.offsets is not None and found.numbers.dtype == np.float32
    assert [part.tolist() for part in np.split(found.numbers, found.offsets[1:-1])] == expected
    assert found.labels == [f"l{i}" for i in range(len(expected))] and len(found.features) == len(expected[0][0])
    assert found.places(len(expected) - 1) == f"{tmp_path / 'a.jsonl'}, line {len(expected)}"


def test_numbers_alone_are_one_feature(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"sequence": [1, 2.5]}\n{"sequence": [3]}\n')
    found = open_sequences([tmp_path / "a.jsonl"], labelled=False)
    assert found.numbers is not None and found.numbers.tolist() == [[1.0], [2.5], [3.0]]
    assert found.lengths.tolist() == [2, 1] and found.features == ("value",) and found.labels is None


def test_labels_are_kept_as_written(tmp_path: Path) -> None:
    labels = ["1.0", "3", "1e3", "true", '"a b"', "-0.10"]
    (tmp_path / "a.jsonl").write_text("".join(f'{{"sequence": [1.5], "label": {label}}}\n' for label in labels))
    assert open_sequences([tmp_path / "a.jsonl"]).labels == ["1.0", "3", "1e3", "true", "a b", "-0.10"]


def test_texts_with_other_keys_and_packed(tmp_path: Path) -> None:
    row = {"body": "x\ny\u2028", "topic": "t", "who": "w", "id": 7}
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode(), mtime=0))
    found = open_sequences([tmp_path / "a.jsonl.gz"], Columns(text="body", label="topic", group="who"))
    assert (found.texts, found.labels, found.groups, found.ids) == (["x\ny\u2028"], ["t"], ["w"], ["7"])


def test_labels_may_be_blank_where_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": ""}\n{"text": "b", "label": "x|y"}\n')
    assert open_sequences([tmp_path / "a.jsonl"], empty_labels=True).labels == ["", "x|y"]
    assert open_sequences([tmp_path / "a.jsonl"], labelled=False).labels is None


GOOD = '{"sequence": [[1, 2]], "label": "a"}\n'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"a\.jsonl is empty"),
        ("\n \n", r"a\.jsonl has blank lines only"),
        (GOOD + "\n\n[1]", r"a\.jsonl, line 4: it is no object"),
        ("\n" + GOOD + '{"sequence": [[1]], "label": "a"}', r"line 3: numbers in a step: 1; expected 2, as in line 2"),
        (GOOD + "[" * 100_000, r"a\.jsonl, line 2: it is no JSON"),
        (GOOD + "[1]", r"a\.jsonl, line 2: it is no object"),
        (GOOD + '{"sequence": [[1, 2]]}', r"a\.jsonl, line 2: 'label' is missing"),
        (GOOD + '{"sequence": [[1, 2]], "label": ""}', r"a\.jsonl, line 2: 'label' is empty"),
        (GOOD + '{"sequence": [[1, 2]], "label": ["a"]}', r"a\.jsonl, line 2: 'label' is list"),
        (GOOD + '{"sequence": [[1, 2], [3]], "label": "a"}', r"a\.jsonl, line 2: its rows differ in length"),
        (GOOD + '{"sequence": [[1]], "label": "a"}', r"a\.jsonl, line 2: numbers in a step: 1; expected 2"),
        (GOOD + '{"sequence": [], "label": "a"}', r"a\.jsonl, line 2: 'sequence' holds no numbers"),
        (GOOD + '{"sequence": [["1", "2"]], "label": "a"}', r"a\.jsonl, line 2: 'sequence' holds no numbers"),
        (GOOD + '{"sequence": [[1, null]], "label": "a"}', r"a\.jsonl, line 2: 'sequence' holds no numbers"),
        (GOOD + '{"sequence": [[[1]]], "label": "a"}', r"a\.jsonl, line 2: 'sequence' holds no numbers"),
        (GOOD + '{"sequence": 5, "label": "a"}', r"a\.jsonl, line 2: 'sequence' holds no numbers"),
        (GOOD + '{"sequence": [[1, 2], [3, NaN]], "label": "a"}', r"a\.jsonl, line 2: step 2 has a number that is NaN"),
        (GOOD + '{"sequence": [[1e39, 2]], "label": "a"}', r"a\.jsonl, line 2: step 1 .*too large"),
        ('{"words": "a", "label": "a"}', r"line 1: there is no 'text' among its keys, 'words', 'label'; .*--text-col"),
        ('{"text": 5, "label": "a"}', r"line 1: 'text' is no text"),
        ('{"text": "\\ud800", "label": "a"}', r"line 1: 'text' has the lone surrogate"),
    ],
)
def test_damage_is_named(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        open_sequences([tmp_path / "a.jsonl"])


def test_blank_lines_are_passed_over_and_count(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("".join(["\n", GOOD, "  \n", "\r\n", GOOD.replace('"a"', '"b"'), "\n\n"]))
    found = open_sequences([tmp_path / "a.jsonl"])
    assert found.labels == ["a", "b"]
    assert [found.places(i) for i in range(2)] == [f"{tmp_path / 'a.jsonl'}, line {number}" for number in (2, 5)]


def test_wrong_encoding_and_wrong_form(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(GOOD.encode() + b'{"label": "\xff"}\n')
    with pytest.raises(DataError, match=r"a\.jsonl, line 2: byte 12 of the line is not UTF-8"):
        open_sequences([tmp_path / "a.jsonl"])
    with pytest.raises(DataError, match=r"a\.jsonl holds JSON lines, which have no form 'wide'"):
        open_sequences([tmp_path / "a.jsonl"], Columns("wide"))
    (tmp_path / "b.jsonl").write_text('{"text": "a", "label": "x"}\n')
    with pytest.raises(DataError, match=r"line 1: 'who' is missing; expected one in every line"):
        open_sequences([tmp_path / "b.jsonl"], Columns(group="who"))
