"""The default job: its held-out parts, and that its own choices learn it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import unspool
from unspool import cli
from unspool.tasks.translate.dates import EXAMPLES, PRESET, exact_match, held_out

LINES = 60


def train(out: Path, *options: str) -> dict[str, float]:
    result = CliRunner().invoke(cli.app, ["train", "translate", "--out", str(out), *options])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)["best"]


def test_each_part_is_asked_with_and_without_tag() -> None:
    parts = list(held_out(seed=3, lines=LINES))
    assert [(part.name, part.tagged) for part in parts] == [
        ("unseen dates", True), ("unseen dates", False), ("unseen formats", True), ("unseen formats", False),
    ]  # fmt: skip
    for tagged, bare in (parts[:2], parts[2:]):
        assert [line.target for line in tagged.lines] == [line.target for line in bare.lines]
        assert all(a.source == f"<{a.locale}> {b.source}" for a, b in zip(tagged.lines, bare.lines, strict=True))
        assert 0.9 < bare.ceiling <= tagged.ceiling <= 1


def test_exact_match_is_to_the_letter() -> None:
    part = next(held_out(seed=0, lines=4))
    right = [line.target for line in part.lines]
    assert exact_match(right, part) == 1
    assert exact_match([right[0] + " ", *right[1:]], part) == 0.75


def test_the_default_job_begins_to_learn(tmp_path: Path) -> None:
    """The short form of the slow test below: a small model that learns how an answer looks."""
    best = train(tmp_path / "run", "--examples", "3000", "--max-steps", "60", "--hidden", "32", "--warmup", "10")
    assert best["perplexity"] < 5  # 13 symbols: chance is 13
    translator = unspool.load(tmp_path / "run")
    assert translator.runs[0].config["settings"]["tokenizer"] == PRESET["tokenizer"]
    (answer,) = translator.translate(["3. Mai 2021"], beam=1)
    assert set(answer) <= set("0123456789-T:")
    assert len(answer) >= 4


@pytest.mark.slow
def test_the_default_job_reads_days_it_never_saw(tmp_path: Path) -> None:
    best = train(tmp_path / "run")
    assert best["exact_match"] > 0.98
    translator = unspool.load(tmp_path / "run")
    assert translator.runs[0].config["origin"]["examples"] == EXAMPLES
    for part in held_out(seed=0, lines=1000):
        share = exact_match(translator.translate([line.source for line in part.lines], beam=1), part)
        least = min(0.99, part.ceiling - 0.005) if part.name == "unseen dates" else 0.95
        assert share >= least - 0.005, f"{part.name}, tag {part.tagged}: {share} of {part.ceiling}"  # 0.005: of 1,000
