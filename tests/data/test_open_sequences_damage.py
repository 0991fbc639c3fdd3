"""What each kind of damage to a table says: file, row, column, and what was expected."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from unspool.data.open_sequences import Columns, open_sequences
from unspool.errors import DataError

LONG = b"id,t,x,label\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", r"a\.csv is empty"),
        ("a.csv", b"\n\n", r"a\.csv is empty"),
        ("a.csv", b"text,label\n", r"a\.csv has no row below its header"),
        ("a.csv", b"text,label", r"a\.csv (has no row|is empty)"),
        (
            "a.csv",
            b"good,1\nbad,0\n",
            r"no column 'label' for the label; its columns are 'good', '1': .*--label-column",
        ),
        ("a.csv", b"text;label\na;b\n", r"no column 'label' .* are 'text;label'"),
        ("a.csv", b"text,text,label\na,b,c\n", r"a\.csv: two columns are named 'text'"),
        ("a.csv", b"text,label\na,b\nc\n", r"a\.csv, row 3 has 1 cell, but the header has 2"),
        ("a.csv", b"text,label\na,b\nc,d,e\n", r"a\.csv, row 3 has 3 cells"),
        ("a.csv", b'text,label\n"a,b\nc,d\n', r"a\.csv, row 2 has 1 cell,"),
        ("a.tsv", b"text\tlabel\na\tb\nc\td\te\n", r"a\.tsv, row 3 has 3 cells"),
        ("a.csv", b"text,label\na,b\nc\xff,d\n", r"a\.csv, row 3: 'text' is not UTF-8"),
        ("a.csv", b"text,label\na,b\nc,\xff\n", r"a\.csv, row 3: 'label' is not UTF-8"),
        ("a.csv", b"te\xffxt,label\na,b\n", r"a\.csv, row 1 is not UTF-8"),
        ("a.csv", "text,label\na,b\n".encode("utf-16"), r"a\.csv is UTF-16; convert the file"),
        ("a.csv", b"text,label\na,b\nc,\n", r"a\.csv, row 3: 'label' is empty; expected a label"),
        ("a.csv", b"text,label\na,b\nc, \n", r"a\.csv, row 3: 'label' is empty"),
        ("a.csv", LONG + b"a,1,1,l\na,2,nan,l\n", r"a\.csv, row 3: 'x' is nan; expected a finite number"),
        ("a.csv", LONG + b"a,1,1,l\na,2,-inf,l\n", r"a\.csv, row 3: 'x' is infinite"),
        ("a.csv", LONG + b"a,1,1,l\na,2,1e39,l\n", r"a\.csv, row 3: 'x' is infinite or too large"),
        ("a.csv", LONG + b"a,1,1,l\na,2,,l\n", r"a\.csv, row 3: 'x' is empty"),
        ("a.csv", LONG + b"a,1,1,l\na,2,NA,l\n", r"a\.csv, row 3: 'x' is 'NA'; expected a number"),
        ("a.csv", LONG + b"a,1,1,l\na,2,two,l\n", r"a\.csv, row 3: 'x' is 'two'; expected a number"),
        ("a.csv", LONG + b"a,1,two,l\n", r"a\.csv has no column of texts or numbers"),
        ("a.csv", LONG + b"a,1,1,l\na,soon,1,l\n", r"a\.csv, row 3: 't' is 'soon'; expected a number"),
        ("a.csv", LONG + b"a,soon,1,l\n", r"a\.csv, row 2: 't' is 'soon'; expected a number"),
        ("a.csv", LONG + b"a,2024-01-01,1,l\na,soon,1,l\n", r"row 3: 't' is 'soon'; expected a timestamp"),
        (
            "a.csv",
            LONG + b"a,01.05.2024,1,l\n",
            r"row 2: 't' is '01.05.2024'; expected a number or a timestamp such as",
        ),
        (
            "a.csv",
            LONG + b"a,2024-01-01,1,l\na,2024-01-01T00:00Z,1,l\n",
            r"row 3: 't' is '2024-01-01T00:00Z'; expected a timestamp .*a zone in all rows or in none",
        ),
        ("a.csv", LONG + b"a,1,1,l\na,,1,l\n", r"a\.csv, row 3: 't' is empty; expected a number or a timestamp"),
        ("a.csv", LONG + b"a,1.5,1,l\na,nan,1,l\n", r"a\.csv, row 3: 't' is nan"),
        ("a.csv", LONG + b"a,1,1,l\n,2,1,l\n", r"a\.csv, row 3: 'id' is empty"),
        ("a.csv", LONG + b"a,1,1,l\nb,1,1,\n", r"a\.csv, row 3: 'label' is empty"),
        (
            "a.csv",
            LONG + b"a,1,1,l\nb,1,1,m\na,2,1,m\n",
            r"row 4: 'label' is 'm', but 'l' in row 2, of the same id 'a'",
        ),
        ("a.csv", b"a,b,c,label\n1,2,3,l\n1,,3,l\n", r"a\.csv, row 3: 'b' is empty; .*only cells at the end"),
        ("a.csv", b"a,b,c,label\n1,2,3,l\n,,,l\n", r"a\.csv, row 3: 'a' is empty"),
        ("a.csv", b"a,b,c,label\n1,2,3,l\n1,nan,3,l\n", r"a\.csv, row 3: 'b' is nan"),
        ("a.csv", b"a,b,c,label\n1,2,3,l\n1,2,x,l\n", r"a\.csv, row 3: 'c' is 'x'; expected a number"),
        ("a.csv", b"a,b,label\nx,y,l\n", r"no column of texts or numbers to learn from; .*--text-column"),
        ("a.csv.gz", gzip.compress(b"text,label\na,b\n" * 9, mtime=0)[:-12], r"a\.csv\.gz cannot be read"),
        ("a.csv.gz", b"text,label\na,b\n", r"a\.csv\.gz cannot be read"),
        ("a.parquet", b"text,label\na,b\n", r"a\.parquet is damaged or not a Parquet file"),
        ("a.parquet", b"", r"a\.parquet is damaged or not a Parquet file"),
        ("a.txt", b"a\n", r"a\.txt is of no kind that is known; expected \.csv"),
    ],
)
def test_damage_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_sequences([tmp_path / name])


def test_a_fault_far_below_is_named_by_its_row(tmp_path: Path) -> None:
    rows = b"a,1,1,l\n" * 300_000
    for fault, message in (
        (b"a,1,oops,l\n", "'x' is 'oops'"),
        (b"a,1,1\n", "has 3 cells"),
        (b"a,1,,l\n", "'x' is empty"),
    ):
        (tmp_path / "a.csv").write_bytes(LONG + rows + fault + rows[:80])
        with pytest.raises(DataError, match=rf"a\.csv, row 300002:? {message}"):
            open_sequences([tmp_path / "a.csv"])


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (Columns("text", text="words"), "no column 'words' for the text.*--text-column"),
        (Columns("long", id="who"), "no column 'who' for the id.*--id-column"),
        (Columns("long", time="day"), "no column 'day' for the time.*--time-column"),
        (Columns(group="room"), "no column 'room' for the group.*--group"),
        (Columns(label="kind"), "no column 'kind' for the label.*--label-column"),
        (Columns("wav"), r"a\.csv is a table; expected audio files"),
    ],
)
def test_a_missing_column_is_named_with_its_option(columns: Columns, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(LONG + b"a,1,1,l\n")
    with pytest.raises(DataError, match=message):
        open_sequences([tmp_path / "a.csv"], columns)


def test_groups_must_be_there_and_agree(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,t,x,label,room\na,1,1,l,r\na,2,1,l,s\n")
    with pytest.raises(DataError, match="row 3: 'room' is 's', but 'r' in row 2, of the same id 'a'"):
        open_sequences([tmp_path / "a.csv"], Columns(group="room"))
    (tmp_path / "b.csv").write_bytes(b"text,label,room\nx,l,r\ny,l,\n")
    with pytest.raises(DataError, match="row 3: 'room' is empty; expected a group"):
        open_sequences([tmp_path / "b.csv"], Columns(group="room"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": ["a", None], "label": ["x", "y"]}, r"row 2: 'text' is null; expected a text"),
        ({"text": ["a", "b"], "label": ["x", None]}, r"row 2: 'label' is empty; expected a label"),
        (
            {"id": ["a"], "t": ["soon"], "x": [1.0], "label": ["x"]},
            r"'t' is of type string; expected numbers or timest",
        ),
        ({"id": ["a"], "t": [None], "x": [1.0], "label": ["x"]}, r"row 1: 't' is empty"),
        ({"id": ["a"], "t": [1], "x": [float("nan")], "label": ["x"]}, r"row 1: 'x' is nan"),
        ({"text": [["a"]], "label": ["x"]}, r"'text' is of type list<.*>; expected text"),
        ({"text": pa.array([], "string"), "label": pa.array([], "string")}, r"a\.parquet has no row"),
    ],
)
def test_damage_in_parquet_is_named(columns: dict, message: str, tmp_path: Path) -> None:
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    with pytest.raises(DataError, match=message):
        open_sequences([tmp_path / "a.parquet"])


def test_unlike_files_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(LONG + b"a,1,1,l\n")
    (tmp_path / "b.csv").write_bytes(b"id,t,z,label\na,1,1,l\n")
    (tmp_path / "c.csv").write_bytes(b"text,label\na,l\n")
    with pytest.raises(
        DataError,
        match=r"b\.csv, row 2 .* has 1 feature, with 'z', but .*a\.csv, row 2 .* has 1 feature, 'x'; expected",
    ):
        open_sequences([tmp_path / "a.csv", tmp_path / "b.csv"])
    with pytest.raises(DataError, match=r"c\.csv, row 2 is of kind text, but .*a\.csv.* of kind numbers"):
        open_sequences([tmp_path / "a.csv", tmp_path / "c.csv"])
    with pytest.raises(DataError, match=r"there is no file or folder .*d\.csv"):
        open_sequences([tmp_path / "d.csv"])
    with pytest.raises(DataError, match="got no file"):
        open_sequences([])
