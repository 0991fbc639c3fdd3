"""A trained language model, used from Python."""

from __future__ import annotations

import json
import math
import shutil
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn
from toy_cell import Leaky

import unspool
from unspool.cells import GRUCell, LSTMCell
from unspool.cells.state import tensors
from unspool.errors import ConfigError, DataError, RunError, UnspoolError
from unspool.tasks.language import CompleteOptions, LanguageData, LanguageModel, LanguageSettings, train
from unspool.tasks.language.reading import Reading
from unspool.tasks.language.score import Row, cut, following, nats
from unspool.train import TrainSettings

TEXT = "one two three\ntwo three one\nthree one two\n" * 30
SIZES: dict[str, Any] = {"hidden": 24, "embedding": 12, "batch": 8, "truncate": 16}


def made(out: Path, cell: Any = GRUCell, steps: int = 350, **choices: Any) -> Path:
    training = TrainSettings(max_steps=steps, lr=0.02)
    train(cell, LanguageData([TEXT], [TEXT[:200]]), LanguageSettings(**SIZES | choices), training, out)
    return out


@pytest.fixture(scope="module")
def counting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned in which order one, two, three come."""
    return made(tmp_path_factory.mktemp("runs") / "counting")


@pytest.fixture(scope="module")
def model(counting: Path) -> LanguageModel:
    return unspool.load(counting)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> dict[str, LanguageModel]:
    """Two layers of an LSTM over words, and a cell of the user's own over characters, its embeddings tied."""
    folder = tmp_path_factory.mktemp("runs")
    words = made(folder / "words", LSTMCell, 20, tokenizer="words", layers=2, residual=True)
    own = made(folder / "own", Leaky, 20, tie_embeddings=True)
    return {"words": unspool.load(words), "own": unspool.load(own, cells=[Leaky])}


@pytest.fixture
def copied(counting: Path, tmp_path: Path) -> Callable[[], Path]:
    return lambda: Path(shutil.copytree(counting, tmp_path / "copy"))


def test_it_learned(model: LanguageModel) -> None:
    assert model.complete("one two thr", length=2, temperature=0) == "ee"
    ((symbol, p), *others) = model.top("three one tw", 4)
    assert symbol == "o" and p > 0.9 and [q for _, q in others] == sorted((q for _, q in others), reverse=True)
    assert sum(q for _, q in model.top("one", 10**6)) == pytest.approx(1, abs=1e-5)
    assert model.score(["one two three\n"])[0].nats < model.score(["one three two\n"])[0].nats


def test_a_score_is_that_of_torchs_own_layers(model: LanguageModel) -> None:
    """Independent of ours: `torch.nn.GRU` with the same weights, all steps at once, after a line end."""
    (network,) = model.networks
    cell = network.recurrent.layers[0][0].state_dict()  # pyright: ignore[reportIndexIssue]
    gru = nn.GRU(SIZES["embedding"], SIZES["hidden"], batch_first=True)
    names = {"weight_ih_l0": "x.weight", "weight_hh_l0": "h.weight", "bias_ih_l0": "x.bias", "bias_hh_l0": "h.bias"}
    gru.load_state_dict({theirs: cell[own] for theirs, own in names.items()})
    texts = ["", "t", "three é one\n漢", TEXT[:700]]
    for text, found in zip(texts, model.score(texts), strict=True):
        ids = torch.from_numpy(model.tokenizer.encode("\n" + text).astype(np.int64))
        with torch.no_grad():
            logits = network.output(gru(network.embedding(ids)[None])[0])[0, :-1]
        expected = nn.functional.cross_entropy(logits, ids[1:], reduction="sum") if text else torch.tensor(0.0)
        assert found.nats == pytest.approx(float(expected), rel=1e-4)
        assert (found.characters, found.symbols) == (len(text), len(ids) - 1)
        assert found.bits_per_character == pytest.approx(found.nats / max(len(text), 1) / math.log(2))
    assert len(model.tokenizer.encode("é漢")) == 5  # bytes: nothing that is written is without a probability


