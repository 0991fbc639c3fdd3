"""A trained translator, used from Python."""

from __future__ import annotations

import json
import math
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
from unspool.tasks.translate.job import same_text
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


def test_single_choices_stand_in_for_those_of_the_options(backwards: Path) -> None:
    translator = unspool.load(backwards)
    options = DecodeOptions(beam=3, max_length=2)
    expected = translator.translate(["abcd"], DecodeOptions(beam=3, max_length=1))
    assert translator.translate(["abcd"], options, max_length=1) == expected != translator.translate(["abcd"], options)
    with pytest.raises(TypeError, match="beem"):
        translator.translate(["abcd"], options, beem=3)


def test_penalties_and_repeats_reach_the_search(backwards: Path) -> None:
    translator = unspool.load(backwards)

    def best(**choices: Any) -> Any:
        return translator.detailed(["abca"], DecodeOptions(beam=3, **choices), keep_attention=True)[0][0]

    plain = best(length_penalty=0.0)
    assert plain.text == "acba" and plain.score == pytest.approx(sum(plain.log_probs))
    longer = best(length_penalty=2.0)
    assert longer.score == pytest.approx(sum(longer.log_probs) / ((5 + len(longer.log_probs)) / 6) ** 2)
    covering = best(length_penalty=0.0, coverage_penalty=3.0)
    seen = covering.attention.sum(0).clamp(1e-6, 1).log().sum()
    assert covering.score == pytest.approx(sum(covering.log_probs) + 3 * float(seen), rel=1e-4) and seen < -0.01
    assert sorted(best(no_repeat_ngram=1).text) == sorted(set(best(no_repeat_ngram=1).text))


def test_coverage_does_not_count_padding(backwards: Path) -> None:
    translator, options = unspool.load(backwards), DecodeOptions(beam=3, coverage_penalty=1.0)
    (alone,) = translator.detailed(["ab"], options)
    padded = translator.detailed(["ab", "abcd"], options)[0]
    assert alone[0].score == pytest.approx(padded[0].score, abs=1e-4)


def test_a_min_length_above_the_usual_limit_raises_it(backwards: Path) -> None:
    (best,) = unspool.load(backwards).detailed(["ab"], DecodeOptions(beam=1, min_length=30))[0]
    assert len(best.log_probs) >= 31 and best.pieces[-1] == "</s>"


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"beam": 0}, "beam is 0"),
        ({"n_best": 0}, "n_best is 0"),
        ({"n_best": 6}, "set beam to 6 or more"),
        ({"top_k": 3}, "set temperature too"),
        ({"top_p": 0.5}, "set temperature too"),
        ({"min_length": 9, "max_length": 3}, "min_length 9 is above max_length 3"),
        ({"max_length": 0}, "max_length is 0"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram"),
        ({"length_penalty": -1.0}, "length_penalty is -1"),
        ({"temperature": 1.0, "coverage_penalty": 0.5}, "drawn, not ranked"),
    ],
    ids=str,
)
def test_choices_that_do_not_go_together_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DecodeOptions(**choices)


