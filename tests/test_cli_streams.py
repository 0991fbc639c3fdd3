"""A full disk behind stdout or stderr: a result is there whole, or an error says that it is not."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import Any

import pytest
from forked import unspool

from unspool.cli.streams import written_whole

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
COMMANDS = {
    "complete": ["complete", "language", "one", "--top", 0],
    "classify": ["classify", "classify", "ab"],
    "translate": ["translate", "translate", "abc"],
    "evaluate": ["evaluate", "classify", "--test", "classify.csv"],
    "help": ["train", "forecast", "--help"],
}


def placed(name: str, folder: Path) -> list[str]:
    """A command, runs and inputs by their whole paths."""
    first, *others = map(str, COMMANDS[name])
    return [first, *(str(folder / word) if (folder / word).exists() else word for word in others)]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_full_disk_behind_stdout_is_named(name: str, every_task: Path) -> None:
    done = unspool(*placed(name, every_task), stdout=FULL)
    assert done.returncode == 1
    assert done.stderr.decode().endswith(
        "error: stdout could not be written: the disk is full; make room, or choose another place\n"
    )


def fresh(*arguments: str, buffered: bool = True, **how: Any) -> subprocess.CompletedProcess[str]:
    """The command in an interpreter of its own, from its start to its last words."""
    streams: dict[str, Any] = {"stdout": PIPE, "stderr": PIPE} | how
    env = os.environ | {"PYTHONUNBUFFERED": "" if buffered else "1"}
    return subprocess.run([sys.executable, "-m", "unspool", *arguments], text=True, env=env, timeout=100, **streams)


def test_its_last_words_are_those(every_task: Path) -> None:
    """Nor does the interpreter add what it could not write at its end, and another exit status."""
    with FULL.open("w") as full:
        done = fresh(*placed("evaluate", every_task), stdout=full)
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith("error: stdout could not be written")
    assert "Error" not in done.stderr and "ignored" not in done.stderr


def test_output_without_a_buffer_is_whole_or_an_error(every_task: Path, tmp_path: Path) -> None:
    """Of what is written at once, the file takes a part."""

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))

    with (tmp_path / "found").open("w") as file:
        done = fresh(*placed("evaluate", every_task), buffered=False, stdout=file, preexec_fn=bounded)
    assert done.returncode == 1 and "stdout could not be written: the file is larger than allowed" in done.stderr
    assert (tmp_path / "found").stat().st_size == 50


def test_a_full_disk_behind_stderr_costs_no_result(every_task: Path) -> None:
    words = fresh("complete", str(every_task / "language"), "one", "--top", "2")
    with FULL.open("w") as full:
        done = fresh("complete", str(every_task / "language"), "one", "--top", "2", stderr=full)
    assert words.stderr and done.returncode == words.returncode == 0 and done.stdout == words.stdout != ""


def test_what_a_full_disk_takes_in_part_is_an_error(tmp_path: Path) -> None:
    """Python's unbuffered streams (`PYTHONUNBUFFERED`) drop the rest of such a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open(tmp_path / "found", "wb", buffering=0) as raw, io.TextIOWrapper(raw, write_through=True) as unbuffered:
        stream = written_whole(unbuffered)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(OSError, match="File too large"):
                print("x" * 5000, file=stream)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            stream.close()
    with open(tmp_path / "found", "w") as buffered:
        assert written_whole(buffered) is buffered
