"""Parallel text from real files: what is read, and what each kind of damage says."""

from __future__ import annotations

import gzip
import json
import os
import threading
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unspool.data.corpus import ListCorpus, open_parallel
from unspool.data.lines import Lines
from unspool.errors import DataError

PAIRS = [("eins zwei", "one two"), ("", "empty source"), ("drei\u2028\x85\x0cvier", "three four"), ("fünf", "five")]


def write(folder: Path, kind: str) -> list[Path]:
    """`PAIRS` as files of a kind."""
    if kind == "two":
        contents = {"a.de": "\n".join(s for s, _ in PAIRS), "a.en": "\r\n".join(t for _, t in PAIRS) + "\r\n"}
    elif kind == "tsv":
        contents = {"a.tsv": "".join(f"{s}\t{t}\tmore\n" for s, t in PAIRS)}
    else:
        contents = {"a.jsonl": "".join(json.dumps({"source": s, "target": t}) + "\n" for s, t in PAIRS)}
    paths = []
    for name, text in contents.items():
        paths.append(folder / name)
        paths[-1].write_bytes(b"\xef\xbb\xbf" + text.encode())
    return paths


@pytest.mark.parametrize("kind", ["two", "tsv", "jsonl"])
@pytest.mark.parametrize("packed", [False, True])
def test_what_was_written_is_read(kind: str, packed: bool, tmp_path: Path) -> None:
    paths = write(tmp_path, kind)
    if packed:
        for i, path in enumerate(paths):
            paths[i] = path.with_name(path.name + ".gz")
            paths[i].write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    corpus = open_parallel(paths)
    assert len(corpus) == len(PAIRS) and list(corpus) == PAIRS
    assert [corpus[i] for i in (3, 0, 2, 1)] == [PAIRS[i] for i in (3, 0, 2, 1)]


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=8), min_size=1, max_size=9))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
def test_lines_are_split_at_newlines_only(tmp_path: Path, texts: list[str]) -> None:
    (tmp_path / "t").write_bytes(("\n".join(texts) + "\n").encode())
    lines = Lines(tmp_path / "t")
    first = texts[0].removeprefix("\ufeff")
    assert [lines[i] for i in range(len(lines))] == [first, *texts[1:]]


def test_reads_from_many_threads_are_right(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("".join(f"line {i}\n" for i in range(2000)))
    lines, wrong = Lines(tmp_path / "t"), []

    def read(offset: int) -> None:
        wrong.extend(i for i in range(offset, 2000, 7) if lines[i] != f"line {i}")

    threads = [threading.Thread(target=read, args=(k,)) for k in range(7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_undecodable_bytes_name_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "a.de").write_bytes(b"gut\nschl\xffcht\n")
    (tmp_path / "a.en").write_bytes(b"good\nbad\n")
    with pytest.raises(DataError, match=r"a\.de, line 2: byte 5 .*0xff"):
        open_parallel([tmp_path / "a.de", tmp_path / "a.en"])


def test_unequal_line_counts_name_both(tmp_path: Path) -> None:
    (tmp_path / "a.de").write_text("a\nb\n")
    (tmp_path / "a.en").write_text("a\n")
    with pytest.raises(DataError, match=r"a\.de has 2 lines, but .*a\.en has 1;"):
        open_parallel([tmp_path / "a.de", tmp_path / "a.en"])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.tsv", b"a\tb\nno tab\n", r"a\.tsv, line 2: there is no tab"),
        ("a.jsonl", b'{"source": "a", "target": "b"}\n{"source": "a"}\n', r"a\.jsonl, line 2: expected a JSON object"),
        ("a.jsonl", b'{"source": 1, "target": "b"}\n', r"line 1: .*must be text"),
        ("a.tsv", b"", r"a\.tsv is empty"),
        ("a.tsv", b"\xef\xbb\xbf", r"a\.tsv is empty"),
        ("a.tsv.gz", gzip.compress(b"a\tb\n" * 500, mtime=0)[:-12], r"cannot be unpacked"),
        ("a.tsv.gz", b"a\tb\n", r"cannot be unpacked"),
        ("a.txt", b"a\n", r"expected two files"),
        ("a.jsonl", b"[" * 100_000, r"a\.jsonl, line 1: expected a JSON object"),
        ("a.jsonl", b'{"source": "\\ud800", "target": "b"}\n', r"a\.jsonl, line 1: .source. has the lone surrogate"),
        ("a.jsonl", b'{"source": "a", "target": "b"}\n\n{\n', r"a\.jsonl, line 3: expected a JSON object"),
        ("a.jsonl", b"\n \t\r\n", r"a\.jsonl has blank lines only"),
        ("a.tsv", b"a\tb\nc\xff\td\n", r"a\.tsv, line 2: byte 2 of the line is not UTF-8"),
    ],
)
def test_damage_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_parallel([tmp_path / name])


