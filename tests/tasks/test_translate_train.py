"""Training a translator: its vocabularies, its run folder, and what it is resumed with."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

import unspool
from unspool.cells import GRUCell, load_cell
from unspool.data.corpus import ListCorpus
from unspool.errors import RunError
from unspool.tasks.translate import TranslateSettings, train
from unspool.tasks.translate.train import SOURCE, TARGET, TranslateData
from unspool.train import Run, TrainSettings

PAIRS = [("ab", "xyz"), ("a", "x"), ("ba", "yx")]
SIZES: dict[str, Any] = {"tokenizer": "chars", "hidden": 4, "embedding": 4, "max_tokens": 40}


def data(train: list[tuple[str, str]] = PAIRS, valid: list[tuple[str, str]] = PAIRS) -> TranslateData:
    return TranslateData(ListCorpus(train), ListCorpus(valid))


def fit(out: Path, source: TranslateData, *, resume: bool = False, choices: Any = SIZES, **training: Any) -> None:
    train(GRUCell, source, TranslateSettings(**choices), TrainSettings(**training), out, resume=resume)


def test_a_vocabulary_a_side_or_one_for_both(tmp_path: Path) -> None:
    fit(tmp_path / "two", data(), max_steps=1)
    fit(tmp_path / "one", data(), choices=SIZES | {"joint_vocabulary": True}, max_steps=1)
    two, one = (unspool.load(tmp_path / name) for name in ("two", "one"))
    assert set(two.source.pieces(range(4, two.source.size))) == {"a", "b"}
    assert set(two.target.pieces(range(4, two.target.size))) == {"x", "y", "z"}
    assert set(one.source.pieces(range(4, one.source.size))) == {"a", "b", "x", "y", "z"}
    assert (tmp_path / "one" / SOURCE).read_bytes() == (tmp_path / "one" / TARGET).read_bytes()


@pytest.mark.parametrize(
    ("other", "named"),
    [
        (data(train=[*PAIRS, ("b", "y")]), "train_pairs 3 → 4, train_crc32"),
        (data(train=[PAIRS[1], PAIRS[0], PAIRS[2]]), r": train_crc32 \d+ → \d+\. "),
        (data(train=[("ab", "zyx"), *PAIRS[1:]]), r": train_crc32 \d+ → \d+\. "),
        (data(valid=PAIRS[:2]), "valid_pairs 3 → 2, valid_crc32"),
    ],
    ids=["more", "order", "other symbols", "valid"],
)
def test_resuming_on_other_data_is_refused(other: TranslateData, named: str, tmp_path: Path) -> None:
    fit(tmp_path, data(), max_steps=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=f"cannot be resumed with other choices or data.*{named}"):
        fit(tmp_path, other, resume=True, max_steps=2)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    fit(tmp_path, data(), resume=True, max_steps=1)


def test_a_run_that_does_not_say_what_its_data_was_is_resumed(tmp_path: Path) -> None:
    fit(tmp_path, data(), max_steps=1)
    config = json.loads((tmp_path / "config.json").read_text())
    del config["data"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    fit(tmp_path, data(), resume=True, max_steps=1)


def test_the_config_says_how_the_run_was_trained_to_its_end(tmp_path: Path) -> None:
    fit(tmp_path, data(), max_steps=1)
    with pytest.warns(UserWarning, match="after step 1 with other settings: lr 0.001 → 0.01, max_steps 1 → 2"):
        fit(tmp_path, data(), resume=True, max_steps=2, lr=0.01)
    config = Run.open(tmp_path).config
    assert config["training"] == json.loads(json.dumps(asdict(TrainSettings(max_steps=2, lr=0.01))))
    assert config["changes"] == [{"after_step": 1, "lr": [0.001, 0.01], "max_steps": [1, 2]}]
    assert unspool.load(tmp_path).translate(["ab"])


MINE = """
import torch, unspool

class Mine(unspool.Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.x = torch.nn.Linear(input_size, 2 * hidden_size)
        self.h = torch.nn.Linear(hidden_size, 2 * hidden_size, bias=False)

    def forward(self, x, h):
        gate, new = (self.x(x) + self.h(h)).chunk(2, -1)
        h = h + torch.sigmoid(gate) * (torch.tanh(new) - h)
        return h, h
"""


HALVES: dict[str, Any] = {"max_steps": 30, "lr": 0.02, "validate_every": 30}


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> type[unspool.Cell]:
    path = tmp_path_factory.mktemp("cell") / "mine.py"
    path.write_text(MINE)
    return load_cell(f"{path}:Mine")


@pytest.fixture(scope="module", params=["init", "every-step", "attention"])
def in_fp32(request: pytest.FixtureRequest, mine: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, float]:
    """The settings, and the last loss in fp32."""
    settings = TranslateSettings(**SIZES, layers=2, conditioning=request.param, dropout=0.0)
    out = tmp_path_factory.mktemp("fp32")
    return settings, train(mine, data(), settings, TrainSettings(**HALVES), out).best["loss"]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_a_cell_from_a_file_in_half_precision(
    precision: str, in_fp32: tuple[Any, float], mine: Any, tmp_path: Path
) -> None:
    """The same steps as in fp32, from the same first values, to the bits that the precision has."""
    settings, expected = in_fp32
    # fp16 skips the first steps, until its scale fits.
    last = train(mine, data(), settings, TrainSettings(**HALVES, precision=precision), tmp_path).best["loss"]
    assert expected == pytest.approx(last, rel=0.25) and expected != last
    assert last < 1.5
    assert unspool.load(tmp_path, cells=[mine]).translate(["ab"])
