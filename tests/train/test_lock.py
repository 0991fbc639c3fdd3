"""Who trains in a folder alone, and what the second one is told."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from unspool.errors import RunError
from unspool.train.lock import check_free, locked

HOLD = "import sys, pathlib; from unspool.train.lock import locked\nwith locked(pathlib.Path(sys.argv[1])):\n"


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    code = HOLD + "    print('held', flush=True)\n    sys.stdin.read()"
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process


def told(folder: Path) -> str:
    with pytest.raises(RunError) as error:
        check_free(folder)
    with pytest.raises(RunError, match=re.escape(str(error.value))), locked(folder):
        raise AssertionError
    return str(error.value)


def test_a_second_training_is_told_of_the_first(holder: subprocess.Popen[str], tmp_path: Path) -> None:
    message = told(tmp_path)
    assert f"another training (process {holder.pid}) writes to {tmp_path}; wait for its end" in message
    assert f"`kill {holder.pid}` (it then leaves a checkpoint), or choose another --out" in message
    holder.communicate("")
    check_free(tmp_path)
    with locked(tmp_path):
        assert f"process {os.getpid()})" in told(tmp_path)
    assert (tmp_path / ".lock").read_bytes() == b""


@pytest.mark.parametrize(
    ("content", "process"), [("", ""), ("x y", ""), ("71 elsewhere\n", " (process 71 on elsewhere)")]
)
def test_what_is_not_known_is_not_said(content: str, process: str, tmp_path: Path) -> None:
    with locked(tmp_path):
        (tmp_path / ".lock").write_text(content)
        message = told(tmp_path)
    assert f"another training{process} writes to" in message and "kill" not in message


def test_looking_touches_nothing(tmp_path: Path) -> None:
    check_free(tmp_path)
    check_free(tmp_path / "no")
    assert not os.listdir(tmp_path)
