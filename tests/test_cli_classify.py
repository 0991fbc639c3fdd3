"""The `train classify` and `classify` commands, called in this process."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

import unspool
from unspool import cli
from unspool.errors import ConfigError, DataError, RunError

SIZES = ["--tokenizer", "chars", "--hidden", 8, "--embedding", 8, "--dropout", 0, "--lr", 0.03]
ROWS = [("aab", "a"), ("bba", "b"), ("ab", "a"), ("ba", "b"), ("aaaa", "a"), ("bab", "b"), ("abba", "a"), ("b", "b")]


def call(*arguments: object, stdin: bytes = b"") -> Result:
    return CliRunner().invoke(cli.app, list(map(str, arguments)), input=stdin)


def table(*arguments: object, stdin: bytes = b"", status: int = 0) -> list[list[str]]:
    done = call("classify", *arguments, stdin=stdin)
    assert done.exit_code == status, done.stderr + repr(done.exception)
    return list(csv.reader(io.StringIO(done.stdout)))


def failure(*arguments: object) -> str:
    error = call(*arguments).exception
    assert isinstance(error, (ConfigError, DataError, RunError)), error
    return str(error)


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "words.csv"
    path.write_text("id,text,label\n" + "".join(f"r{i},{text},{label}\n" for i, (text, label) in enumerate(ROWS)))
    return path


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Long form: does x rise or fall?"""
    path = tmp_path_factory.mktemp("data") / "steps.csv"
    lines = [f"s{i},{t},{t * (-1) ** i},{i},{'fall' if i % 2 else 'rise'}" for i in range(12) for t in range(4)]
    path.write_text("name,when,x,y,way\n" + "\n".join(lines) + "\n")
    return path


COLUMNS = ["--id-column", "name", "--time-column", "when", "--label-column", "way"]


