"""The tagger's default job: its test parts, and that its own choices learn it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import unspool
from unspool.cells import GRUCell
from unspool.errors import ConfigError, RunError
from unspool.tasks.tag import TagData, TagSettings, train
from unspool.tasks.tag.dates import EXAMPLES, PRESET, TRAINING_PRESET, held_out
from unspool.train import Run, TrainSettings


def run_of(folder: Path, origin: Any) -> Run:
    """A run that says it was trained on `origin`."""
    config = {"task": "tag", "origin": origin}
    return Run.create(folder / "run", config, files={}, resume=False, force=True)


def test_the_test_parts_are_those_of_the_seed(tmp_path: Path) -> None:
    parts = {seed: held_out(run_of(tmp_path, {"job": "dates", "seed": seed})) for seed in (0, 3)}
    assert [name for name, _ in parts[3]] == ["unseen dates", "unseen formats"]
    trained = {s.tokens for s in TagData.dates(examples=2000, seed=3).train}
    assert not trained & {s.tokens for _, part in parts[3] for s in part}
    assert parts[0] != parts[3]


@pytest.mark.parametrize("origin", [None, "x", {"job": "dates"}, {"job": "dates", "seed": "0"}], ids=str)
def test_an_unknown_origin_is_named(origin: Any, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"run/config\.json does not say what the run was trained on"):
        held_out(run_of(tmp_path, origin))


def test_a_run_of_files_has_no_parts_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="was trained on files; name the test files"):
        held_out(run_of(tmp_path, {"job": "files"}))


@pytest.mark.slow
def test_the_default_job_finds_the_parts(tmp_path: Path) -> None:
    data, out = TagData.dates(examples=EXAMPLES, seed=0), tmp_path / "run"
    origin = {"job": "dates", "seed": 0}
    train(GRUCell, data, TagSettings(**PRESET), TrainSettings(**TRAINING_PRESET), out, origin=origin)
    for part in unspool.load(out).evaluate()["parts"]:
        assert part["span_f1"] > 0.98, part
