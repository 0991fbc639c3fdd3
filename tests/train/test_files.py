"""Files are there whole or not at all, whatever goes wrong while they are written."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from unspool.train.files import NotWritten, replaced, write_bytes


def test_a_failure_leaves_the_former_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("former")
    with pytest.raises(KeyboardInterrupt), replaced(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "former" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "could not be written: the disk is full; make room, or choose another place"),
        (errno.EACCES, "could not be written: Permission denied; put that right, or choose another place"),
    ],
)
def test_what_cannot_be_written_is_named(number: int, message: str, tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match=rf"a\.txt {message}"), replaced(tmp_path / "a.txt"):
        raise OSError(number, os.strerror(number))
    assert not os.listdir(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotWritten, match=r"no/a\.txt could not be written: No such file or directory"):
        write_bytes(tmp_path / "no" / "a.txt", b"")


def test_a_link_stays_one_and_a_file_keeps_its_mode(tmp_path: Path) -> None:
    target, link = tmp_path / "folder" / "target", tmp_path / "link"
    target.parent.mkdir()
    target.write_text("former")
    target.chmod(0o600)
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink() and target.read_text() == "new" and target.stat().st_mode & 0o777 == 0o600
    assert os.listdir(target.parent) == ["target"]


def test_a_pipe_is_written_to_and_stays_one(tmp_path: Path) -> None:
    fifo, found = tmp_path / "fifo", []
    os.mkfifo(fifo)
    reader = threading.Thread(target=lambda: found.append(fifo.read_text()))
    reader.start()
    write_bytes(fifo, b"through")
    reader.join()
    assert found == ["through"] and fifo.is_fifo() and os.listdir(tmp_path) == ["fifo"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_device_stays_one() -> None:
    with pytest.raises(NotWritten, match="/dev/full could not be written: the disk is full"):
        write_bytes(Path("/dev/full"), b"x")
    assert Path("/dev/full").is_char_device()