@pytest.fixture(scope="module")
def run(words: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "words"
    done = call("train", "classify", "--train", words, "--valid", words, "--out", out, "--max-steps", 40, *SIZES)
    assert done.exit_code == 0, done.exception
    best = json.loads(done.stdout)["best"]
    assert best["accuracy"] == 1 and best.keys() >= {"loss", "macro_f1", "ece", "ece_uncalibrated"}
    assert (best["temperature"], best["temperature_fitted_to"]) == (1, 0)  # 8 texts to validate on
    return out


@pytest.fixture(scope="module")
def slopes(steps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "slopes"
    choices = ["--valid-share", 0.25, "--max-steps", 30, *SIZES, *COLUMNS]
    done = call("train", "classify", "--train", steps, "--out", out, *choices)
    assert done.exit_code == 0, done.exception
    assert unspool.load(out).runs[0].config["data"]["valid_sequences"] == 3
    return out


def test_a_table_of_answers(run: Path, words: Path, tmp_path: Path) -> None:
    found = table(run, words)
    assert found[0] == ["id", "label", "p_a", "p_b"]
    assert [(name, label) for name, label, *_ in found[1:]] == [(f"r{i}", row[1]) for i, row in enumerate(ROWS)]
    expected = unspool.load(run).classify([text for text, _ in ROWS])
    for row, answer in zip(found[1:], expected, strict=True):
        assert [float(p) for p in row[2:]] == pytest.approx(list(answer.probabilities.values()), rel=1e-4)
    assert table(run, words, "--out", tmp_path / "answers.csv") == []
    assert list(csv.reader((tmp_path / "answers.csv").open())) == found


def test_texts_and_lines(run: Path) -> None:
    expected = [["1", "a"], ["2", "b"]]
    assert [row[:2] for row in table(run, "aab", "bba")[1:]] == expected
    assert [row[:2] for row in table(run, stdin=b"aab\nbba\n")[1:]] == expected
    done = call("classify", run, stdin=b"aab\nb\xffb\n\nbba\n")
    rows = list(csv.reader(io.StringIO(done.stdout)))
    assert (done.exit_code, rows[2]) == (1, ["2", "", "", ""]) and rows[4][:2] == ["4", "b"] and rows[3][1]
    assert "line 2 is not UTF-8 (byte 2); its fields are left empty" in done.stderr


def test_columns_are_remembered_and_may_be_others(slopes: Path, steps: Path, tmp_path: Path) -> None:
    found = table(slopes, steps)
    assert found[0] == ["id", "label", "p_fall", "p_rise"]
    assert [row[0] for row in found[1:]] == [f"s{i}" for i in range(12)]
    other = tmp_path / "other.csv"
    other.write_text(steps.read_text().replace("name,when,x,y,way", "who,at,x,y,kind"))
    assert table(slopes, other, "--id-column", "who", "--time-column", "at", "--label-column", "kind") == found
    metrics = json.loads(call("evaluate", slopes, "--test", steps).stdout)
    right = np.mean([row[1] == ("fall" if i % 2 else "rise") for i, row in enumerate(found[1:])])
    assert metrics["sequences"] == 12 and metrics["accuracy"] == pytest.approx(right)


@pytest.mark.parametrize(
    ("name", "content", "wrong"),
    [
        ("rows.csv", b'text,label\naab,a\nb,b,b\n"b\nb",a\n\xff,a\nbba,b\n', {2: "row 3", 4: "row 5"}),
        ("rows.tsv", b"text\tlabel\naab\ta\nb\tb\tb\nbba\tb\n", {2: "row 3"}),
        ("rows.jsonl", b'{"text": "aab"}\n{"text": 3}\n{\n{"text": "bba"}\n', {2: "line 2", 3: "line 3"}),
    ],
)
def test_a_bad_row_leaves_the_others_their_answers(
    name: str, content: bytes, wrong: dict[int, str], run: Path, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    done = call("classify", run, tmp_path / name)
    rows = list(csv.reader(io.StringIO(done.stdout)))[1:]
    assert done.exit_code == 1 and [int(row[0]) for row in rows] == list(range(1, len(rows) + 1))
    assert [number for number, row in enumerate(rows, 1) if not row[1]] == list(wrong)
    assert rows[0][1] == "a" and rows[-1][1] == "b"
    told = done.stderr.splitlines()
    assert len(told) == len(wrong)
    for line, place in zip(told, wrong.values(), strict=True):
        assert line.startswith(f"error: {tmp_path / name}, {place}")


def test_a_bad_step_costs_its_own_sequence_only(slopes: Path, steps: Path, tmp_path: Path) -> None:
    lines = steps.read_text().splitlines()
    lines[6] = lines[6].replace(",", ",nan,", 1).rsplit(",", 1)[0]  # s1: a cell that is no number
    (tmp_path / "steps.csv").write_text("\n".join([*lines[:1], *lines[1:][::-1]]) + "\n")  # and the ids in other order
    done = call("classify", slopes, tmp_path / "steps.csv")
    rows = {row[0]: row[1] for row in csv.reader(io.StringIO(done.stdout))}
    assert done.exit_code == 1 and rows.pop("s1") == "" and all(rows.values()) and len(rows) == 12
    assert f"steps.csv, row {len(lines) - 5}" in done.stderr


def test_a_number_beyond_the_scale_costs_its_own_sequence_only(slopes: Path, steps: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(slopes, tmp_path / "run"))
    scale = json.loads((run / "scaler.json").read_text())
    (run / "scaler.json").write_text(json.dumps({**scale, "deviation": [1e-3, 1]}))
    lines = steps.read_text().splitlines()
    lines[6] = "s1,1,-3e38,1,fall"
    (tmp_path / "steps.csv").write_text("\n".join(lines) + "\n")
    done = call("classify", run, tmp_path / "steps.csv")
    rows = {row[0]: row[1] for row in csv.reader(io.StringIO(done.stdout))}
    assert done.exit_code == 1 and rows.pop("s1") == "" and all(rows.values()) and len(rows) == 12
    assert "steps.csv, rows 6 to 9 (id 's1') has -3e+38 as 'x' in step 2; expected a number nearer" in done.stderr


def test_a_damaged_sound_leaves_the_others_their_answers(tmp_path: Path) -> None:
    for name, rate in (("a/1.wav", 8000), ("a/2.wav", 8000), ("b/1.wav", 8000), ("b/2.wav", 8000), ("c.wav", 16000)):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(tmp_path / "in" / name, np.sin(np.arange(2000) / 5), rate)
    (tmp_path / "in" / "c.wav").rename(tmp_path / "c.wav")
    sizes = ["--hidden", 4, "--max-steps", 1]
    assert call("train", "classify", "--train", tmp_path / "in", "--out", tmp_path / "run", *sizes).exit_code == 0
    (tmp_path / "in" / "a" / "2.wav").write_bytes(b"RIFF")
    (tmp_path / "c.wav").rename(tmp_path / "in" / "c.wav")
    found = table(tmp_path / "run", tmp_path / "in", status=1)[1:]
    assert [row[0] for row in found] == ["a/1.wav", "a/2.wav", "b/1.wav", "b/2.wav", "c.wav"]
    assert [bool(row[1]) for row in found] == [True, False, True, True, False]
    files = sorted((tmp_path / "in").rglob("*.wav"))
    assert [bool(row[1]) for row in table(tmp_path / "run", *files, status=1)[1:]] == [True, False, True, True, False]
    assert "2.wav cannot be read as audio" in failure("classify", tmp_path / "run", tmp_path / "in" / "a" / "2.wav")


def test_what_is_wrong_with_the_whole_file_is_said_once(run: Path, tmp_path: Path) -> None:
    for content in ("line\nab\nba\n", "", "text\n", "a,b\n1,2\n"):
        (tmp_path / "rows.csv").write_text(content)
        assert "rows.csv" in failure("classify", run, tmp_path / "rows.csv")
    assert "there is no file" in failure("classify", run, tmp_path / "no.csv")


def test_a_long_text_is_named_where_it_was_written(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unspool.tasks.classify.classifier.STEP_LIMIT", 5)
    (tmp_path / "rows.csv").write_text("text\naab\nb,b\naaaaaa\nbba\n")
    done = call("classify", run, tmp_path / "rows.csv")
    assert [row[1] for row in csv.reader(io.StringIO(done.stdout))] == ["label", "a", "", "", "b"]
    assert f"{tmp_path / 'rows.csv'}, row 4 has 6 steps; the limit is 5" in done.stderr


def test_pictures_and_counts(run: Path, words: Path, tmp_path: Path) -> None:
    table(run, words, "--pictures", tmp_path / "p")
    assert json.loads((tmp_path / "p" / "confusion.json").read_text()) == {
        "classes": ["a", "b"], "counts": [[4, 0], [0, 4]],
    }  # fmt: skip
    for name in ("confusion", "reliability"):
        assert (tmp_path / "p" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (tmp_path / "p" / f"{name}.svg").read_text()
    assert "name a folder" in failure("classify", run, words, "--pictures", words)
    (tmp_path / "bare.csv").write_text("text\naab\n")
    assert "label" in failure("classify", run, tmp_path / "bare.csv", "--pictures", tmp_path / "q")


def test_saliency(run: Path, slopes: Path, steps: Path, tmp_path: Path) -> None:
    assert call("classify", run, "a<b&", "--saliency", tmp_path / "s.html").stdout.strip() in ("a", "b")
    page = (tmp_path / "s.html").read_text()
    assert page.count("<span title") == 4 and "http" not in page and "<script" not in page
    assert call("classify", slopes, steps, "--saliency", tmp_path / "s.png", "--row", 2).exit_code == 0
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    assert "--row is 13, but the input has 12 sequences" in failure(
        "classify", slopes, steps, "--saliency", tmp_path / "s.png", "--row", 13
    )
    assert "--row is 2, but the input has 1 sequence" in failure(
        "classify", run, "ab", "--saliency", tmp_path / "s.html", "--row", 2
    )
    error = call("classify", run, "--saliency", tmp_path / "s.html", stdin=b"ab\nb\xffb\n").exception
    assert isinstance(error, DataError) and str(error) == "line 2 is not UTF-8 (byte 2)"
    missing = ["--text-column", "missing"]
    for name in ("t.png", "t.xyz", "t"):  # said before the texts are looked at
        assert f"--saliency {tmp_path / name}: expected a file that ends in .html for texts" in failure(
            "classify", run, steps, "--saliency", tmp_path / name, *missing
        )
    assert "t.html: expected a file that ends in .png or .svg or .pdf for numbers" in failure(
        "classify", slopes, steps, "--saliency", tmp_path / "t.html", "--form", "text", *missing
    )


def test_a_class_that_training_never_sees_is_named(words: Path, tmp_path: Path) -> None:
    valid = tmp_path / "valid.csv"
    valid.write_text("text,label\naab,a\nbba,b\nxyz,weird\n")
    start = [
        "train",
        "classify",
        "--train",
        words,
        "--valid",
        valid,
        "--out",
        tmp_path / "run",
        "--max-steps",
        1,
        *SIZES,
    ]
    with pytest.warns(UserWarning, match=r"the validation data alone has 1 of the 3 classes \(weird\)"):
        assert call(*start).exit_code == 0


def test_no_result_replaces_an_input_or_a_file_of_a_run(run: Path, words: Path, tmp_path: Path) -> None:
    before = words.read_bytes(), (run / "config.json").read_bytes()
    for out in (words, run / "config.json", run / "new.csv"):
        assert "would replace a file that is read or belongs to a run" in failure("classify", run, words, "--out", out)
    assert (words.read_bytes(), (run / "config.json").read_bytes()) == before
    assert "shows one sequence alone" in failure(
        "classify", run, "ab", "--saliency", tmp_path / "s.html", "--out", tmp_path / "o.csv"
    )


def test_ensembles(run: Path, words: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    call(
        "train",
        "classify",
        "--train",
        words,
        "--valid",
        words,
        "--out",
        other,
        "--max-steps",
        1,
        "--cell",
        "lstm",
        *SIZES,
    )
    (one,), (two,) = table(run, "abab")[1:], table(other, "abab")[1:]
    (both,) = table(run, "abab", "--ensemble", other)[1:]
    assert float(both[2]) == pytest.approx((float(one[2]) + float(two[2])) / 2, rel=1e-4)


@pytest.mark.parametrize(
    ("label", "more", "keys"),
    [
        (lambda i: "x|y" if i % 2 else "", ["--target", "multilabel"], {"micro_f1", "subset_accuracy"}),
        (lambda i: ["low", "high"][i % 2], ["--target", "ordinal", "--order", "low", "--order", "high"], {"mae"}),
        (lambda i: str(i / 4), ["--target", "number"], {"rmse", "r2"}),
    ],
    ids=["multilabel", "ordinal", "number"],
)
def test_targets(label: Any, more: list[str], keys: set[str], tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,label\n" + "".join(f"{'ab' * (i % 3)}a,{label(i)}\n" for i in range(9)))
    done = call("train", "classify", "--train", file, "--out", tmp_path / "run", "--max-steps", 2, *SIZES, *more)
    assert done.exit_code == 0, done.exception
    assert json.loads(done.stdout)["best"].keys() >= keys
    assert json.loads(call("evaluate", tmp_path / "run", "--test", file).stdout).keys() >= keys
    found = table(tmp_path / "run", file)
    names = {"multilabel": ["p_x", "p_y"], "ordinal": ["p_low", "p_high"], "number": []}[more[1]]
    assert found[0] == ["id", "label", *names] and len(found) == 10
    if more[1] == "number":
        (tmp_path / "one.csv").write_text("text,label\na,1\n")
        measured = call("evaluate", tmp_path / "run", "--test", tmp_path / "one.csv").stdout
        assert json.loads(measured, parse_constant=pytest.fail)["r2"] is None  # one label has no spread
        (tmp_path / "bad.csv").write_text("text,label\na,tall\n")  # said before the labels are looked at
        assert "target is a number" in failure(
            "classify", tmp_path / "run", tmp_path / "bad.csv", "--pictures", tmp_path / "p"
        )
        assert not (tmp_path / "p").exists()


def test_resume_and_force(run: Path, words: Path, tmp_path: Path) -> None:
    first = ["train", "classify", "--train", words, "--valid", words, "--out", tmp_path / "run", *SIZES]
    assert call(*first, "--max-steps", 1).exit_code == 0
    assert "--resume" in failure(*first, "--max-steps", 2)
    with pytest.warns(UserWarning, match="max_steps 1 → 2"):
        done = call(*first, "--max-steps", 2, "--resume")
    assert json.loads(done.stdout)["steps"] == 2
    assert "name them again with --train" in failure("train", "classify", "--out", tmp_path / "run", "--resume")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--valid", "x.csv"], "without --train"),
        (["--label-column", "y"], "without --train"),
        (["--train", "no.csv"], "there is no file or folder no.csv"),
        (["--order", "a"], "order was given, but target is 'classes'"),
        (["--readout", "last"], "readout is 'last'"),
        (["--cell", "no.py:Mine"], "there is no file 'no.py'"),
    ],
    ids=str,
)
def test_wrong_use_says_what_is_wrong(arguments: list[str], message: str, tmp_path: Path) -> None:
    assert message in failure("train", "classify", "--out", tmp_path / "x", *arguments)
    assert not (tmp_path / "x").exists()


def test_runs_and_files_of_the_wrong_kind(run: Path, slopes: Path, words: Path, steps: Path) -> None:
    assert "has no column 'text' for the text" in failure("classify", run, steps, *COLUMNS)
    assert "are numbers, but the model was trained on texts" in failure(
        "classify", run, steps, *COLUMNS, "--form", "long"
    )
    assert "are texts, but the model was trained on numbers" in failure("classify", slopes, words)
    assert "reads numbers, not texts" in failure("classify", slopes, "abc")
    assert "give either files or texts" in failure("classify", run, words, "abc")
    assert "trained on files" in failure("classify", slopes)
    assert "belongs to translators" in failure("evaluate", run, "--test", words, "--beam", 2)


def test_the_default_job_begins_to_learn(tmp_path: Path) -> None:
    """The short form of the slow test below."""
    easy = ["--epochs", 4, "--hidden", 48, "--warmup", 5, "--dropout", 0, "--recurrent-dropout", 0, "--ema", 0.9]
    done = call("train", "classify", "--out", tmp_path / "run", *easy)
    assert done.exit_code == 0 and json.loads(done.stdout)["best"]["accuracy"] > 0.7
    assert json.loads(call("evaluate", tmp_path / "run").stdout)["accuracy"] > 0.7
    found = table(tmp_path / "run")
    assert found[0] == ["id", "label", *(f"p_{digit}" for digit in range(10))] and len(found) > 300


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_default_job_reads_digits(seed: int, tmp_path: Path) -> None:
    call("train", "classify", "--out", tmp_path / "run", "--seed", seed)
    assert json.loads(call("evaluate", tmp_path / "run").stdout)["accuracy"] >= 0.97
