"""A library that is missing is named with the command that installs it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from unspool.data.digits import digits
from unspool.data.open_sequences import open_sequences
from unspool.errors import UnspoolError


@pytest.mark.parametrize(
    ("module", "file", "message"),
    [
        ("pyarrow", "a.csv", "reading a table needs the pyarrow library"),
        ("soundfile", "a.wav", "reading audio needs the soundfile library"),
    ],
)
def test_the_library_and_its_command_are_named(
    module: str, file: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / file).write_text("text,label\na,b\n")
    with pytest.raises(UnspoolError, match=rf"{message}, .*: pip install 'unspool\[classify\]'"):
        open_sequences([tmp_path / file], labelled=False)


def test_the_default_job_names_its_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(UnspoolError, match="handwritten digits, needs the scikit-learn library"):
        digits()


def test_json_lines_need_no_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("pyarrow", "soundfile", "kaldi_native_fbank", "sklearn"):
        monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": "b"}\n')
    assert open_sequences([tmp_path / "a.jsonl"]).texts == ["a"]
