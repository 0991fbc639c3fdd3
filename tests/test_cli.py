"""The command line, as real processes: what goes to stdout, what to stderr, and the exit status."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from forked import unspool

from unspool.cli import spread
from unspool.cli.main import Warned, check_names
from unspool.cli.training import default_training
from unspool.errors import ConfigError
from unspool.options import key_values
from unspool.tasks.translate import dates
from unspool.train import TrainSettings

SIZES = ["--tokenizer", "chars", "--hidden", "8", "--embedding", "8", "--max-tokens", "200"]


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("words")
    texts = [a + b + c for a in "abc" for b in "abc" for c in "abc"]
    (folder / "w.src").write_text("".join(f"{text}\n" for text in texts))
    (folder / "w.tgt").write_text("".join(f"{text[::-1]}\n" for text in texts))
    return [folder / "w.src", folder / "w.tgt"]


@pytest.fixture(scope="module")
def run(words: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "words"
    done = unspool("train", "translate", "--train", *words, "--valid", *words, "--out", out, "--max-steps", 3, *SIZES)
    assert done.returncode == 0, done.stderr.decode()
    assert json.loads(done.stdout)["steps"] == 3
    return out


def test_one_line_out_for_every_line_in(run: Path) -> None:
    lines = [b"abc", b"", b"abcabcabcabc", "漢字".encode(), b"a\xffb", b"a" * 6000, b"   ", b"cab"]
    done = unspool("translate", run, "--max-length", 5, stdin=b"\n".join(lines))
    answers = done.stdout.decode().split("\n")[:-1]
    assert len(answers) == len(lines)
    assert answers[1] == answers[4] == answers[5] == answers[6] == ""
    errors = done.stderr.decode()
    assert "line 5 is not UTF-8" in errors and "line 6 has 6000 symbols; the limit is 5000" in errors
    assert "line 3 is longer than any in training" in errors
    assert done.returncode == 1
    assert unspool("translate", run, stdin=b"abc\n\n").returncode == 0


def test_texts_as_arguments_scores_and_encode(run: Path) -> None:
    plain = unspool("translate", run, "abc", "cab", "--beam", 2)
    scored = unspool("translate", run, "abc", "cab", "--beam", 2, "--scores")
    found = [json.loads(line) for line in scored.stdout.splitlines()]
    assert [line["text"] for line in found] == plain.stdout.decode().splitlines()
    assert all(p <= 0 for line in found for _, p in line["symbols"])
    assert len(json.loads(unspool("encode", run, "abc").stdout)) == 16


def test_attention_is_drawn(run: Path, tmp_path: Path) -> None:
    done = unspool("translate", run, "abc$_^ 漢", "--attention", tmp_path / "a.png")
    assert done.returncode == 0, done.stderr.decode()
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    wrong = unspool("translate", run, "abc", "--attention", tmp_path / "a.txt")
    assert wrong.returncode == 1 and b".png" in wrong.stderr


def test_evaluate_prints_one_json_line(run: Path, words: list[Path], tmp_path: Path) -> None:
    done = unspool("evaluate", run, "--test", *words, "--out", tmp_path / "answers", "--beam", 1)
    metrics = json.loads(done.stdout)
    assert metrics["lines"] == 27 and len((tmp_path / "answers").read_text().splitlines()) == 27


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_message(run: Path, words: list[Path]) -> None:
    done = unspool("evaluate", run, "--test", *words, "--beam", 1, "--out", "/dev/full")
    assert done.returncode == 1 and b"error: /dev/full could not be written: the disk is full" in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize("stream", ["1", "2"], ids=["stdout", "stderr"])
def test_a_closed_stream_is_no_error(stream: str, run: Path) -> None:
    command = f"exec {sys.executable} -m unspool translate {run} abcabcabc --max-length 3 {stream}>&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.count(b"\n") == (stream == "2") and done.stderr.count(b"\n") == (stream == "1")


def test_json_lines_name_their_keys(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"de": "ab", "en": "ba"}\n')
    data, rest = ["--train", pairs, "--valid", pairs], ["--out", tmp_path / "run", "--max-steps", 1, *SIZES]
    wrong = unspool("train", "translate", *data, *rest)
    assert wrong.returncode == 1 and b"pairs.jsonl, line 1" in wrong.stderr and b'"source"' in wrong.stderr
    done = unspool("train", "translate", *data, "--keys", "de", "en", *rest)
    assert done.returncode == 0, done.stderr.decode()
    scored = unspool("evaluate", tmp_path / "run", "--test", pairs, "--keys", "de", "en", "--beam", 1)
    assert json.loads(scored.stdout)["lines"] == 1, scored.stderr.decode()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["train", "translate"], 2, "--out"),
        (["paint"], 2, "paint"),
        (["train", "translate", "--out", "x", "--examples", "0"], 2, "--examples"),
        (["translate", "nowhere", "abc"], 1, "nowhere is not a run"),
        (["train", "translate", "--train", "no.tsv", "--valid", "no.tsv", "--out", "x"], 1, "no file no.tsv"),
        (["train", "translate", "--out", "x", "--cell", "no.py:Mine"], 1, "no file 'no.py'"),
        (["train", "translate", "--out", "x", "--cell", "grru"], 1, "gru, lstm"),
        (["train", "translate", "--out", "x", "--lr", "-1"], 1, "lr=-1.0"),
        (["train", "translate", "--out", "x", "--cell-option", "peephole"], 1, "name=value"),
    ],
)
def test_wrong_use_says_what_is_wrong(arguments: list[str], status: int, message: str, tmp_path: Path) -> None:
    done = unspool(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (status, b"")
    assert message in done.stderr.decode() and b"Traceback" not in done.stderr
    assert not (tmp_path / "x").exists()


def test_a_taken_folder_is_refused_at_once(run: Path, words: list[Path]) -> None:
    done = unspool("train", "translate", "--train", *words, "--valid", *words, "--out", run, "--max-steps", 3, *SIZES)
    assert done.returncode == 1 and b"--resume" in done.stderr and b"--force" in done.stderr


def test_files_of_others_are_not_replaced(words: list[Path], tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "thesis.pt").write_text("mine")
    done = unspool("train", "translate", "--train", *words, "--valid", *words, "--out", tmp_path, "--force", *SIZES)
    assert done.returncode == 1 and b"holds checkpoints; move that away" in done.stderr
    assert (tmp_path / "checkpoints" / "thesis.pt").read_text() == "mine"


@pytest.mark.parametrize(
    "ends", [pytest.param([2], id="begun"), pytest.param([2, 4], id="resumed", marks=pytest.mark.slow)]
)
def test_two_processes_make_one_run(ends: list[int], words: list[Path], tmp_path: Path) -> None:
    """Under torchrun one process writes and speaks: one JSON line, one run that loads and goes on."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "unspool"]
    choices = ["train", "translate", "--train", *words, "--valid", *words, "--out", tmp_path / "run", *SIZES]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    for end in ends:
        resumed = end > 2
        command = [sys.executable, *launcher, *map(str, choices), "--max-steps", str(end), *["--resume"] * resumed]
        done = subprocess.run(command, capture_output=True, env=env, check=False, timeout=200)
        assert done.returncode == 0, done.stderr.decode()
        (line,) = done.stdout.splitlines()
        assert json.loads(line)["steps"] == end
        assert done.stderr.count(b"trained gru for") == 1
        assert done.stderr.count(b"with other settings") == resumed
    assert unspool("translate", tmp_path / "run", "abc").returncode == 0


