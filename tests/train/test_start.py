"""A task's training begins in a folder of its own, or goes on with the very run that is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from unspool.cells import GRUCell, LSTMCell
from unspool.errors import RunError
from unspool.tasks.language import LanguageSettings
from unspool.train import TrainSettings
from unspool.train.start import check, start

SETTINGS, TRAINING = LanguageSettings(), TrainSettings(max_steps=1)


def begin(out: Path, task: str = "one", cell: Any = GRUCell, settings: Any = SETTINGS, **more: Any) -> dict[str, Any]:
    options = {"same": {"data": {"lines": 3}}, "files": {}, "origin": None, "resume": False, "force": False}
    return start(out, task, cell, settings, TRAINING, **{**options, **more}).config


def test_the_config_says_all(tmp_path: Path) -> None:
    config = begin(tmp_path / "run", more={"columns": ["a"]}, origin={"job": "files"}, files={"own": b"1"})
    assert (config["task"], config["cell"], config["data"], config["columns"]) == ("one", "gru", {"lines": 3}, ["a"])
    assert config["origin"] == {"job": "files"} and config["training"]["max_steps"] == 1
    assert config["settings"]["hidden"] == SETTINGS.hidden and (tmp_path / "run" / "own").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"cell": LSTMCell}, 'cell "gru" → "lstm"'),
        ({"settings": LanguageSettings(hidden=7)}, "hidden .* → 7"),
        ({"same": {"data": {"lines": 4}}}, "lines 3 → 4"),
    ],
)
def test_a_run_goes_on_as_what_it_was(other: dict[str, Any], message: str, tmp_path: Path) -> None:
    before = begin(tmp_path / "run")
    assert begin(tmp_path / "run", resume=True) == before
    with pytest.raises(RunError, match=message):
        begin(tmp_path / "run", resume=True, **other)


def test_another_task_is_named_before_its_files_are_read(tmp_path: Path) -> None:
    begin(tmp_path / "run")
    how: dict[str, Any] = {"files": (), "resume": True, "force": False}
    check(tmp_path / "run", "one", GRUCell, **how)
    with pytest.raises(RunError, match="holds a run of the task 'one', not 'two'"):
        check(tmp_path / "run", "two", GRUCell, **how)


def test_what_is_another_is_shown_shortly_and_as_it_is_written(tmp_path: Path) -> None:
    begin(tmp_path / "run", same={"tags": ["ü"]})
    with pytest.raises(RunError, match=r'tags \["ü"\] → \["t0", .{80,95} …\. Repeat'):
        begin(tmp_path / "run", same={"tags": [f"t{i}" for i in range(5000)]}, resume=True)
