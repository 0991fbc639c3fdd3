"""A folder that a run could not be written to is found, and looking leaves nothing there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unspool.errors import RunError
from unspool.train.writable import check_writable


def test_what_is_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "none")
    with pytest.raises(RunError, match="file is a file; choose another --out"):
        check_writable(tmp_path / "file")
    with pytest.raises(RunError, match=r"file is a file, so there can be no folder .*file/a/run; choose another"):
        check_writable(tmp_path / "file" / "a" / "run")
    with pytest.raises(RunError, match="link is a link to nothing"):
        check_writable(tmp_path / "link")
    with pytest.raises(RunError, match="could not be written: File name too long"):
        check_writable(tmp_path / ("x" * 300))
    assert sorted(os.listdir(tmp_path)) == ["file", "link"] and (tmp_path / "file").read_text() == "mine"


def test_a_link_to_a_folder_is_one(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    check_writable(tmp_path / "link" / "run")


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that takes no files")
def test_a_place_that_takes_no_files(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="/proc/run could not be written"):
        check_writable(Path("/proc/run"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(RunError, match="could not be written: Permission denied"):
        check_writable(tmp_path / "run")