@pytest.mark.parametrize("origin", [None, 3, {"job": "dates"}])
def test_a_run_that_does_not_say_what_it_was_trained_on(origin: object, run: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    del config["origin"]
    (copy / "config.json").write_text(json.dumps(config if origin is None else config | {"origin": origin}))
    done = unspool("evaluate", copy)
    assert done.returncode == 1 and done.stdout == b""
    assert b"config.json does not say" in done.stderr and b"--test" in done.stderr


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ({}, {"max_steps": dates.TRAINING_PRESET["max_steps"]}),
        ({"epochs": 50}, {"epochs": 50}),
        ({"max_steps": 7}, {"max_steps": 7}),
        ({"epochs": 50, "max_steps": 7}, {"epochs": 50, "max_steps": 7}),
        ({"max_minutes": 3.0}, {"max_steps": dates.TRAINING_PRESET["max_steps"], "max_minutes": 3.0}),
        ({"max_minutes": 3.0, "schedule": "constant"}, {"max_minutes": 3.0}),
        ({"max_steps": None, "epochs": 2}, {"epochs": 2}),
    ],
    ids=str,
)
def test_the_users_end_stands_in_for_the_default_jobs(given: dict[str, Any], ends: dict[str, Any]) -> None:
    settings = TrainSettings(**{**default_training(given, dates.TRAINING_PRESET), **given})
    assert {name: getattr(settings, name) for name in ends} == ends
    assert [settings.epochs, settings.max_steps, settings.max_minutes].count(None) == 3 - len(ends)


