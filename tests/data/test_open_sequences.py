"""Tables against a plain reader that goes row by row."""

from __future__ import annotations

import csv
import gzip
import warnings
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from unspool.data import csv_file
from unspool.data.open_sequences import Columns, open_sequences
from unspool.data.sequences import Sequences
from unspool.errors import ConfigError

Table = list[dict[str, str]]
FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
NUMBERS = st.floats(-1e6, 1e6, width=32).map(repr)
WORDS = st.text("ab,\" \nü'", min_size=1, max_size=4).filter(lambda word: bool(word.strip()))


def write(path: Path, rows: Table, names: list[str] | None = None) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names or list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
    return path


def as_lists(found: Sequences) -> list[list[list[float]]]:
    assert found.numbers is not None and found.offsets is not None and found.numbers.dtype == np.float32
    return [rows.tolist() for rows in np.split(found.numbers, found.offsets[1:-1])]


def float32(text: str) -> float:
    return float(np.float32(text))


@st.composite
def long_tables(draw: st.DrawFn) -> Table:
    """Rows of a few ids in any order, with times that repeat, and one label for each id."""
    ids = draw(st.lists(WORDS, min_size=1, max_size=4, unique=True))
    labels = {name: draw(WORDS) for name in ids}
    rows = draw(
        st.lists(st.tuples(st.sampled_from(ids), st.integers(-3, 3), NUMBERS, NUMBERS), min_size=1, max_size=12)
    )
    return [{"label": labels[name], "y": y, "id": name, "t": str(t), "x": x} for name, t, x, y in rows]


@given(long_tables())
@FILES
def test_long_form_is_grouped_and_sorted(tmp_path: Path, rows: Table) -> None:
    sequences: dict[str, Table] = {}
    for row in rows:
        sequences.setdefault(row["id"], []).append(row)
    found = open_sequences([write(tmp_path / "a.csv", rows)])
    assert found.ids == list(sequences) and found.features == ("y", "x")
    assert found.labels == [steps[0]["label"] for steps in sequences.values()]
    assert as_lists(found) == [
        [[float32(row["y"]), float32(row["x"])] for row in sorted(steps, key=lambda row: int(row["t"]))]
        for steps in sequences.values()
    ]
    for i, name in enumerate(sequences):
        numbers = [number for number, row in enumerate(rows, 2) if row["id"] == name]
        which = f"rows {numbers[0]} to {numbers[-1]}" if len(numbers) > 1 else f"row {numbers[0]}"
        assert found.places(i) == f"{tmp_path / 'a.csv'}, {which} (id {name!r})"


@given(st.lists(st.tuples(WORDS, st.lists(NUMBERS, min_size=1, max_size=5)), min_size=1, max_size=6))
@FILES
def test_wide_form_ends_at_empty_cells(tmp_path: Path, rows: list[tuple[str, list[str]]]) -> None:
    steps = [f"s{i}" for i in range(5)]
    table = [{"label": label, **dict(zip(steps, [*values, *[""] * 5], strict=False))} for label, values in rows]
    found = open_sequences([write(tmp_path / "a.csv", table)])
    assert as_lists(found) == [[[float32(value)] for value in values] for _, values in rows]
    assert found.labels == [label for label, _ in rows] and found.features == ("value",) and found.ids is None
    assert found.places(len(rows) - 1) == f"{tmp_path / 'a.csv'}, row {len(rows) + 1}"