def test_sampling_is_seeded(backwards: Path) -> None:
    translator = unspool.load(backwards)
    drawn = [translator.translate(["abcd"] * 9, temperature=4.0, seed=seed) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_draw_depends_on_the_seed_and_the_number_of_the_text_only(
    backwards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    translator, options = unspool.load(backwards), DecodeOptions(temperature=4.0, seed=5)
    drawn = translator.translate(["abcd"] * 130, options)
    assert drawn[:64] != drawn[64:128]
    monkeypatch.setattr("unspool.tasks.translate.translator.BATCH_ROWS", 7)
    assert translator.translate(["abcd"] * 130, options) == drawn
    mixed = translator.translate(["", "a", *["abcd"] * 128], options)
    assert mixed[2:] == drawn[2:]
    part = translator.answer([translator.read("abcd")] * 30, options, first=100)
    assert [best[0].text for best in part] == drawn[100:]


def test_n_best_draws_are_independent(backwards: Path) -> None:
    translator, options = unspool.load(backwards), DecodeOptions(temperature=4.0, n_best=8)
    found = translator.detailed(["abcd", "ab"], options)
    assert [len(draws) for draws in found] == [8, 8]
    assert all(len({draw.text for draw in draws}) > 4 for draws in found)
    assert translator.translate(["abcd", "ab"], options, n_best=1) == [draws[0].text for draws in found]


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


def test_an_ensemble_is_the_mean_of_different_runs(tmp_path: Path) -> None:
    runs = [small(tmp_path / str(seed), seed=seed) for seed in (0, 1)]

    def first(paths: Path | list[Path]) -> float:
        drawn = unspool.load(paths).detailed(["ab"], DecodeOptions(beam=1, max_length=1, min_length=1))
        return drawn[0][0].log_probs[0]

    one, other = (first(run) for run in runs)
    mean = math.log((math.exp(one) + math.exp(other)) / 2)
    assert abs(one - other) > 1e-3
    assert first(runs) == pytest.approx(mean) == first(runs[::-1])


def test_a_coverage_penalty_needs_attention_in_every_run(backwards: Path, tmp_path: Path) -> None:
    attending, blind = small(tmp_path / "a"), small(tmp_path / "b", conditioning="init")
    for runs in (blind, [attending, blind]):
        with pytest.raises(ConfigError, match=r"coverage_penalty is 0\.5.*has no attention"):
            unspool.load(runs).translate(["ab"], coverage_penalty=0.5)


def test_longer_than_any_in_training_is_answered_with_a_warning(backwards: Path) -> None:
    with pytest.warns(UserWarning, match=r"text 2 is longer .* \(6 symbols, there at most 4\).* for 1 more"):
        answers = unspool.load(backwards).translate(["a", "abcabc", "abcab"])
    assert answers[0] == "a" and answers[1]


def test_unknown_script_is_answered(backwards: Path) -> None:
    (answer,) = unspool.load(backwards).translate(["漢字"])
    assert answer and set(answer) <= set("abcd")


def test_over_the_limit_is_refused(backwards: Path) -> None:
    with pytest.raises(DataError, match="text 1 has 6000 symbols; the limit is 5000"):
        unspool.load(backwards).translate(["a" * 6000])
    with pytest.raises(DataError, match="text 2 has 6000 symbols"):
        unspool.load(backwards).encode(["a", "a" * 6000])


def test_a_text_over_the_limit_leaves_the_others_their_answers(backwards: Path) -> None:
    translator = unspool.load(backwards)
    sources = [translator.read(text) for text in ("ab", "a" * 6000, "", "cab")]
    assert [source.problem is None for source in sources] == [True, False, True, True]
    found = translator.answer(sources, DecodeOptions())
    assert [[best.text for best in texts] for texts in found] == [["ba"], [], [], ["bac"]]


def test_one_text_instead_of_a_list_is_refused(backwards: Path) -> None:
    with pytest.raises(ConfigError, match=r"translate\(\[text\]\)"):
        unspool.load(backwards).translate("abc")
    with pytest.raises(ConfigError, match=r"encode\(\[text\]\)"):
        unspool.load(backwards).encode("abc")
    for ask in (unspool.load(backwards).translate, unspool.load(backwards).encode):
        with pytest.raises(ConfigError, match="takes a list of texts, but got a value of type int"):
            ask(5)
        with pytest.raises(DataError, match=r"text 2 is of type NoneType; expected a text"):
            ask(["a", None])
        with pytest.raises(DataError, match=r"text 2 has the lone surrogate '\\ud800' as character 2"):
            ask(["a", "a\ud800"])


def test_evaluate(backwards: Path) -> None:
    corpus = ListCorpus([("abcd", "dcba"), ("ab", "ba"), ("a", "d")])
    metrics, answers = evaluate(unspool.load(backwards), corpus)
    assert answers == ["dcba", "ba", "a"]
    assert metrics["exact_match"] == pytest.approx(2 / 3) and metrics["perplexity"] > 1
    assert "tok:13a" in metrics["bleu_signature"] and "case:lc" in metrics["bleu_lowercase_signature"]


def test_white_space_counts_alike_in_validation_and_evaluation(tmp_path: Path) -> None:
    corpus = ListCorpus([("a", "x  y"), ("b", "10\u00a0000"), ("c", "z ")])
    settings = TranslateSettings(
        tokenizer="chars", hidden=24, embedding=12, dropout=0.0, label_smoothing=0.0, max_tokens=40
    )
    training = TrainSettings(lr=0.02, max_steps=300, until="exact_match>=1", validate_every=20)
    train(GRUCell, TranslateData(corpus, corpus), settings, training, tmp_path / "run")
    metrics, answers = evaluate(unspool.load(tmp_path / "run"), corpus)
    assert answers == [target for _, target in corpus] and metrics["exact_match"] == 1
    assert same_text("x y", " x \u00a0y") and not same_text("x y", "xy")


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


def small(out: Path, *, force: bool = False, **choices: Any) -> Path:
    """A run that learned next to nothing."""
    corpus = ListCorpus([("ab", "ba"), ("a", "a"), ("ba", "ab")])
    settings = TranslateSettings(tokenizer="chars", hidden=4, embedding=4, max_tokens=40, **choices)
    train(LSTMCell, TranslateData(corpus, corpus), settings, TrainSettings(max_steps=2), out, force=force)
    return out


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
    [
        {"tokenizer": "x"},
        {"sampling": 2.0},
        {"max_tokens": 0},
        {"share_embeddings": True},
        {"label_smoothing": -1.0},
        {"dropout": -1.0},
        {"recurrent_dropout": 1.0},
        {"seed": -1},
        {"seed": 10**20},
    ],
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


def test_what_is_no_list_of_runs_or_cells_is_named(backwards: Path) -> None:
    with pytest.raises(ConfigError, match="no run was given"):
        unspool.load([])
    with pytest.raises(ConfigError, match=r"cells is the class GRUCell; expected a list: cells=\[GRUCell\]"):
        unspool.load(backwards, cells=GRUCell)  # pyright: ignore[reportArgumentType]
