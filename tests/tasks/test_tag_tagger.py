"""A trained tagger: what it answers, how good that is, and the run folders that it refuses."""

from __future__ import annotations

import json
import math
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import toy_tagging
from sklearn.metrics import f1_score

import unspool
from unspool.data.words import Forms
from unspool.errors import ConfigError, DataError, RunError, ShapeError, UnspoolError
from unspool.tasks.tag import TagData, spans


@pytest.fixture
def copied(names: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the run, to damage."""
    return lambda: Path(shutil.copytree(names, tmp_path / "copy"))


def test_it_learned(names: Path) -> None:
    tagger = unspool.load(names)
    found = tagger.tag(["Mr rose bush sings a rose", ["a", "bush", "Mr", "field", "sings"], "", "  "])
    assert [one.tag for one in found[0]] == ["O", "B-PER", "I-PER", "O", "O", "O"]
    assert [one.tag for one in found[1]] == ["O", "O", "O", "B-PER", "O"]
    assert found[2:] == [[], []] and tagger.tag([]) == []
    assert [one.token for one in found[0]] == ["Mr", "rose", "bush", "sings", "a", "rose"]
    assert all(0.5 < one.probability <= 1 for one in found[0])


def test_evaluate_says_the_same_as_counting(names: Path, tmp_path: Path) -> None:
    test = toy_tagging.sentences(40, seed=2)
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps({"tokens": s.tokens, "tags": s.tags}) + "\n" for s in test))
    tagger = unspool.load(names)
    metrics = tagger.evaluate([file])
    assert tagger.evaluate(file) == tagger.evaluate(str(file)) == metrics
    found = [[one.tag for one in row] for row in tagger.tag([s.tokens for s in test])]
    pairs = [(a, b) for s, row in zip(test, found, strict=True) for a, b in zip(s.tags, row, strict=True)]
    real = {(i, *span) for i, s in enumerate(test) for span in spans(s.tags, prefixed=True)}
    said = {(i, *span) for i, row in enumerate(found) for span in spans(row, prefixed=True)}
    assert (metrics["sequences"], metrics["tokens"]) == (40, len(pairs))
    assert metrics["accuracy"] == pytest.approx(sum(a == b for a, b in pairs) / len(pairs), abs=1e-4)
    macro = f1_score(*zip(*pairs, strict=True), average="macro")
    assert metrics["macro_f1"] == pytest.approx(macro, abs=1e-4)
    f1 = 2 * len(real & said) / (len(real) + len(said))
    assert metrics["span_f1"] == pytest.approx(f1, abs=1e-4) and f1 > 0.95
    assert metrics["by_type"]["PER"]["spans"] == len(real) and 0 < metrics["loss"] < 0.5


def test_order_and_neighbours_do_not_matter(names: Path, chained: Path) -> None:
    for run in (names, chained):
        tagger = unspool.load(run)
        texts = ["Mr rose sings", "a", "Mr bush field sings a rose", "x y"] * 400
        alone = [tagger.tag([text])[0] for text in texts[:4]]
        for found, expected in zip(tagger.tag(texts), alone * 400, strict=True):
            assert [one[:2] for one in found] == [one[:2] for one in expected]
            assert [one.probability for one in found] == pytest.approx([one.probability for one in expected], abs=1e-5)


def test_each_token_has_a_vector_that_its_scores_are_made_from(names: Path) -> None:
    tagger = unspool.load(names)
    texts = ["Mr rose sings", "", ["a"], "a bush Mr field sings a rose"]
    found = tagger.encode(texts)
    assert [tuple(vectors.shape) for vectors in found] == [(3, 24), (0, 24), (1, 24), (7, 24)]
    for text, vectors, answer in zip(texts, found, tagger.tag(texts), strict=True):
        shares = tagger.models[0].output(vectors).detach().softmax(1)
        assert [float(row.max()) for row in shares] == pytest.approx([one.probability for one in answer], abs=1e-5)
        torch.testing.assert_close(tagger.encode([text])[0], vectors)
    assert tagger.encode([]) == []
    with pytest.raises(ConfigError, match=r"encode takes a list of texts"):
        tagger.encode("Mr rose")


def test_unknown_words_are_read_by_their_pieces_and_neighbours(names: Path) -> None:
    assert toy_tagging.answers(unspool.load(names), "Mr Żółć sings")[0::2] == ["O", "O"]
    assert len(toy_tagging.answers(unspool.load(names), "漢字 😀 \u200f")) == 3


def test_many_threads_get_what_one_gets(chained: Path) -> None:
    tagger = unspool.load(chained)
    texts = ["Mr rose sings", "a bush", "a rose Mr field bush sings"]
    expected = [tagger.tag([text]) for text in texts]
    found: list[Any] = [None] * 6

    def work(i: int) -> None:
        for _ in range(5):
            found[i] = tagger.tag([texts[i % 3]])

    threads = [threading.Thread(target=work, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected[i % 3] for i in range(6)]


def test_an_ensemble_is_the_mean_of_its_runs(tmp_path: Path, chained: Path) -> None:
    runs = [toy_tagging.fit(tmp_path / str(seed), seed=seed, constrain="no") for seed in (0, 1)]
    text = "Mr rose bush sings"

    def shares(tagger: Any) -> torch.Tensor:
        forms = [Forms(one.words, [text.split()]) for one in tagger._loaded]
        each = [one.model(f.batch([0])).detach()[0].softmax(1) for one, f in zip(tagger._loaded, forms, strict=True)]
        return torch.stack(each).mean(0)

    both = unspool.load(runs)
    expected = shares(both)
    assert not torch.allclose(shares(unspool.load(runs[0])), shares(unspool.load(runs[1])), atol=1e-3)
    for one, row in zip(both.tag([text])[0], expected, strict=True):
        assert one.probability == pytest.approx(float(row.max()), abs=1e-5)
        assert one.tag == both.tags[int(row.argmax())]
    with pytest.raises(ConfigError, match="has a CRF"):
        unspool.load([chained, chained])


def test_runs_of_other_tags_or_units_make_no_ensemble(names: Path, tmp_path: Path) -> None:
    train = [s._replace(tags=tuple(t[0] for t in s.tags)) for s in toy_tagging.DATA.train]
    other = TagData(train, toy_tagging.DATA.train[:1])
    with pytest.warns(UserWarning, match="never saw"):
        toy_tagging.fit(tmp_path / "tags", data=other, steps=1)
    toy_tagging.fit(tmp_path / "unit", unit="chars", steps=1)
    for name in ("tags", "unit"):
        with pytest.raises(ConfigError, match="different tags or units"):
            unspool.load([names, tmp_path / name])


def test_tags_that_training_never_saw_count_as_wrong(names: Path, tmp_path: Path) -> None:
    file = tmp_path / "test.conll"
    file.write_text("a O\nrose O\n\na O\nrose B-LOC\n")
    for crf in (False, True):
        run = toy_tagging.fit(tmp_path / str(crf), crf=True) if crf else names
        with pytest.warns(UserWarning, match=r"training never saw the tags of 1 token \(B-LOC; .*test\.conll, line 4"):
            metrics = unspool.load(run).evaluate([file])
        assert metrics["accuracy"] <= 0.75 and metrics["span_f1"] == 0 and math.isfinite(metrics["loss"])
    only = tmp_path / "only.conll"
    only.write_text("rose B-LOC\n")
    with pytest.warns(UserWarning, match="never saw"):
        assert unspool.load(names).evaluate([only])["loss"] is None


def test_what_is_no_list_of_texts_is_named(names: Path) -> None:
    tagger = unspool.load(names)
    with pytest.raises(ConfigError, match=r"tag\(\[text\]\)"):
        tagger.tag("Mr rose")
    for wrong in (5, None, {"a": 1}, b"a"):
        with pytest.raises(ConfigError, match=f"tag takes a list of texts, but got .* type {type(wrong).__name__}"):
            tagger.tag(wrong)
    for row, message in (
        (["a", ""], "token 2 of text 2 is empty"),
        (["a", 3], "token 2 of text 2 is of type int; expected a text"),
        (["a", "\ud800"], r"token 2 of text 2 has the lone surrogate '\\ud800'"),
        ("a \ud800", r"text 2 has the lone surrogate '\\ud800' as character 3"),
        (3, r"text 2 is of type int; expected a text \(str\), or a list of tokens"),
    ):
        with pytest.raises(DataError, match=message):
            tagger.tag(["a", row])
    with pytest.raises(ConfigError, match="expected a file or a list of files, but got 5"):
        tagger.evaluate(5)
    with pytest.raises(ConfigError, match="name the test files"):
        tagger.evaluate()


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "words.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_a_damaged_run_is_named(name: str, damage: str, copied: Callable[[], Path]) -> None:
    path = copied() / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b"\x89PNG\r\n" + bytes(100))
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        unspool.load(path.parent)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format=99), "format 99"),
        (lambda c: c.pop("settings"), r"config\.json is damaged"),
        (lambda c: c["settings"].update(hiden=3), "hiden"),
        (lambda c: c["settings"].update(hidden="8"), r"config\.json"),
        (lambda c: c["settings"].update(hidden=40), r"\[\d+, \d+\].*\[\d+, \d+\]"),
        (lambda c: c["settings"].update(ngram_buckets=7), r"words\.json is of another run"),
        (lambda c: c["settings"].update(cell_options={"x": 1}), r"config\.json .*'x'"),
        (lambda c: c.update(tags=["O"]), r"config\.json is damaged"),
        (lambda c: c.update(tags=["O", "X"]), r"output"),
        (lambda c: c["columns"].update(tag_column=0), r"config\.json is damaged"),
        (lambda c: c.update(task="paint"), "paint"),
        (lambda c: c.pop("cell"), r"config\.json"),
        (lambda c: c.update(cell="Mine"), r"--cell your_file.py:Mine"),
    ],
)
def test_a_foreign_config_is_refused(
    change: Callable[[dict[str, Any]], Any], message: str, copied: Callable[[], Path]
) -> None:
    run = copied()
    config = json.loads((run / "config.json").read_text())
    change(config)
    (run / "config.json").write_text(json.dumps(config))
    with pytest.raises((ShapeError, UnspoolError), match=message):
        unspool.load(run)