@pytest.mark.parametrize(
    ("name", "one", "two"),
    [
        ("a.jsonl", '{"source": "a", "target": "b"}', '{"source": "c", "target": ""}'),
        ("a.tsv", "a\tb", "c\t"),
    ],
)
def test_blank_lines_hold_nothing_but_count(name: str, one: str, two: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(f"\n{one}\r\n  \n\r\n{two}\n\n")
    corpus = open_parallel([tmp_path / name])
    assert list(corpus) == [("a", "b"), ("c", "")] and (len(corpus), corpus[-1]) == (2, ("c", ""))
    assert [corpus.place(i, "target") for i in range(2)] == [f"{tmp_path / name}, line {n}, target" for n in (2, 5)]


def test_an_empty_pair_is_no_blank_line(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("\t\na\tb\n")
    assert list(open_parallel([tmp_path / "a.tsv"])) == [("", ""), ("a", "b")]
    (tmp_path / "a.de").write_text("a\n\n")
    (tmp_path / "a.en").write_text("b\n\n")
    assert list(open_parallel([tmp_path / "a.de", tmp_path / "a.en"])) == [("a", "b"), ("", "")]


def test_missing_files_folders_and_nothing(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no file .*x\.tsv"):
        open_parallel([tmp_path / "x.tsv"])
    with pytest.raises(DataError, match="is a folder"):
        open_parallel([tmp_path, tmp_path])
    with pytest.raises(DataError, match="got no file"):
        open_parallel([])
    (tmp_path / "a.jsonl").write_text('{"source": "a", "target": "b"}\n')
    with pytest.raises(DataError, match=r"a\.jsonl, .*a\.jsonl; expected two files"):
        open_parallel([tmp_path / "a.jsonl"] * 2)
    (tmp_path / "a.de").write_text("a\n")
    with pytest.raises(DataError, match=r"cannot be read .*expected two files"):
        open_parallel([tmp_path / "a.de" / "b", tmp_path / "a.de"])
    with pytest.raises(DataError, match="empty"):
        ListCorpus([])


def test_jsonl_under_other_keys(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"de": "eins", "en": "one", "id": 3}\n')
    assert list(open_parallel([tmp_path / "a.jsonl"], keys=("de", "en"))) == [("eins", "one")]
    with pytest.raises(DataError, match='{"fr": "…", "en": "…"}'):
        open_parallel([tmp_path / "a.jsonl"], keys=("fr", "en"))


def test_numbers_count_from_either_end(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("a\nb\nc")
    lines = Lines(tmp_path / "t")
    assert [lines[i] for i in range(-3, 3)] == ["a", "b", "c"] * 2
    for outside in (-4, 3):
        with pytest.raises(IndexError):
            lines[outside]


def test_a_pipe_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("one\ntwo\n")
    reader, writer = os.pipe()
    os.write(writer, b"eins\nzwei\n")
    os.close(writer)
    try:
        corpus = open_parallel([f"/dev/fd/{reader}", tmp_path / "a.en"])
    finally:
        os.close(reader)
    assert list(corpus) == [("eins", "one"), ("zwei", "two")] == list(corpus)


@pytest.mark.parametrize("change", ["shorter", "other"])
def test_a_file_changed_meanwhile_is_an_error_not_a_crash(change: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\n" * 5000)
    corpus = open_parallel([path])
    with path.open("r+b") as file:
        if change == "shorter":
            file.truncate(0)
        else:
            file.write(b"abc\n" * 5000)
    where = {"shorter": r"a\.tsv", "other": r"a\.tsv, line 4001: there is no tab"}[change]
    with pytest.raises(DataError, match=rf"{where}.* was changed while it was in use"):
        corpus[4000]
    assert corpus.place(4000, "source").endswith("a.tsv, line 4001, source")


def test_files_are_closed_with_the_corpus(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("a\tb\n")
    before = len(os.listdir("/dev/fd"))
    corpora = [open_parallel([tmp_path / "a.tsv"]) for _ in range(5)]
    assert len(os.listdir("/dev/fd")) == before + 5
    del corpora
    assert len(os.listdir("/dev/fd")) == before


def test_the_index_takes_eight_bytes_a_line(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x\n" * 20_000)
    tracemalloc.start()
    lines = Lines(tmp_path / "t")
    now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(lines) == 20_000 and now < 10 * 20_000 and peak < 20 * 20_000


def test_memory_does_not_grow_with_the_text(tmp_path: Path) -> None:
    """A corpus of long lines is indexed, not loaded."""
    (tmp_path / "a.tsv").write_text(f"{'x' * 50_000}\ty\n" * 400)
    tracemalloc.start()
    corpus = open_parallel([tmp_path / "a.tsv"])
    assert len(corpus[399][0]) == 50_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000, "20 MB of text should need far less than 2 MB"
