"""What is said when a run cannot be written: whether there is something to go on from."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from unspool.errors import ConfigError, RunError
from unspool.train import Run
from unspool.train.checkpoint import write_checkpoint
from unspool.train.files import NotWritten
from unspool.train.kept import kept_said

FULL = NotWritten(Path("w"), OSError(errno.ENOSPC, "full"))


def test_without_a_checkpoint_nothing_speaks_of_resuming(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"task": "toy"})
    with pytest.raises(RunError) as error, kept_said(run):
        raise FULL
    assert str(error.value) == (
        f"w could not be written: the disk is full. No checkpoint had been written to {run.path} yet; make room and "
        "start again with --force, or choose another --out"
    )


def test_the_checkpoint_to_go_on_from_is_named(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {"task": "toy"})
    last = write_checkpoint(run.checkpoints_path, 12, {}, {})
    with pytest.raises(RunError) as error, kept_said(run):
        raise FULL
    assert f"The checkpoint {last} is untouched; make room and go on from it with --resume" in str(error.value)


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="^x$"), kept_said(Run.create(tmp_path / "run", {})):
        raise ConfigError("x")
