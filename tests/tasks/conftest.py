"""Small models, trained once: a translator that writes words backwards, and taggers that find names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import toy_tagging

from unspool.cells import GRUCell
from unspool.data.corpus import ListCorpus
from unspool.tasks.translate import TranslateSettings, train
from unspool.tasks.translate.train import TranslateData
from unspool.train import TrainSettings

WORDS = ["".join("abcd"[(i >> shift) % 4] for shift in range(0, 2 * n, 2)) for n in (1, 2, 3, 4) for i in range(4**n)]


@pytest.fixture(scope="session")
def backwards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned to write a word of a, b, c, d backwards."""
    corpus = ListCorpus([(word, word[::-1]) for word in WORDS])
    out = tmp_path_factory.mktemp("runs") / "backwards"
    settings = TranslateSettings(
        tokenizer="chars", hidden=32, embedding=16, dropout=0.0, label_smoothing=0.0, max_tokens=400
    )
    training = TrainSettings(lr=0.01, epochs=150, until="exact_match>=0.99", validate_every=50)
    train(GRUCell, TranslateData(corpus, corpus), settings, training, out)
    return out


@pytest.fixture
def copied(backwards: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy of that run, to damage."""

    def copy() -> Path:
        return Path(shutil.copytree(backwards, tmp_path / "copy"))

    return copy


@pytest.fixture(scope="session")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned to find the names."""
    done = {"until": "span_f1>=1", "validate_every": 10, "monitor": None}
    return toy_tagging.fit(tmp_path_factory.mktemp("runs") / "names", steps=300, training=done)


@pytest.fixture(scope="session")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a CRF."""
    return toy_tagging.fit(tmp_path_factory.mktemp("runs") / "chained", steps=60, crf=True)