@given(st.lists(st.tuples(st.text("ab,\" \n\r\tü'1", max_size=8), WORDS), min_size=1, max_size=8))
@FILES
def test_texts_are_read_as_they_were_written(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    table = [{"text": text, "n": "1", "label": label} for text, label in rows]
    found = open_sequences([write(tmp_path / "a.csv", table)])
    assert found.kind == "text" and found.texts == [text for text, _ in rows]
    assert found.labels == [label for _, label in rows] and found.numbers is None


@given(long_tables())
@FILES
def test_parquet_says_the_same_as_csv(tmp_path: Path, rows: Table) -> None:
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    typed = {
        "t": list(map(int, columns["t"])),
        "x": list(map(float32, columns["x"])),
        "y": list(map(float32, columns["y"])),
    }
    parquet.write_table(pa.table({**columns, **typed}), tmp_path / "a.parquet", row_group_size=3)
    one, other = open_sequences([tmp_path / "a.parquet"]), open_sequences([write(tmp_path / "a.csv", rows)])
    assert as_lists(one) == as_lists(other) and one.features == other.features
    assert (one.ids, one.labels) == (other.ids, other.labels)
    first = next(number for number, row in enumerate(rows, 1) if row["id"] == rows[0]["id"])
    assert f"a.parquet, row{'s' if one.lengths[0] > 1 else ''} {first}" in one.places(0)


def test_labels_and_ids_stay_as_written(tmp_path: Path) -> None:
    rows = [
        {"id": name, "x1": "1", "x2": "2", "label": label} for name, label in (("007", "1.0"), ("7", "3"), ("", "NA"))
    ]
    found = open_sequences([write(tmp_path / "a.csv", rows)])
    assert found.labels == ["1.0", "3", "NA"] and found.ids == ["007", "7", ""]


def test_tabs_separate_and_quotes_are_text(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text('text\tlabel\n"Oh, he said\tquote\na"b"\t"x"\n')
    found = open_sequences([tmp_path / "a.tsv"])
    assert found.texts == ['"Oh, he said', 'a"b"'] and found.labels == ["quote", '"x"']


@pytest.mark.parametrize("name", ["a.csv.gz", "a.tsv.gz"])
def test_packed_files_and_marks_at_their_start(name: str, tmp_path: Path) -> None:
    content = b"\xef\xbb\xbftext,label\r\none,1\r\n\r\ntwo,2".replace(b",", b"\t" if "tsv" in name else b",")
    (tmp_path / name).write_bytes(gzip.compress(content, mtime=0))
    found = open_sequences([tmp_path / name])
    assert found.texts == ["one", "two"] and found.labels == ["1", "2"]
    assert found.places(1) == f"{tmp_path / name}, row 3"  # blank lines are not counted


@pytest.mark.parametrize(
    "times",
    [
        ["9", "10", "-1"],
        ["10", "1e1", "-0.5"],
        ["2024-02-29", "2024-03-01 00:00:00", "1969-12-31T23:59:59.5"],
        ["2024-03-01 01:30:00+02:00", "2024-03-01T00:00:00Z", "2024-02-29 23:00:00-00:20"],
        ["09:59", "10:00", "00:00"],
        [str(2**62), str(2**62 + 1), "0"],
    ],
)
def test_times_are_numbers_or_timestamps(times: list[str], tmp_path: Path) -> None:
    rows = [{"id": "a", "t": time, "x": str(i), "label": "l"} for i, time in enumerate(times)]
    assert as_lists(open_sequences([write(tmp_path / "a.csv", rows)])) == [[[2.0], [0.0], [1.0]]]


def test_whole_times_may_have_others_far_below(tmp_path: Path) -> None:
    rows = [{"id": "a", "t": str(100_000 - i), "x": str(i), "label": "l"} for i in range(99_999)]
    rows.append({"id": "a", "t": "1.5", "x": "-1", "label": "l"})
    (sequence,) = as_lists(open_sequences([write(tmp_path / "a.csv", rows)]))
    assert sequence == [[-1.0], *([float(i)] for i in reversed(range(99_999)))]


def test_cells_with_line_ends_across_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "ROW_BYTES", 1 << 20)  # more than one block in the second reading, too
    text = "first\nsecond\n" * 40
    rows = [{"text": f"{i}{text}", "label": str(i % 3)} for i in range(4000)]
    found = open_sequences([write(tmp_path / "a.csv", rows)])
    assert found.texts == [row["text"] for row in rows] and found.labels == [row["label"] for row in rows]


def test_a_row_of_megabytes(tmp_path: Path) -> None:
    rows = [{"text": "ab" * 2_000_000, "label": "long"}, {"text": "c", "label": "short"}]
    assert open_sequences([write(tmp_path / "a.csv", rows)]).lengths.tolist() == [4_000_000, 1]


def test_columns_are_named_by_the_user(tmp_path: Path) -> None:
    rows = [{"who": "p", "day": "1", "text": "5", "kind": "k", "room": "r", "t": "7"}]
    path = write(tmp_path / "a.csv", rows)
    found = open_sequences([path], Columns("long", label="kind", id="who", time="day", group="room"))
    assert found.features == ("text", "t") and as_lists(found) == [[[5.0, 7.0]]]
    assert (found.labels, found.groups, found.ids) == (["k"], ["r"], ["p"])
    wide = open_sequences([path], Columns("wide", label="kind", id="who", group="room"))
    assert as_lists(wide) == [[[1.0], [5.0], [7.0]]] and wide.ids == ["p"]
    assert open_sequences([path], Columns(label="kind")).texts == ["5"]


def test_columns_of_text_are_left_out_with_a_warning(tmp_path: Path) -> None:
    rows = [{"id": "a", "t": "1", "note": "hot", "x": "1", "label": "l"}]
    with pytest.warns(UserWarning, match=r"a\.csv: columns without numbers are left out: 'note'"):
        assert open_sequences([write(tmp_path / "a.csv", rows)]).features == ("x",)


def test_without_labels(tmp_path: Path) -> None:
    rows = [{"text": "a", "label": "x"}, {"text": "b", "label": " "}]
    path = write(tmp_path / "a.csv", rows)
    assert open_sequences([path], labelled=False).labels is None
    assert open_sequences([path], empty_labels=True).labels == ["x", " "]
    assert open_sequences([write(tmp_path / "b.csv", rows[:1])], labelled=False).labels == ["x"]
    assert open_sequences([write(tmp_path / "c.csv", [{"text": "a"}])], labelled=False).labels is None


def test_several_files_are_one_after_the_other(tmp_path: Path) -> None:
    rows = [{"id": "a", "t": "1", "x": "1", "label": "l"}]
    paths = [write(tmp_path / "a.csv", rows), write(tmp_path / "b.csv", [{**rows[0], "x": "2", "label": "m"}])]
    found = open_sequences(paths)
    assert as_lists(found) == [[[1.0]], [[2.0]]] and found.labels == ["l", "m"] and found.ids == ["a", "a"]
    assert "b.csv, row 2" in found.places(1)


def test_no_warning_where_all_is_well(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        open_sequences([write(tmp_path / "a.csv", [{"text": "a", "more": "b", "label": "x"}])])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"form": "json"}, r"form is 'json'; expected one of 'auto', 'text'"),
        ({"text": ""}, "the name of the text column is empty"),
        ({"label": "t"}, "'t' is the label column and the time column"),
        ({"group": "label"}, "'label' is the label column and the group column"),
    ],
)
def test_impossible_columns(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Columns(**settings)
