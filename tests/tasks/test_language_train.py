"""Training a language model: truncated backpropagation through time, the state between chunks, and resuming."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import unspool
from unspool.cells import GRUCell, LSTMCell, load_cell
from unspool.data.streams import Streams
from unspool.errors import ConfigError, DataError, RunError, ShapeError
from unspool.tasks.language import LanguageData, LanguageSettings, train
from unspool.tasks.language.job import LanguageJob
from unspool.tasks.language.model import LanguageNetwork
from unspool.train import Run, Summary, TrainSettings
from unspool.train.checkpoint import latest_checkpoint

TEXT = "".join(
    f"the {animal} sees the {other}\n" for animal in ("cat", "dog", "hen") for other in ("fox", "ape", "emu")
)
DATA = LanguageData([TEXT], [TEXT[:60]])
SIZES: dict[str, Any] = {"hidden": 8, "embedding": 6, "batch": 3, "truncate": 7}

MINE = """
import torch, unspool

class Mine(unspool.Cell):
    def __init__(self, input_size, hidden_size):
        super().__init__(input_size, hidden_size)
        self.x = torch.nn.Linear(input_size, 2 * hidden_size)
        self.h = torch.nn.Linear(hidden_size, 2 * hidden_size, bias=False)

    def forward(self, x, h, *, mask=None):
        gate, new = (self.x(x) + self.h(h if mask is None else h * mask)).chunk(2, -1)
        h = h + torch.sigmoid(gate) * (torch.tanh(new) - h)
        return h, h
"""


def fit(out: Path, *, cell: Any = GRUCell, data: LanguageData = DATA, resume: bool = False, choices: Any = None,
        **training: Any) -> Summary:  # fmt: skip
    settings = LanguageSettings(**SIZES | (choices or {}))
    return train(cell, data, settings, TrainSettings(**training), out, resume=resume)


@pytest.fixture
def mine(tmp_path: Path) -> Any:
    (tmp_path / "mine.py").write_text(MINE)
    return load_cell(f"{tmp_path / 'mine.py'}:Mine")


def network(**choices: Any) -> LanguageNetwork:
    torch.manual_seed(2)
    return LanguageNetwork(GRUCell, 30, LanguageSettings(**SIZES | choices))


class InTorch(nn.Module):
    """The same network of torch's own layers, with the same weights."""

    def __init__(self, ours: LanguageNetwork, embedding: int, hidden: int) -> None:
        super().__init__()
        self.embedding, self.gru, self.output = (
            nn.Embedding(30, embedding),
            nn.GRU(embedding, hidden, batch_first=True),
            nn.Linear(hidden, 30),
        )
        self.embedding.load_state_dict(ours.embedding.state_dict())
        self.output.load_state_dict(ours.output.state_dict())
        cell = ours.recurrent.layers[0][0].state_dict()  # pyright: ignore[reportIndexIssue]
        names = {"weight_ih_l0": "x.weight", "weight_hh_l0": "h.weight", "bias_ih_l0": "x.bias", "bias_hh_l0": "h.bias"}
        self.gru.load_state_dict({torchs: cell[own] for torchs, own in names.items()})

    def forward(self, symbols: Tensor, state: Tensor | None) -> tuple[Tensor, Tensor]:
        outputs, after = self.gru(self.embedding(symbols), state)
        return self.output(outputs), after


