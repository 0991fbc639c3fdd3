"""Several language models as one: the mean of their probabilities, symbol by symbol."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unspool
from unspool.cells import GRUCell, LSTMCell
from unspool.errors import ConfigError, RunError
from unspool.tasks.language import LanguageData, LanguageModel, LanguageSettings, train
from unspool.train import TrainSettings

TEXT = "one two three\ntwo three one\nthree one two\n" * 10
NEW = "two one three\nfour\n"


def made(out: Path, cell: Any = GRUCell, text: str = TEXT, **choices: Any) -> Path:
    sizes: dict[str, Any] = {"hidden": 12, "embedding": 8, "batch": 4, "truncate": 16} | choices
    train(cell, LanguageData([text], [text[:90]]), LanguageSettings(**sizes), TrainSettings(max_steps=25, lr=0.01), out)
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [made(folder / "gru"), made(folder / "lstm", LSTMCell, layers=2, hidden=9)]


@pytest.fixture(scope="module")
def both(runs: list[Path]) -> LanguageModel:
    return unspool.load(runs)


def probabilities(run: Path, text: str) -> torch.Tensor:
    """`[N, V]`: what one run expects at each symbol of `text`, all steps at once."""
    model: LanguageModel = unspool.load(run)
    ids = torch.from_numpy(model.tokenizer.encode("\n" + text).astype(np.int64))
    with torch.no_grad():
        return model.networks[0].logits(model.networks[0](ids[None])[0])[0].softmax(-1)


def test_probabilities_are_averaged(runs: list[Path], both: LanguageModel) -> None:
    mean = torch.stack([probabilities(run, NEW) for run in runs]).mean(0)
    ids = both.tokenizer.encode(NEW)
    expected = -mean[torch.arange(len(ids)), ids.astype(np.int64)].log().sum()
    assert both.score([NEW])[0].nats == pytest.approx(float(expected), rel=1e-5)
    symbol, p = both.top(NEW, 1)[0]
    assert p == pytest.approx(float(mean[-1].max()), rel=1e-5)
    assert both.complete(NEW, length=1, temperature=0) == symbol


def test_a_run_beside_itself_is_that_run(runs: list[Path]) -> None:
    alone, twice = unspool.load(runs[0]), unspool.load([runs[0], runs[0]])
    assert twice.score([NEW])[0].nats == pytest.approx(alone.score([NEW])[0].nats, rel=1e-6)
    assert twice.complete("one", length=20, temperature=0) == alone.complete("one", length=20, temperature=0)


def test_its_state_is_a_value(runs: list[Path], both: LanguageModel, tmp_path: Path) -> None:
    both.state("one tw").save(tmp_path / "state")
    again = both.read_state(tmp_path / "state")
    assert both.complete("one two ", length=20) == both.complete("o ", length=20, state=again)
    rest = both.score(["one two three"])[0].nats - both.score(["one tw"])[0].nats
    assert both.score(["o three"], state=again)[0].nats == pytest.approx(rest, rel=1e-4)
    with pytest.raises(RunError, match="holds a state of the shapes"):
        unspool.load(runs[0]).read_state(tmp_path / "state")
    with pytest.raises(ConfigError, match="made by another model"):
        unspool.load(runs[::-1]).state("", both.state("one"))


def test_a_mean_is_better_than_the_mean_of_its_members(runs: list[Path], both: LanguageModel) -> None:
    """Jensen: -log of a mean is at most the mean of -log."""
    members = [unspool.load(run).score([NEW])[0].nats for run in runs]
    assert both.score([NEW])[0].nats < math.fsum(members) / 2


def test_other_vocabularies_are_refused(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"other and .*gru have different vocabularies"):
        unspool.load([runs[0], made(tmp_path / "other", text=TEXT.replace("one", "öne"))])
