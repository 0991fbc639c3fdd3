"""`unspool bench engine`, in small: the command, its document, its pictures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import forked
import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

import unspool
from unspool import cli
from unspool.bench import engine, fresh, machine, memory, sequence, tables
from unspool.bench.case import Bench, Row, Section
from unspool.bench.plot import draw
from unspool.bench.timing import Timing
from unspool.cli import spread


def test_the_command(tmp_path: Path) -> None:
    """One JSON document on stdout, progress on stderr, pictures where asked; no path in the document."""
    command = [sys.executable, "-m", "unspool", "bench", "engine", "--quick", "--only", "rnn", "stream", "--json"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([*command, "--plot", str(tmp_path)], capture_output=True, env=env, check=False, timeout=100)
    assert done.returncode == 0, done.stderr.decode()
    told = json.loads(done.stdout)
    assert told["right"] and told["quick"] and [part["name"] for part in told["sections"]] == ["rnn", "stream"]
    assert told["machine"]["threads"] == 1 and told["machine"]["peak_of_one_thread"] > 1
    rnn = told["sections"][0]
    assert all(row["verdict"]["worst"] <= 1.5 and row["ratios"]["torch.nn.RNN"] > 0 for row in rnn["rows"])
    assert rnn["geometric_means"].keys() == {"torch.nn.RNN"}
    assert b"the answer" in done.stderr and str(Path.cwd()) not in done.stdout.decode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rnn.svg", "stream.svg"]


def row(right: bool) -> Row:
    """Of a section that measures nothing."""
    if not right:
        return Row("a case", {}, False, ["a case, unspool: [d x] is off by 0.1"])
    return Row(
        "a case", {}, True, [], None, {"unspool": Timing(1e-3, 2e-3, 3), "peer": Timing(4e-3, 5e-3, 3)}, {"peer": 4.0}
    )


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_wrong_answer_is_said_and_ends_with_status_1(
    right: bool, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(engine.SECTIONS, "gru", lambda bench: Section("gru", "A title", [row(right)]))
    done = CliRunner().invoke(cli.app, ["bench", "engine", "--quick", "--only", "gru", *options])
    assert done.exit_code == (0 if right else 1)
    assert ("d x] is off by 0.1" in done.stdout) == (not right)
    assert ("an answer is wrong" in done.stderr) == (not right)
    assert ("1 (2) ms" in done.stdout) == (right and not options)
    if options:
        assert json.loads(done.stdout)["right"] == right


def test_a_section_that_is_not_there() -> None:
    done = forked.unspool("bench", "engine", "--only", "lstn")
    assert done.returncode == 1 and b"--only lstn" in done.stderr and b"lstm, gru, rnn" in done.stderr
    assert spread(["bench", "engine", "--only", "a", "b", "c", "--json"])[2:] == [
        "--only", "a", "--only", "b", "--only", "c", "--json",
    ]  # fmt: skip


def test_help_names_every_section() -> None:
    done = CliRunner().invoke(cli.app, ["bench", "engine", "--help"], env={"COLUMNS": "300", "NO_COLOR": "1"})
    assert ", ".join(engine.SECTIONS) in done.stdout


def test_geometric_means_pictures_and_gaps(tmp_path: Path) -> None:
    rows = [row(True), row(True), row(False)]
    rows[1].ratios = {"peer": 1.0, "other": 3.0}
    section = Section("a", "A title", rows, ["a note"])
    assert section.means == pytest.approx({"peer": 2.0, "other": 3.0}) and not section.right
    assert [path.read_text()[:5] for path in draw([section, Section("b", "")], tmp_path)] == ["<?xml"]
    here = machine.machine(0.01)
    console = Console(width=200, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    tables.show(engine.Report(here, False, [section]), console)
    text = console.export_text()
    assert "2.00×" in text and "a note" in text and "WRONG" in text and "[d x]" in text


def test_the_peak_grows_with_threads_and_is_not_passed_by_a_product() -> None:
    one = machine.peak(1, 0.05)
    assert 1e9 < one < 1e12
    assert machine.peak(2, 0.05) > one
    a = torch.randn(256, 256)
    assert 2 * 256**3 / min(_seconds(lambda: a @ a) for _ in range(5)) < 1.2 * one * torch.get_num_threads()


def _seconds(function: Any) -> float:
    from unspool.bench.timing import clocked

    return clocked(function)[0]


@pytest.mark.skipif(not memory.RESET.exists(), reason="needs /proc")
def test_memory_that_a_step_needs_is_seen() -> None:
    sizes = {"T": 400, "B": 16, "H": 64}
    names = ("unspool", "checkpoint=20")
    found = {name: fresh.call(memory.extra, name=name, sizes=sizes, segment=20) for name in names}
    saved = 4 * 400 * 16 * 64 * 4
    assert saved < found["unspool"] < 5 * saved, found
    assert found["checkpoint=20"] < 0.7 * found["unspool"], found


def test_a_sequence_that_differs_in_chunks_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fine = sequence._row("few", 300, 1, 8, Bench(quick=True))
    assert fine.right, fine.problems
    true = unspool.unfold

    def wrong(cell: Any, x: Any, state: Any = None, **options: Any) -> Any:
        y, final = true(cell, x, state, **options)
        return (y if state is None else torch.nextafter(y, y + 1)), final

    monkeypatch.setattr(sequence, "unfold", wrong)
    found = sequence._row("few", 300, 1, 8, Bench(quick=True))
    assert not found.right and "in chunks it differs in steps 43" in found.problems[0]


def test_a_machine_without_memory_says_what_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequence, "_available", lambda: 2.0**20 / 2)
    found = sequence.section(Bench(quick=True))
    assert len(found.rows) == 1 and "left out" in found.notes[0] and found.right
