"""The default text: which files of a library are in it, and in which part."""

from __future__ import annotations

from pathlib import Path

import pytest

from unspool.data.python_sources import part_of, python_sources
from unspool.errors import DataError


def write(folder: Path, name: str, content: bytes) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def test_files_are_taken_by_name_and_split_by_path(tmp_path: Path) -> None:
    names = [f"pkg{i % 3}/mod{i}.py" for i in range(80)]
    for name in names:
        write(tmp_path, name, f"# {name}".encode())
    for name, content in {
        "test/a.py": b"x", "pkg0/tests/a.py": b"x", "site-packages/a.py": b"x", "idlelib/idle_test/a.py": b"x",
        "empty.py": b"", "latin.py": b"# \xe9\n", "a.txt": b"x", "a.pyc": b"x",
    }.items():  # fmt: skip
        write(tmp_path, name, content)
    parts = python_sources(tmp_path)
    for part, texts in enumerate(parts):
        assert texts == [f"# {name}\n" for name in sorted(names) if part_of(name) == part]
    assert sum(map(len, parts)) == 80 and len(parts.train) > 60


def test_the_split_is_fixed() -> None:
    places = [part_of(f"mod{i}.py") for i in range(2000)]
    assert [places[:40].count(part) for part in (0, 1, 2)] == [37, 1, 2]
    assert all(70 < places.count(part) < 130 for part in (1, 2))


def test_this_python_brings_enough() -> None:
    parts = python_sources()
    assert sum(map(len, parts.train)) > 3_000_000 and all(sum(map(len, part)) > 100_000 for part in parts)


def test_a_library_without_sources_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"too few \.py files.*--train"):
        python_sources(tmp_path)