def test_a_text_is_encoded_as_the_state_that_it_leaves(model: LanguageModel, several: dict[str, LanguageModel]) -> None:
    texts = ["one\n", "", TEXT[:700], "two three\n"]
    for each in (model, *several.values()):
        vectors = each.encode(texts)
        assert vectors.shape == (4, SIZES["hidden"]) and each.encode([]).shape == (0, SIZES["hidden"])
        for text, vector in zip(texts, vectors, strict=True):
            reading = Reading(each.networks, each.state().layers)
            reading.read(torch.tensor([each.state().symbol, *each.tokenizer.encode(text)]))
            assert torch.equal(vector, tensors(reading.layers[0][-1])[0][0])
        assert torch.equal(each.encode(["two\n"], state=each.state("one\n"))[0], each.encode(["one\ntwo\n"])[0])
    with pytest.raises(ConfigError, match=r"encode takes a list of texts, but got one text"):
        model.encode("one")


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(1, 9), st.integers(0, 12))
def test_pieces_predict_every_symbol_once(ids: list[int], streams: int, warm: int) -> None:
    text = np.array([7, *ids])
    rows = cut(text[1:], 7, streams=streams, warm=warm)
    assert np.concatenate([row.target[row.warm :] for row in rows]).tolist() == ids
    assert rows[0].warm == 0 and all(row.warm <= warm for row in rows) and len(rows) == min(streams, len(ids))
    joined = "".join(map(str, text))
    assert all("".join(map(str, row.source)) + str(row.target[-1]) in joined for row in rows)


def test_pieces_cost_what_the_whole_costs(model: LanguageModel) -> None:
    ids = model.tokenizer.encode(TEXT[:900])
    whole = float(nats(model.networks, [following(ids, 9)])[0])
    warmed = nats(model.networks, cut(ids, 9, streams=7, warm=100))
    assert float(warmed.sum()) == pytest.approx(whole, rel=0.02)
    cold = nats(model.networks, cut(ids, 9, streams=7, warm=0))
    assert float(cold.sum()) > float(warmed.sum())


