"""Text files, read as they are; and the end of a text, cut off at a line end."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.plain_text import ended, read_text, split_end
from unspool.errors import ConfigError, DataError


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    text = "one\r\n\n  two\t\x0c\u2028Größe\n"
    (tmp_path / "a.txt").write_bytes(text.encode())
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"\xef\xbb\xbf" + text.rstrip("\n").encode()))
    assert read_text(tmp_path / "a.txt") == text == read_text(tmp_path / "b.txt.gz")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"good\n\nbad: \xff\xfe\n", r"a\.txt, line 3: byte 6 of the line is not UTF-8 \(0xff\)"),
        ("a.txt", "ä\n".encode("latin-1"), r"a\.txt, line 1: byte 1 of the line"),
        ("a.txt", "ab".encode("utf-16"), "line 1: byte 1"),
        ("a.txt", b"", r"a\.txt is empty"),
        ("a.txt", b"\xef\xbb\xbf", r"a\.txt is empty"),
        ("a.gz", b"plain", r"a\.gz cannot be unpacked"),
        ("a.gz", gzip.compress(b"text" * 99, mtime=0)[:-9], r"a\.gz cannot be unpacked"),
        ("a.gz", gzip.compress(b"ab\n\xff", mtime=0), r"a\.gz, line 2: byte 1"),
    ],
)
def test_what_is_no_text_is_named(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_text(tmp_path / name)


@pytest.mark.parametrize(
    ("place", "message"),
    [(lambda folder: folder / "no.txt", "there is no file"), (lambda folder: folder, "is a folder")],
)
def test_what_is_no_file_is_named(place: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_text(place(tmp_path))


@given(st.lists(st.text("ab\n", max_size=12).map(ended), min_size=1, max_size=6), st.floats(0.01, 0.99))
def test_the_end_is_cut_off_at_the_line_end_that_brute_force_finds(texts: list[str], share: float) -> None:
    whole = "".join(texts)
    left = round((1 - share) * len(whole))
    cut = next(at for at in range(len(whole) + 1) if at >= left and (at == 0 or whole[at - 1] == "\n"))
    if cut in (0, len(whole)):
        with pytest.raises(DataError, match="too few lines"):
            split_end(texts, share)
    else:
        train, valid = split_end(texts, share)
        assert ("".join(train), "".join(valid)) == (whole[:cut], whole[cut:]) and all([*train, *valid])


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="valid_share"):
        split_end(["a\n", "b\n"], share)
