"""A trained translator, used from Python."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import unspool
from unspool.cells import GRUCell, LSTMCell
from unspool.data.corpus import ListCorpus, open_parallel
from unspool.errors import ConfigError, DataError, RunError, ShapeError, UnspoolError
from unspool.tasks.translate import DecodeOptions, TranslateSettings, evaluate, train
from unspool.tasks.translate.evaluate import text_metrics
from unspool.tasks.translate.train import TranslateData
from unspool.train import TrainSettings


def test_it_learned(backwards: Path) -> None:
    translator = unspool.load(backwards)
    assert translator.translate(["abcd", "d", "", "  ", "caa"]) == ["dcba", "d", "", "", "aac"]
    assert translator.translate(["abcd"], beam=1) == ["dcba"]
    assert translator.translate([]) == []


def test_order_and_neighbours_do_not_matter(backwards: Path) -> None:
    translator = unspool.load(backwards)
    texts = ["abcd", "a", "dd", "cab"] * 40
    assert translator.translate(texts) == [translator.translate([text])[0] for text in texts[:4]] * 40


def test_n_best_scores_and_attention(backwards: Path) -> None:
    translator = unspool.load(backwards)
    (best,) = translator.detailed(["abc"], DecodeOptions(beam=4, n_best=3), keep_attention=True)
    assert best[0].text == "cba" and [t.score for t in best] == sorted((t.score for t in best), reverse=True)
    assert len({t.text for t in best}) == 3
    assert best[0].pieces == ("c", "b", "a", "</s>") and best[0].source_pieces == ("a", "b", "c", "</s>")
    assert len(best[0].log_probs) == 4 and all(p <= 0 for p in best[0].log_probs)
    assert best[0].attention is not None and best[0].attention.shape == (4, 4)
    torch.testing.assert_close(best[0].attention.sum(1), torch.ones(4))


def test_sampling_is_seeded(backwards: Path) -> None:
    translator = unspool.load(backwards)
    drawn = [translator.translate(["abcd"] * 9, temperature=4.0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_encode_gives_one_vector_a_text(backwards: Path) -> None:
    translator = unspool.load(backwards)
    vectors = translator.encode(["abc", "d", "abc"])
    assert vectors.shape == (3, 64)
    torch.testing.assert_close(vectors[0], vectors[2])
    assert translator.encode([]).shape == (0, 64)


def test_many_threads_get_what_one_gets(backwards: Path) -> None:
    translator = unspool.load(backwards)
    words = [["abcd", "ab"], ["d", "cc"], ["bad", "cab"], ["a", "dddd"]]
    expected = [translator.translate(texts) for texts in words]
    found: list[list[str] | None] = [None] * 16

    def work(i: int) -> None:
        for _ in range(5):
            found[i] = translator.translate(words[i % 4])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected[i % 4] for i in range(16)]


def test_an_ensemble_of_runs(backwards: Path) -> None:
    assert unspool.load([backwards, backwards]).translate(["abcd", "ca"]) == ["dcba", "ac"]


def test_longer_than_any_in_training_is_answered_with_a_warning(backwards: Path) -> None:
    with pytest.warns(UserWarning, match=r"text 2: longer than any in training \(6 symbols, there at most 4\)"):
        answers = unspool.load(backwards).translate(["a", "abcabc"])
    assert answers[0] == "a" and answers[1]


def test_unknown_script_is_answered(backwards: Path) -> None:
    assert isinstance(unspool.load(backwards).translate(["漢字"])[0], str)


def test_over_the_limit_is_refused(backwards: Path) -> None:
    with pytest.raises(DataError, match="text 1 has 6000 symbols; the limit is 5000"):
        unspool.load(backwards).translate(["a" * 6000])


def test_one_text_instead_of_a_list_is_refused(backwards: Path) -> None:
    with pytest.raises(ConfigError, match=r"translate\(\[text\]\)"):
        unspool.load(backwards).translate("abc")


def test_evaluate(backwards: Path) -> None:
    corpus = ListCorpus([("abcd", "dcba"), ("ab", "ba"), ("a", "d")])
    metrics, answers = evaluate(unspool.load(backwards), corpus)
    assert answers == ["dcba", "ba", "a"]
    assert metrics["exact_match"] == pytest.approx(2 / 3) and metrics["perplexity"] > 1
    assert "tok:13a" in metrics["bleu_signature"] and "case:lc" in metrics["bleu_lowercase_signature"]


def test_text_metrics_are_sacrebleus_own() -> None:
    reference = ["A man in a blue shirt is standing on a ladder."]
    assert text_metrics(reference, reference)["bleu"] == 100
    lower = text_metrics([reference[0].lower()], reference)
    assert lower["bleu"] < 100 and lower["bleu_lowercase"] == 100


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "source.tokenizer", "target.tokenizer"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_a_damaged_run_is_named(name: str, damage: str, copied: Callable[[], Path]) -> None:
    run = copied()
    path = run / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\x89PNG\r\n" + bytes(100))
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        unspool.load(run)


def edited(run: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    config = json.loads((run / "config.json").read_text())
    change(config)
    (run / "config.json").write_text(json.dumps(config))
    return run


def test_a_config_that_does_not_fit_names_both_shapes(copied: Callable[[], Path]) -> None:
    with pytest.raises((ShapeError, RunError), match=r"\[96, 16\].*\[120, 16\]"):
        unspool.load(edited(copied(), lambda config: config["settings"].update(hidden=40)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.update(format=99), "format 99"),
        (lambda config: config.pop("settings"), "config.json"),
        (lambda config: config["settings"].update(hiden=3), "hiden"),
        (lambda config: config["settings"].update(hidden="8"), r"config\.json .*restore it"),
        (lambda config: config["settings"].update(hidden=-8), r"config\.json .*restore it"),
        (lambda config: config["settings"].update(cell_options={"x": 1}), r"config\.json .*'x'.*restore it"),
        (lambda config: config["settings"].update(cell_options=3), r"config\.json .*restore it"),
        (lambda config: config.update(task="paint"), "paint"),
        (lambda config: config.update(longest_source="x"), "config.json"),
        (lambda config: config.pop("cell"), "config.json"),
        (lambda config: config.update(cell="Mine"), r"--cell your_file.py:Mine"),
    ],
)
def test_a_foreign_config_is_refused(
    change: Callable[[dict[str, Any]], Any], message: str, copied: Callable[[], Path]
) -> None:
    with pytest.raises(UnspoolError, match=message):
        unspool.load(edited(copied(), change))


def small(out: Path, **choices: Any) -> None:
    corpus = ListCorpus([("ab", "ba"), ("a", "a"), ("ba", "ab")])
    settings = TranslateSettings(tokenizer="chars", hidden=4, embedding=4, max_tokens=40)
    train(LSTMCell, TranslateData(corpus, corpus), settings, TrainSettings(max_steps=2), out, **choices)


def test_a_folder_that_holds_a_run_is_refused_and_kept(tmp_path: Path) -> None:
    small(tmp_path / "run")
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    with pytest.raises(RunError, match=r"--resume.*--force"):
        small(tmp_path / "run")
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before
    small(tmp_path / "run", force=True)


def test_resuming_with_other_choices_is_refused(tmp_path: Path) -> None:
    small(tmp_path / "run")
    corpus = ListCorpus([("ab", "ba"), ("a", "a"), ("ba", "ab")])
    with pytest.raises(RunError, match="hidden 4 → 8"):
        train(
            LSTMCell,
            TranslateData(corpus, corpus),
            TranslateSettings(tokenizer="chars", hidden=8, embedding=4, max_tokens=40),
            TrainSettings(max_steps=4),
            tmp_path / "run",
            resume=True,
        )


def test_files_without_validation_are_refused() -> None:
    with pytest.raises(ConfigError, match="--valid"):
        TranslateData.open(["a.tsv"], [])


@pytest.mark.parametrize(
    "choices",
    [{"tokenizer": "x"}, {"sampling": 2.0}, {"max_tokens": 0}, {"share_embeddings": True}, {"label_smoothing": -1.0}],
    ids=str,
)
def test_impossible_settings_are_refused(choices: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(choices)).replace("share_embeddings", "joint_vocabulary")):
        TranslateSettings(**choices)


def test_targets_that_nothing_can_write_are_named(backwards: Path, tmp_path: Path) -> None:
    (tmp_path / "test.tsv").write_text("ab\tba\nab\tbx\n")
    corpus = open_parallel([tmp_path / "test.tsv"])
    with pytest.warns(UserWarning, match=r"1 of 2 targets .*test\.tsv, line 2, target: 'bx'"):
        evaluate(unspool.load(backwards), corpus)
    settings, training = TranslateSettings(tokenizer="chars", hidden=8, embedding=8), TrainSettings(max_steps=1)
    with pytest.warns(UserWarning, match=r"1 of 2 targets .*test\.tsv, line 2"):
        train(GRUCell, TranslateData(ListCorpus([("ab", "ba")]), corpus), settings, training, tmp_path / "run")


def test_a_label_outside_the_vocabulary_of_a_resumed_run(copied: Callable[[], Path], tmp_path: Path) -> None:
    run = copied()
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    (tmp_path / "other.tsv").write_text("ab\tba\nab\tbx\n")
    other = TranslateData(open_parallel([tmp_path / "other.tsv"]), ListCorpus([("ab", "ba")]))
    settings = TranslateSettings(**json.loads((run / "config.json").read_text())["settings"])
    with pytest.raises(DataError, match=r"other\.tsv, line 2, target: 'x' is not among the 4 symbols"):
        train(GRUCell, other, settings, TrainSettings(epochs=200), run, resume=True)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