def test_chunk_after_chunk_is_truncated_backpropagation() -> None:
    """Losses and gradients of every chunk are those of torch's GRU, the state handed on and cut from its graph."""
    ours = network()
    torchs = InTorch(ours, SIZES["embedding"], SIZES["hidden"])
    ids = np.random.default_rng(0).integers(0, 30, 95).astype(np.int32)
    job = LanguageJob(ours, Streams(ids, batch=3, length=7, restart=0.3), ids, characters=95, before=0)
    state = None
    for epoch in (0, 1):
        for chunk in job.batches(epoch, 0):
            state = None if state is None else state * ~chunk.fresh.view(1, -1, 1)
            logits, state = torchs(chunk.source, state)
            state = state.detach()
            expected = nn.functional.cross_entropy(logits.flatten(0, 1), chunk.target.flatten(), reduction="sum")
            loss, symbols = job.loss(ours, chunk)
            assert symbols == chunk.target.numel()
            torch.testing.assert_close(loss, expected)
            for model, value in ((ours, loss), (torchs, expected)):
                model.zero_grad()
                value.backward()
            torch.testing.assert_close(ours.embedding.weight.grad, torchs.embedding.weight.grad, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(ours.output.weight.grad, torchs.output.weight.grad, atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(job.carried()["0"], state[0])


def checkpoint(path: Path) -> Path:
    found = latest_checkpoint(Run.open(path).checkpoints_path)
    assert found is not None
    return found


@pytest.mark.parametrize(("cell", "stop"), [("gru", 5), ("lstm", 8), ("mine", 9)])
def test_resumed_equals_uninterrupted(cell: str, stop: int, mine: Any, tmp_path: Path) -> None:
    """9 chunks an epoch: stopped in the first epoch, before its last chunk, and at its end."""
    kind = mine if cell == "mine" else load_cell(cell)
    how: dict[str, Any] = {"cell": kind, "choices": {"dropout": 0.2, "recurrent_dropout": 0.2, "layers": 2}}
    settings: dict[str, Any] = {"lr": 0.02, "ema": 0.9, "schedule": "inverse-sqrt", "checkpoint_minutes": 0.0}
    fit(tmp_path / "whole", **how, **settings, max_steps=20)
    fit(tmp_path / "half", **how, **settings, max_steps=stop)
    with pytest.warns(UserWarning, match=f"max_steps {stop} → 20"):
        fit(tmp_path / "half", **how, **settings, max_steps=20, resume=True)
    whole, half = checkpoint(tmp_path / "whole"), checkpoint(tmp_path / "half")
    for name in ("model", "optimizer", "random", "ema", "carried"):
        assert (whole / f"{name}.safetensors").read_bytes() == (half / f"{name}.safetensors").read_bytes(), name
    assert json.loads((half / "state.json").read_text())["training"]["epoch"] == 2


def test_a_resumed_run_takes_up_the_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it, the resumed run would be another."""
    fit(tmp_path / "whole", max_steps=9)
    fit(tmp_path / "half", max_steps=5)
    monkeypatch.setattr(LanguageJob, "restore", lambda self, tensors: None)
    with pytest.warns(UserWarning):
        fit(tmp_path / "half", max_steps=9, resume=True)
    files = [checkpoint(tmp_path / name) / "model.safetensors" for name in ("whole", "half")]
    assert files[0].read_bytes() != files[1].read_bytes()


def test_a_state_of_another_shape_is_refused() -> None:
    ids = np.arange(90, dtype=np.int32) % 30
    job = LanguageJob(network(), Streams(ids, batch=3, length=7), ids, characters=90, before=0)
    with pytest.raises(RunError, match=r"\[\[2, 8\]\]; expected \[\[3, 8\]\]"):
        job.restore({"0": torch.zeros(2, 8)})
    with pytest.raises(RunError, match="expected"):
        job.restore({})


OTHER: dict[str, Any] = {
    "data": (LanguageData([TEXT + "the end\n"], [TEXT[:60]]), "train_symbols .*train_crc32"),
    "valid": (LanguageData([TEXT], [TEXT[:59]]), "valid_crc32"),
}


@pytest.mark.parametrize("name", OTHER)
def test_resuming_on_other_text_is_refused(name: str, tmp_path: Path) -> None:
    fit(tmp_path / "run", max_steps=1)
    with pytest.raises(RunError, match=f"cannot be resumed with other choices or data.*{OTHER[name][1]}"):
        fit(tmp_path / "run", data=OTHER[name][0], resume=True, max_steps=2)
    with pytest.raises(RunError, match="truncate 7 → 8"):
        fit(tmp_path / "run", choices={"truncate": 8}, resume=True, max_steps=2)


def test_a_folder_that_holds_a_run_is_refused(tmp_path: Path) -> None:
    fit(tmp_path / "run", max_steps=1)
    with pytest.raises(RunError, match=r"--resume.*--force"):
        fit(tmp_path / "run", max_steps=1)


def test_it_learns_and_says_so_in_every_unit(tmp_path: Path) -> None:
    many = LanguageData([TEXT * 20], [TEXT * 2])
    best = {}
    for tokenizer in ("chars", "words", "bpe", "sentencepiece"):
        choices = {"tokenizer": tokenizer, "vocabulary": 300, "hidden": 32, "embedding": 16, "batch": 8, "truncate": 16}
        summary = fit(
            tmp_path / tokenizer, data=many, choices=choices, max_steps=60, lr=0.03, monitor="bits_per_character"
        )
        best[tokenizer] = summary.best
        assert summary.best["perplexity"] == pytest.approx(np.exp(summary.best["loss"]))
        assert summary.best["bits_per_character"] == pytest.approx(summary.best["nats_per_character"] / np.log(2))
    # Untrained, a character costs about 5 bits.
    assert all(metrics["bits_per_character"] < 1 for metrics in best.values()), best
    assert best["chars"]["loss"] == best["chars"]["nats_per_character"]
    assert best["words"]["loss"] > best["words"]["nats_per_character"]


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(precision: str, mine: Any, tmp_path: Path) -> None:
    last = [
        fit(tmp_path / name, cell=mine, max_steps=40, lr=0.02, precision=name).best["loss"]
        for name in ("fp32", precision)
    ]
    assert last[0] == pytest.approx(last[1], rel=0.2) and last[0] != last[1]
    assert unspool.load(tmp_path / precision, cells=[mine]).complete("the", length=3)


CHANGES: dict[str, Callable[[LanguageNetwork], object]] = {
    "embedding": lambda n: n.embedding.weight.shape[1],
    "hidden": lambda n: n.recurrent.hidden_size,
    "layers": lambda n: len(n.recurrent.layers),
    "residual": lambda n: n.recurrent.residual,
    "dropout": lambda n: (n.dropout.p, n.recurrent.dropout.p),
    "recurrent_dropout": lambda n: n.recurrent.recurrent_dropout,
    "tie_embeddings": lambda n: n.output.weight is n.embedding.weight,
    "cell_options": lambda n: n.recurrent.layers[0][0].initial_state(1).requires_grad,  # pyright: ignore[reportIndexIssue]
}
VALUES: dict[str, tuple[Any, object]] = {
    "embedding": (5, 5), "hidden": (9, 9), "layers": (3, 3), "residual": (True, True), "dropout": (0.25, (0.25, 0.25)),
    "recurrent_dropout": (0.5, 0.5), "tie_embeddings": (True, True),
    "cell_options": ({"initial_state": "learned"}, True),
}  # fmt: skip


def test_every_setting_of_the_model_is_tried() -> None:
    data = {"tokenizer", "vocabulary", "min_count", "valid_share", "batch", "truncate", "restart", "seed"}
    assert CHANGES.keys() == VALUES.keys() == {field.name for field in fields(LanguageSettings)} - data


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_reaches_the_model(name: str) -> None:
    value, seen = VALUES[name]
    assert CHANGES[name](network(**{name: value})) == seen != CHANGES[name](network())


@pytest.mark.parametrize(("hidden", "projected"), [(6, False), (8, True)])
def test_tied_embeddings_are_projected_where_widths_differ(hidden: int, projected: bool) -> None:
    tied = network(tie_embeddings=True, hidden=hidden)
    assert isinstance(tied.projection, nn.Linear) == projected
    features, _ = tied(torch.randint(0, 30, (2, 4)))
    assert tied.logits(features).shape == (2, 4, 30) and features.shape == (2, 4, 6)


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"tokenizer": "letters"}, "tokenizer is 'letters'"),
        ({"vocabulary": 256}, "vocabulary is 256"),
        ({"min_count": 0}, "min_count is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"truncate": 0}, "truncate is 0"),
        ({"hidden": -1}, "hidden is -1"),
        ({"restart": -0.1}, "restart is -0.1"),
        ({"valid_share": 1.0}, "valid_share is 1"),
        ({"dropout": 1.0}, "dropout is 1"),
        ({"recurrent_dropout": -0.1}, "recurrent_dropout is -0.1"),
        ({"seed": -1}, "seed is -1"),
    ],
    ids=str,
)
def test_impossible_settings_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LanguageSettings(**choices)


def test_rare_symbols_are_spelled_out_unless_asked(tmp_path: Path) -> None:
    text = LanguageData(["once: z\n" + TEXT * 2], [TEXT])
    fit(tmp_path / "usual", data=text, max_steps=1)
    fit(tmp_path / "all", data=text, max_steps=1, choices={"min_count": 1})
    usual, every = (unspool.load(tmp_path / name).tokenizer for name in ("usual", "all"))
    assert every.size == usual.size + 2  # the colon and z


def test_files_and_the_end_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\ntwo\n")
    (tmp_path / "b.txt").write_text("three\nfour")
    opened = LanguageData.open([tmp_path / "a.txt", tmp_path / "b.txt"], [], valid_share=0.3)
    assert (opened.train, opened.valid) == (["one\ntwo\n", "three\n"], ["four\n"])
    given = LanguageData.open([tmp_path / "a.txt"], [tmp_path / "b.txt"], valid_share=0.3)
    assert (given.train, given.valid) == (["one\ntwo\n"], ["three\nfour\n"])


def test_too_little_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="too few for 3 streams"):
        fit(tmp_path / "run", data=LanguageData(["a"], ["a"]), max_steps=1)
    with pytest.raises(DataError, match="validation text is empty"):
        fit(tmp_path / "run", data=LanguageData([TEXT], []), max_steps=1)
    with pytest.raises(DataError, match="training text is empty"):
        fit(tmp_path / "run", data=LanguageData([], [TEXT]), max_steps=1)
    assert not (tmp_path / "run").exists()


def test_a_text_of_one_line_without_an_end(tmp_path: Path) -> None:
    fit(tmp_path / "run", data=LanguageData(["aaaaaaaa"], ["a"]), choices={"truncate": 1}, max_steps=2)
    assert unspool.load(tmp_path / "run").score(["a"])[0].symbols == 1


def test_config_and_weights_of_different_trainings(tmp_path: Path) -> None:
    fit(tmp_path / "run", cell=LSTMCell, max_steps=1)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    config["settings"]["hidden"] = 9
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ShapeError, match=r"\[32, 6\].*\[36, 6\]"):
        unspool.load(tmp_path / "run")