def test_neighbours_and_long_texts_do_not_matter(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["one", "", TEXT[:1000], "two three\n" * 9] * 3
    expected = [score.nats for score in model.score(texts)]
    assert expected == pytest.approx([model.score([text])[0].nats for text in texts], rel=1e-5)
    monkeypatch.setattr("unspool.tasks.language.score.STEPS", 7)
    monkeypatch.setattr("unspool.tasks.language.score.LOGITS", 2000)
    monkeypatch.setattr("unspool.tasks.language.language_model.BATCH_ROWS", 2)
    assert expected == pytest.approx([score.nats for score in model.score(texts)], rel=1e-5)
    nothing = np.zeros(0, int)
    assert nats(model.networks, []).tolist() == []
    assert nats(model.networks, [Row(nothing, nothing)]).tolist() == [0]


quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(st.text("onetwhr é\n", max_size=40), st.text("onetwhr é\n", max_size=40), st.integers(0, 9))
def test_what_follows_a_state_is_what_follows_its_text(model: LanguageModel, a: str, b: str, seed: int) -> None:
    how = CompleteOptions(length=20, temperature=1.5, seed=seed)
    assert model.complete(a + b, how) == model.complete(b, how, state=model.state(a))
    assert model.top(a + b) == model.top(b, state=model.state(a))
    whole, then = model.state(a + b), model.state(b, model.state(a))
    assert whole.symbol == then.symbol and all(map(torch.equal, tensors(whole.layers), tensors(then.layers)))


@pytest.mark.parametrize("kind", ["words", "own"])
def test_states_of_other_models(kind: str, several: dict[str, LanguageModel], tmp_path: Path) -> None:
    model, a, b = several[kind], TEXT[:1500] + "\n", "two one"
    model.state(a).save(tmp_path / "state.safetensors")
    again = model.read_state(tmp_path / "state.safetensors")
    assert model.complete(a + b, length=30) == model.complete(b, length=30, state=again)
    assert model.top(a + b) == model.top(b, state=again)
    rest = model.score([a + b])[0].nats - model.score([a])[0].nats
    assert model.score([b], state=again)[0].nats == pytest.approx(rest, rel=1e-3)


def test_a_completion_goes_on_where_it_ended(model: LanguageModel) -> None:
    whole = model.complete("one ", length=40, temperature=0)
    first = model.completion("one ", CompleteOptions(length=15, temperature=0))
    text = "".join(first)
    assert text + model.complete("", length=25, temperature=0, state=first.state) == whole and len(text) == 15


def test_draws_are_seeded_and_as_probable_as_they_should_be(model: LanguageModel) -> None:
    assert model.complete("t", length=30, temperature=2.0, seed=1) == model.complete(
        "t", length=30, temperature=2.0, seed=1
    )
    assert model.complete("t", length=30, temperature=2.0, seed=1) != model.complete(
        "t", length=30, temperature=2.0, seed=2
    )
    state = model.state("t")
    drawn = Counter(model.complete("", length=1, temperature=1.0, seed=seed, state=state) for seed in range(400))
    for symbol, p in model.top("t", 2):
        assert drawn[symbol] / 400 == pytest.approx(p, abs=0.1)
    assert model.complete("t", length=30, top_k=1, temperature=3.0) == model.complete("t", length=30, temperature=0)
    assert model.complete("t", length=30, top_p=1e-6, temperature=3.0) == model.complete("t", length=30, temperature=0)
    assert model.complete("t", length=0) == ""


@quick
@given(st.lists(st.text("onetwhr \n", min_size=1, max_size=5), max_size=3), st.integers(0, 5))
def test_it_stops_before_the_first_stop(model: LanguageModel, stop: list[str], seed: int) -> None:
    how: dict[str, Any] = {"length": 40, "temperature": 1.0, "seed": seed}
    whole = model.complete("one", **how)
    ends = [whole.find(each) for each in stop if each in whole]
    pieces = list(model.completion("one", CompleteOptions(**how, stop=tuple(stop))))
    assert "".join(pieces) == whole[: min(ends, default=len(whole))]
    assert "".join(model.completion("one", CompleteOptions(**how))) == whole


def test_a_stop_may_be_one_text(model: LanguageModel) -> None:
    assert model.complete("one tw", length=30, temperature=0, stop=" ") == "o"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"length": -1}, "length is -1"),
        ({"temperature": -0.5}, "temperature is -0.5"),
        ({"temperature": math.inf}, "temperature is inf"),
        ({"temperature": math.nan}, "temperature is nan"),
        ({"top_k": -1}, "top_k is -1"),
        ({"top_p": 0.0}, "top_p is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"stop": ""}, "stop is an empty text"),
        ({"stop": ("a", "")}, "stop is an empty text"),
    ],
    ids=str,
)
def test_impossible_choices_are_refused(choices: dict[str, Any], message: str, model: LanguageModel) -> None:
    with pytest.raises(ConfigError, match=message):
        model.complete("one", **choices)


def test_wrong_use_is_named(model: LanguageModel) -> None:
    with pytest.raises(ConfigError, match="k is 0"):
        model.top("one", 0)
    with pytest.raises(ConfigError, match=r"score\(\[text\]\)"):
        model.score("one")
    with pytest.raises(DataError, match="the text has the lone surrogate"):
        model.complete("\ud800")
    with pytest.raises(DataError, match="the text is of type int; expected a text"):
        model.complete(5)  # pyright: ignore[reportArgumentType]
    for texts, message in ((["a", "\ud800"], "text 2 has the lone surrogate"), (["a", 5], "text 2 is of type int")):
        with pytest.raises(DataError, match=message):
            model.score(texts)
    with pytest.raises(ConfigError, match="score takes a list of texts, but got a value of type int"):
        model.score(5)  # pyright: ignore[reportArgumentType]


