"""Training a classifier on files: those that cannot be used are named, and columns are remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import unspool
from unspool.cells import GRUCell
from unspool.data.columns import Columns
from unspool.errors import DataError
from unspool.tasks.classify import ClassifyData, ClassifySettings, train
from unspool.train import TrainSettings

SIZES: dict[str, Any] = {"tokenizer": "chars", "hidden": 4, "embedding": 4}


def fit(out: Path, data: ClassifyData, steps: int) -> None:
    train(GRUCell, data, ClassifySettings(**SIZES), TrainSettings(max_steps=steps), out)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "rows.csv"),
        (b"text,label\n", "rows.csv"),
        (b"text,label\nab,p\nb\n", "row 3"),
        (b"text,label\nab,p\nb,\n", "row 3"),
        (b"text,kind\nab,p\n", "label"),
        (b"text,label\nab,p\n\xff\xfe,q\n", "rows.csv"),
        (b"id,t,x,label\na,1,0.5,p\nb,1,nan,q\n", "row 3"),
        (b"id,t,x,label\na,1,0.5,p\nb,1,zero,q\n", "row 3"),
        (b"text,label\nab,p\nb,p\na,p\n", "the only label is 'p'"),
    ],
    ids=["empty", "no row", "ragged", "no label", "no column", "encoding", "nan", "text", "one class"],
)
def test_hostile_files_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    with pytest.raises(DataError, match=message):
        data = ClassifyData.open([tmp_path / "rows.csv"], [tmp_path / "rows.csv"], ClassifySettings())
        fit(tmp_path / "run", data, 1)
    assert not (tmp_path / "run").exists()


def test_a_run_on_texts_names_the_column_that_a_file_lacks(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("line,label\nab,p\nb,q\n")
    (tmp_path / "answers.csv").write_text("id,label,p_p,p_q\n1,p,0.75,0.25\n2,q,0.5,0.5\n")
    (tmp_path / "steps.jsonl").write_text('{"sequence": [1, 2], "label": "p"}\n')
    (tmp_path / "a.wav").write_bytes(b"")
    rows = [tmp_path / "rows.csv"]
    fit(tmp_path / "run", ClassifyData.open(rows, rows, ClassifySettings(), Columns(text="line")), 1)
    classifier = unspool.load(tmp_path / "run")
    for name, message in (
        ("answers.csv", r"no column 'line' for the text; its columns are 'id', 'label', 'p_p', 'p_q': .*--text-column"),
        ("steps.jsonl", "there is no 'line' among its keys, 'sequence', 'label'"),
        ("a.wav", "is audio, but the form is 'text'"),
    ):
        for ask in (classifier.evaluate, classifier.opened):
            with pytest.raises(DataError, match=rf"{name}.* {message}"):
                ask([tmp_path / name])


def test_columns_of_the_training_are_those_of_the_evaluation(tmp_path: Path) -> None:
    rows = "".join(f"{'ab' * (i % 5)},{'p' if i % 5 > 2 else 'q'},{i // 5}\n" for i in range(50))
    (tmp_path / "rows.csv").write_text("line,kind,talk\n" + rows)
    columns = Columns(text="line", label="kind", group="talk")
    data = ClassifyData.open([tmp_path / "rows.csv"], [], ClassifySettings(valid_share=0.3), columns)
    assert data.train.groups is not None and data.valid.groups is not None
    assert len(data.valid) == 15 and not set(data.train.groups) & set(data.valid.groups)
    fit(tmp_path / "run", data, 2)
    assert unspool.load(tmp_path / "run").evaluate([tmp_path / "rows.csv"])["sequences"] == 50