def test_the_users_goal_stands_in_for_the_default_jobs() -> None:
    assert TrainSettings(**default_training({}, dates.TRAINING_PRESET)).monitored == "exact_match"
    given = {"until": "loss<=0.1"}
    settings = TrainSettings(**{**default_training(given, dates.TRAINING_PRESET), **given})
    assert (settings.monitored, settings.direction) == ("loss", "min")


def test_ctrl_c_leaves_a_checkpoint_to_resume_from(words: list[Path], tmp_path: Path) -> None:
    choices = ["--train", *words, "--valid", *words, "--out", tmp_path / "run", *SIZES, "--log-every", 5]
    command = [sys.executable, "-m", "unspool", "train", "translate", *map(str, choices), "--max-steps"]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen([*command, "100000"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
    metrics = tmp_path / "run" / "metrics.jsonl"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 130 and out == b"" and b"--resume" in errors, errors.decode()
    step = max(int(path.name.rsplit("-", 1)[1]) for path in (tmp_path / "run" / "checkpoints").glob("step-*"))
    resumed = unspool("train", "translate", *choices, "--max-steps", step + 2, "--resume")
    assert resumed.returncode == 0 and json.loads(resumed.stdout)["steps"] == step + 2


def test_two_files_after_one_option() -> None:
    assert spread(["--train", "a.de", "a.en", "--out", "x"]) == ["--train", "a.de", "--train", "a.en", "--out", "x"]
    assert spread(["evaluate", "--test", "a.tsv.gz", "run"]) == ["evaluate", "--test", "a.tsv.gz", "run"]


def test_an_empty_name_is_not_this_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = unspool("train", "classify", "--max-steps", "1", "--out", "")
    assert done.returncode == 1 and b"error: the value of --out is empty; name a file or folder" in done.stderr
    assert not list(tmp_path.iterdir())
    check_names(spread(["train", "language", "--train", ".", "a", "--out", "x", "--note", "", ""]))
    with pytest.raises(ConfigError, match="the value of --valid is empty"):
        check_names(spread(["--valid", "a.de", ""]))


def test_cell_options_are_read() -> None:
    found = key_values(["peephole=true", "chrono=50", "forget_bias=0.5", "reset=before", "projection_size=none"])
    assert found == {
        "peephole": True, "chrono": 50, "forget_bias": 0.5, "reset": "before", "projection_size": None,
    }  # fmt: skip


def test_a_warning_is_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    warned = Warned()
    for text in ("one", "two", "one", "one"):
        warned(UserWarning(text), UserWarning, "file.py", 1)
    assert capsys.readouterr().err.splitlines() == ["warning: one", "warning: two"]