def test_one_file_is_as_a_list_of_one(model: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(TEXT)
    assert model.evaluate(tmp_path / "a.txt") == model.evaluate([tmp_path / "a.txt"])
    assert model.score(text for text in ("one", "two")) == model.score(["one", "two"])
    data = LanguageData.open(str(tmp_path / "a.txt"), tmp_path / "a.txt", valid_share=0.1)
    assert data.train == data.valid == [TEXT]


def test_a_state_of_another_model_is_refused(
    model: LanguageModel, several: dict[str, LanguageModel], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="made by another model"):
        model.complete("a", state=several["own"].state("a"))
    several["words"].state("one\n").save(tmp_path / "state")
    with pytest.raises(RunError, match=r"state holds a state of the shapes.*expected \[\[1, 24\]\]"):
        model.read_state(tmp_path / "state")
    several["own"].state("one\n").save(tmp_path / "state")
    with pytest.raises(ConfigError, match="made by another model"):
        model.read_state(tmp_path / "state")


@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign", "folder", "no state"])
def test_a_damaged_state_is_named(damage: str, model: LanguageModel, tmp_path: Path) -> None:
    path = tmp_path / "state"
    model.state("one").save(path)
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "no state":
        safetensors.torch.save_file({"0": torch.zeros(1, 24)}, path)
    elif damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\x89PNG\r\n" + bytes(100))
    with pytest.raises(RunError, match=str(path)):
        model.read_state(path)


def test_evaluate_reads_files_as_one_stream(model: LanguageModel, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one two three\ntwo")
    (tmp_path / "b.txt").write_text(" three one\n")
    found = model.evaluate([tmp_path / "a.txt", tmp_path / "b.txt"])
    (score,) = model.score(["one two three\ntwo\n three one\n"])
    assert found == {"characters": 29, "symbols": 29, **score.metrics()}
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]))
    with pytest.raises(ConfigError, match="trained on files; name the test files"):
        edited(
            Path(shutil.copytree(model.runs[0].path, tmp_path / "run")), lambda c: c.update(origin={"job": "files"})
        ).evaluate()
    with pytest.raises(DataError, match=r"no\.txt"):
        model.evaluate([tmp_path / "no.txt"])


def test_the_default_job_has_a_test_part_of_its_own(
    copied: Callable[[], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    from unspool.data import python_sources
    from unspool.tasks.language import python_job

    parts = python_sources.PythonSources([], [], ["one\n", "two\n"])
    monkeypatch.setattr(python_sources, "python_sources", lambda: parts)
    run = copied()
    trained = edited(run, lambda config: config.update(origin=python_job.origin()))
    assert trained.evaluate()["bits_per_character"] == trained.score(["one\ntwo\n"])[0].bits_per_character
    with pytest.raises(ConfigError, match=r"Python 3\.0, but this is"):
        edited(run, lambda config: config.update(origin={"job": "python", "version": "3.0"})).evaluate()
    with pytest.raises(RunError, match="does not say what the run was trained on"):
        edited(run, lambda config: config.pop("origin")).evaluate()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "text.tokenizer"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_a_damaged_run_is_named(name: str, damage: str, copied: Callable[[], Path]) -> None:
    path = copied() / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\x89PNG\r\n" + bytes(100))
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        unspool.load(path.parent)


def edited(run: Path, change: Callable[[dict[str, Any]], Any]) -> LanguageModel:
    config = json.loads((run / "config.json").read_text())
    change(config)
    (run / "config.json").write_text(json.dumps(config))
    return unspool.load(run)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.pop("settings"), r"config\.json is damaged"),
        (lambda config: config["settings"].update(hiden=3), "hiden"),
        (lambda config: config["settings"].update(hidden="8"), r"config\.json .*restore it"),
        (lambda config: config["settings"].update(cell_options={"x": 1}), r"config\.json .*'x'"),
        (lambda config: config.update(cell="Mine"), r"--cell your_file.py:Mine"),
        (lambda config: config["settings"].update(hidden=25), "config.json"),
        (lambda config: config.update(task="translate"), "source.tokenizer"),
    ],
)
def test_a_foreign_config_is_refused(
    change: Callable[[dict[str, Any]], Any], message: str, copied: Callable[[], Path]
) -> None:
    with pytest.raises(UnspoolError, match=message):
        edited(copied(), change)


def test_many_threads_get_what_one_gets(model: LanguageModel) -> None:
    texts = ["one", "two t", "three\n", ""]
    expected = [model.complete(text, length=20) for text in texts]
    found: dict[int, str] = {}

    def work(i: int) -> None:
        found[i] = model.complete(texts[i % 4], length=20)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(12)] == expected * 3
