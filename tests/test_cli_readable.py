"""What a file with bad rows in it gives: the good ones, and what is wrong with the others, the same in every form."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import soundfile
from pyarrow import parquet

from unspool.cli.readable import Unreadable, readable_parts
from unspool.data.columns import Columns
from unspool.data.open_sequences import open_sequences
from unspool.data.sequences import Sequences
from unspool.errors import DataError


def parts(path: Path, columns: Columns | None = None) -> list[Sequences | Unreadable]:
    named = columns or Columns()
    return readable_parts(path, named, lambda one: open_sequences([one], named, labelled=False))


def places(found: list[Sequences | Unreadable]) -> list[str]:
    """Of all that could be read."""
    return [one.places(i) for one in found if isinstance(one, Sequences) for i in range(len(one))]


def problems(found: list[Sequences | Unreadable]) -> list[tuple[str | None, str]]:
    return [(one.id, one.problem) for one in found if isinstance(one, Unreadable)]


def write(path: Path, columns: dict[str, list[Any]]) -> None:
    """A table, in the form that the name says; None is an empty cell."""
    if path.suffix == ".parquet":
        parquet.write_table(pa.table(columns), path)
        return
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    kind = Path(path.name.removesuffix(".gz")).suffix
    if kind == ".jsonl":
        text = "".join(json.dumps(row) + "\n" for row in rows)
    else:
        between = "\t" if kind == ".tsv" else ","
        cells = [["" if cell is None else str(cell) for cell in row.values()] for row in rows]
        text = "".join(between.join(row) + "\n" for row in [list(columns), *cells])
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if path.suffix == ".gz" else text.encode())


TABLES = ("a.csv", "a.tsv", "a.csv.gz", "a.tsv.gz", "a.parquet")


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_step_costs_its_own_sequence_only(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, {"id": ["a", "b", "c", "a", "b"], "t": [1, 1, 1, 2, 2], "x": [1.0, 2.0, 3.0, 4.0, None]})
    first = 1 if name == "a.parquet" else 2
    found = parts(tmp_path / name)
    assert places(found) == [
        f"{tmp_path / name}, rows {first} to {first + 3} (id 'a')",
        f"{tmp_path / name}, row {first + 2} (id 'c')",
    ]
    assert problems(found) == [
        (
            "b",
            f"{tmp_path / name}, row {first + 4}: 'x' is empty; expected a finite number: mend the row or leave it out",
        )
    ]


@pytest.mark.parametrize("name", TABLES)
def test_a_bad_row_costs_itself_only(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, {"id": list("abcdef"), "u": [1.0, 2.0, 3.0, None, 5.0, 6.0], "v": [1.0] * 6})
    first = 1 if name == "a.parquet" else 2
    found = parts(tmp_path / name)
    assert [place[-8:] for place in places(found)] == [f"(id '{one}')" for one in "abcef"]
    ((one, problem),) = problems(found)
    assert one == "d" and problem.startswith(f"{tmp_path / name}, row {first + 3}: 'u' is empty")


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet"])
def test_a_text_that_is_none_costs_itself_only(name: str, tmp_path: Path) -> None:
    write(tmp_path / name, {"text": ["x", None, "y", "z"], "id": ["a", "b", "c", "d"]})
    found = parts(tmp_path / name)
    assert [text for one in found if isinstance(one, Sequences) for text in one.texts or ()] == ["x", "y", "z"]
    ((one, problem),) = problems(found)
    assert one == "b" and problem.startswith(str(tmp_path / name)) and " 2: 'text' is " in problem


def test_blank_lines_are_no_rows(tmp_path: Path) -> None:
    """In tables they do not count, in JSON lines they do."""
    (tmp_path / "a.csv").write_text("\ntext,label\n\nx,1\n\n\ny,2,3\n\nz,4\n\n")
    found = parts(tmp_path / "a.csv")
    assert places(found) == [f"{tmp_path / 'a.csv'}, row {number}" for number in (2, 4)]
    assert [problem[: len(str(tmp_path)) + 13] for _, problem in problems(found)] == [f"{tmp_path / 'a.csv'}, row 3"]
    (tmp_path / "a.jsonl").write_text('\n{"text": "x"}\n\n{"text": 3}\n \n{"text": "y"}\n\n')
    found = parts(tmp_path / "a.jsonl")
    assert places(found) == [f"{tmp_path / 'a.jsonl'}, line {number}" for number in (2, 6)]
    assert [problem.split(":")[0] for _, problem in problems(found)] == [f"{tmp_path / 'a.jsonl'}, line 4"]


def test_a_row_named_in_the_middle_of_a_message_is_that_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,t,x,label\na,1,1,p\nb,1,2,q\nc,1,1,p\nb,2,3,r\n")
    ((one, problem),) = problems(parts(tmp_path / "a.csv"))
    assert one == "b" and f"{tmp_path / 'a.csv'}, row 5: 'label' is 'r', but 'q' in row 3, of the same id" in problem


def test_a_long_cell_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"text,label\n{'x' * 200_000},1\ny,2,3\n")
    found = parts(tmp_path / "a.csv")
    assert len(places(found)) == len(problems(found)) == 1


def test_a_damaged_sound_costs_itself_only(tmp_path: Path) -> None:
    for name in ("a/1.wav", "a/2.wav", "b/c/3.wav"):
        (tmp_path / "sounds" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "sounds" / name, np.sin(np.arange(2000) / 5), 8000)
    (tmp_path / "sounds" / "a" / "2.wav").write_bytes(b"RIFF")
    found = parts(tmp_path / "sounds")
    assert places(found) == [str(tmp_path / "sounds" / name) for name in ("a/1.wav", "b/c/3.wav")]
    assert [one.ids for one in found if isinstance(one, Sequences)] == [["a/1.wav"], ["b/c/3.wav"]]
    ((one, problem),) = problems(found)
    assert one == "a/2.wav" and problem.startswith(f"{tmp_path / 'sounds' / 'a' / '2.wav'} cannot be read as audio")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv.gz", gzip.compress(b"text\nx\n" * 99, mtime=0)[:-9], r"a\.csv\.gz cannot be read"),
        ("a.parquet", b"PAR1", r"a\.parquet is damaged"),
        ("a.csv", b"text,text\nx,y\n", "two columns are named 'text'"),
        ("a.jsonl", b'{"text": 1}\n{"text": 2}\n', r"a\.jsonl, line 1: 'text' is no text"),
        ("a.txt", b"x\n", r"a\.txt is of no kind"),
    ],
)
def test_what_is_wrong_with_the_whole_is_said_of_the_whole(
    name: str, content: bytes, message: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        parts(tmp_path / name)
