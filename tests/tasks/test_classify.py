"""A classifier, trained, loaded and used from Python."""

from __future__ import annotations

import itertools
import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unspool
from unspool.cells import GRUCell, LSTMCell, RNNCell
from unspool.data.sequences import Sequences, starts_and_end
from unspool.errors import ConfigError, DataError, RunError, ShapeError, UnspoolError
from unspool.tasks.classify import ClassifyData, ClassifySettings, train
from unspool.train import Run, TrainSettings

SIZES: dict[str, Any] = {"tokenizer": "chars", "hidden": 12, "embedding": 8, "max_tokens": 200, "dropout": 0.0}


def place(i: int) -> str:
    return f"words.csv, row {i + 2}"


def texts(found: list[tuple[str, str]]) -> Sequences:
    return Sequences("text", [t for t, _ in found], None, None, (), [y for _, y in found], None, place)


def numbers(rows: list[np.ndarray], labels: list[str] | None) -> Sequences:
    offsets = starts_and_end(np.array([len(row) for row in rows]))
    joined = np.concatenate(rows).astype(np.float32)
    names = tuple("xyz"[: joined.shape[1]])
    return Sequences("numbers", None, joined, offsets, names, labels, None, place)


WORDS = ["".join(letters) for n in (1, 2, 3, 4) for letters in itertools.product("abcd", repeat=n)]


def last_letter() -> Sequences:
    """The label is the first letter: what a network that reads forwards must keep to the end."""
    return texts([(word, word[0]) for word in WORDS])


def waves(count: int = 120, seed: int = 0) -> Sequences:
    """Does x rise or fall? y says nothing, z is constant; lengths differ, and the scale is far from 1."""
    rng = np.random.default_rng(seed)
    rows, labels = [], []
    for _ in range(count):
        slope, length = rng.choice([-1, 1]), rng.integers(3, 9)
        x = 500 + 40 * slope * np.arange(length) + rng.normal(0, 5, length)
        rows.append(np.stack([x, rng.normal(size=length), np.full(length, 7.0)], 1))
        labels.append("up" if slope > 0 else "down")
    return numbers(rows, labels)


def fit(
    out: Path, data: Sequences, cell: type[Any] = GRUCell, *, valid: Sequences | None = None, **choices: Any
) -> Any:
    """A run; choices of the training are those that `TrainSettings` has and `ClassifySettings` has not."""
    own = {name for name in choices if name in ClassifySettings.__dataclass_fields__}
    resume, force = choices.pop("resume", False), choices.pop("force", False)
    settings = ClassifySettings(**(SIZES | {name: choices[name] for name in own}))
    training = TrainSettings(**{name: value for name, value in choices.items() if name not in own})
    parts = ClassifyData(data, valid or data)
    return train(cell, parts, settings, training, out, resume=resume, force=force)


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned to name a word's first letter."""
    out = tmp_path_factory.mktemp("runs") / "letters"
    fit(out, last_letter(), bidirectional=False, lr=0.02, epochs=60, until="accuracy>=1", validate_every=20)
    return out


@pytest.fixture(scope="module")
def slopes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned whether numbers rise or fall."""
    out = tmp_path_factory.mktemp("runs") / "slopes"
    fit(out, waves(), lr=0.02, epochs=60, until="accuracy>=1", validate_every=10)
    return out


def test_texts(letters: Path) -> None:
    classifier = unspool.load(letters)
    assert classifier.classes == ("a", "b", "c", "d")
    found = classifier.classify(["abcd", "d", "cab"])
    assert [answer.label for answer in found] == ["a", "d", "c"]
    for answer in found:
        assert list(answer.probabilities) == list("abcd") and sum(answer.probabilities.values()) == pytest.approx(1)
        assert max(answer.probabilities, key=answer.probabilities.__getitem__) == answer.label
    assert classifier.classify([]) == []
    assert len(classifier.classify(["漢字", "  "])) == 2


def test_an_answer_to_nothing_is_said_to_be_one(letters: Path) -> None:
    classifier = unspool.load(letters)
    with pytest.warns(UserWarning, match=r"2 sequences without a step \(sequence 2 of the list first\): such"):
        found = classifier.classify(["ab", "", "b", ""])
    assert [answer.label for answer in found][::2] == ["a", "b"] and found[1] == found[3]


def test_spaces_are_nothing_to_a_tokenizer_that_splits_at_them(tmp_path: Path) -> None:
    fit(tmp_path / "run", texts([(f"{x} {y}", x) for x in "ab" for y in "cdef"]), tokenizer="words", max_steps=1)
    with pytest.warns(UserWarning, match=r"2 sequences without a step \(sequence 1 of the list first\): such"):
        blank, nothing, _ = unspool.load(tmp_path / "run").classify(["  ", "", "a c"])
    assert blank == nothing


def test_numbers(slopes: Path) -> None:
    classifier = unspool.load(slopes)
    new = waves(seed=9)
    assert new.numbers is not None and new.offsets is not None and new.labels is not None
    arrays = np.split(new.numbers, new.offsets[1:-1])
    answers = classifier.classify(arrays)
    assert np.mean([a.label == label for a, label in zip(answers, new.labels, strict=True)]) > 0.95
    assert classifier.classify(new) == answers
    assert classifier.classify([arrays[0].tolist()])[0].label == answers[0].label
    tensors = [torch.tensor(array, requires_grad=True) for array in arrays]
    assert classifier.classify(tensors) == classifier.classify(array.astype(np.float64) for array in arrays) == answers
    assert classifier.classify([np.zeros((0, 3))])[0].label in ("up", "down")


def test_order_and_neighbours_do_not_matter(letters: Path, slopes: Path) -> None:
    for run, given in ((letters, ["abcd", "a", "dd", "cab"] * 30), (slopes, [*np.ones((40, 5, 3)), np.ones((1, 3))])):
        classifier = unspool.load(run)
        together = classifier.classify(given)
        for i in (0, 1, 2, 3, len(given) - 1):
            (alone,) = classifier.classify([given[i]])
            assert alone.label == together[i].label
            assert alone.probabilities == pytest.approx(together[i].probabilities, abs=1e-5)


def test_the_temperature_is_fitted_stored_and_applied(letters: Path, tmp_path: Path) -> None:
    config = Run.open(letters).config
    temperature = config["calibration"]["temperature"]
    assert temperature != 1 and config["calibration"]["temperature_fitted_to"] == len(WORDS)
    plain = edited(Path(shutil.copytree(letters, tmp_path / "plain")), lambda found: found.pop("calibration"))
    probabilities = [unspool.load(run).classify(["abc"])[0].probabilities for run in (letters, plain)]
    logits = np.log(list(probabilities[1].values())) / temperature
    expected = np.exp(logits) / np.exp(logits).sum()
    assert list(probabilities[0].values()) == pytest.approx(expected, rel=1e-4)


def test_evaluate(letters: Path) -> None:
    classifier = unspool.load(letters)
    right = texts([(word, word[0]) for word in WORDS[:40]])
    found = classifier.evaluate(right)
    assert found["sequences"] == 40 and found["accuracy"] == found["macro_f1"] == 1 and 0 < found["log_loss"] < 0.5
    assert found["ece"] == pytest.approx(
        1 - np.mean([max(a.probabilities.values()) for a in classifier.classify(right)]), abs=1e-6
    )
    wrong = classifier.evaluate(texts([("abc", "b"), ("bcd", "b")]))
    assert wrong["accuracy"] == 0.5 and wrong["log_loss"] > 1


def test_evaluate_refuses_what_has_no_answer(letters: Path) -> None:
    classifier = unspool.load(letters)
    with pytest.raises(DataError, match=r"words\.csv, row 3: the label 'e' is none of the classes \(a, b, c, d\)"):
        classifier.evaluate(texts([("abc", "a"), ("eb", "e")]))
    with pytest.raises(DataError, match="no labels to compare"):
        classifier.evaluate(replace(texts([("abc", "a")]), labels=None))
    with pytest.raises(DataError, match="no sequence to evaluate"):
        classifier.evaluate(texts([]))
    with pytest.raises(DataError, match="are numbers, but the model was trained on texts"):
        classifier.evaluate(waves(2))
    with pytest.raises(ConfigError, match="was trained on files; name the test files"):
        classifier.evaluate()


def test_states_are_the_final_states(letters: Path, slopes: Path) -> None:
    assert unspool.load(letters).states(["abc", "d"]).shape == (2, 12)
    classifier = unspool.load(slopes)
    x = np.random.default_rng(0).normal(size=(5, 3))
    model = classifier.members[0].model
    scaled = torch.from_numpy(classifier.members[0].inputs.scaler(x)).unsqueeze(0).float()
    with torch.no_grad():
        y, _ = model.network(scaled)
    torch.testing.assert_close(classifier.states([x])[0], torch.cat([y[0, -1, :12], y[0, 0, 12:]]))
    assert classifier.states([]).shape == (0, 24)


def test_vectors_are_those_that_the_answer_is_made_from(letters: Path, slopes: Path) -> None:
    for run, given in ((letters, ["abc", "", "d"]), (slopes, list(np.random.default_rng(0).normal(size=(4, 5, 3))))):
        classifier = unspool.load(run)
        (member,) = classifier.members
        vectors = classifier.encode(given)
        outputs = member.model.judge(vectors).detach()
        expected = [list(answer.probabilities.values()) for answer in classifier.classify(given)]
        found = member.target.predictions(outputs, member.temperature)
        torch.testing.assert_close(found, torch.tensor(expected, dtype=found.dtype), atol=1e-6, rtol=1e-5)
        assert classifier.encode([]).shape == (0, vectors.shape[1])
        torch.testing.assert_close(classifier.encode(given[:1])[0], vectors[0])
    with pytest.raises(ConfigError, match=r"encode takes a list of arrays, but got one array"):
        unspool.load(slopes).encode(np.ones((2, 3)))


def test_saliency_of_texts(letters: Path) -> None:
    classifier = unspool.load(letters)
    weights = classifier.saliency("bacd")
    assert weights.shape == (4,) and classifier.pieces("bacd") == list("bacd")
    assert weights.argmax() == 0  # the letter that the answer is about
    assert classifier.saliency("").shape == (0,)
    with pytest.raises(ConfigError, match="takes one sequence, but got 2"):
        classifier.saliency(texts([("a", "a"), ("b", "b")]))


def test_an_ensemble_is_the_mean_of_the_probabilities(letters: Path, tmp_path: Path) -> None:
    fit(tmp_path / "other", last_letter(), LSTMCell, max_steps=5, seed=3)
    runs = [letters, tmp_path / "other"]
    single = [unspool.load(run).classify(["abd"])[0].probabilities for run in runs]
    (both,) = unspool.load(runs).classify(["abd"])
    assert both.probabilities == pytest.approx({name: (single[0][name] + single[1][name]) / 2 for name in "abcd"})
    fit(tmp_path / "more", texts([("a", "a"), ("b", "e")]), max_steps=1)
    with pytest.raises(ConfigError, match="different targets"):
        unspool.load([letters, tmp_path / "more"])


def test_many_threads_get_what_one_gets(letters: Path) -> None:
    classifier = unspool.load(letters)
    words = [["abcd", "ab"], ["d", "cc"], ["bad", "cab"]]
    expected = [(classifier.classify(given), classifier.saliency(given[0]).tolist()) for given in words]
    found: list[Any] = [None] * 9

    def work(i: int) -> None:
        for _ in range(4):
            found[i] = (classifier.classify(words[i % 3]), classifier.saliency(words[i % 3][0]).tolist())

    threads = [threading.Thread(target=work, args=(i,)) for i in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [expected[i % 3] for i in range(9)]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            [np.ones((2, 2))],
            r"sequence 1 of the list has shape \[2, 2\]; expected \[T, 3\]: steps, features \(x, y, z\)",
        ),
        ([np.ones(3)], r"shape \[3\]"),
        ([np.ones((1, 3)), np.full((2, 3), np.nan)], "sequence 2 of the list: step 1 of feature 'x' is nan"),
        ([np.array([[1, 2, 3], [1, np.inf, 3]])], "step 2 of feature 'y' is inf"),
        ([np.array([[1.0, 2.0, 1e39]])], r"step 1 of feature 'z' is 1e\+39; expected finite numbers, no larger than"),
        (["abc"], "sequence 1 of the list is no array of numbers"),
        ([[["1", "2", "3"]]], r"is no array of numbers \(its type is <U1\)"),
        ([np.ones((1, 3), dtype=complex)], r"is no array of numbers \(its type is complex128\)"),
        ([np.ones((1, 3), dtype="datetime64[s]")], r"is no array of numbers \(its type is datetime64"),
        ([[[1, 2, None]]], r"is no array of numbers \(its type is object\)"),
        ([[[1, 2, 10**400]]], r"is no array of numbers \(its type is object\)"),
        ([5], r"shape \[\]"),
        ([[[1.0, 2.0, 3.0], [1.0]]], "is no array of numbers"),
    ],
    ids=str,
)
def test_arrays_that_cannot_be_read_are_named(given: Any, message: str, slopes: Path) -> None:
    with pytest.raises(DataError, match=message):
        unspool.load(slopes).classify(given)


def test_a_number_beyond_the_scale_of_the_training_is_named(slopes: Path, tmp_path: Path) -> None:
    run = edited(
        Path(shutil.copytree(slopes, tmp_path / "copy")),
        lambda scale: scale.update(deviation=[1, 1, 1e-3]),
        "scaler.json",
    )
    given = [np.ones((3, 3)), np.array([[1, 1, 1], [1, 3e38, 1], [1, 1, 3e38]]), np.zeros((0, 3)), np.ones((1, 3))]
    for ask in (unspool.load(run).classify, unspool.load([slopes, run]).classify, unspool.load(run).states):
        with pytest.raises(DataError, match=r"sequence 2 of the list has 3e\+38 as 'z' in step 3; .*deviation 0\.001"):
            ask(given)
    with pytest.raises(DataError, match=r"words\.csv, row 3 has 3e\+38 as 'z' in step 3"):
        unspool.load(run).evaluate(numbers(given, ["up"] * 4))


def test_outputs_that_are_not_finite_are_no_answer(tmp_path: Path) -> None:
    """Nothing bounds the state of this network."""
    fit(tmp_path, waves(20), RNNCell, cell_options={"nonlinearity": "relu"}, max_steps=1)
    classifier = unspool.load(tmp_path)
    given = numbers([np.ones((3, 3)), np.full((200, 3), 3e38)], ["up", "up"])
    found = classifier.attempt(given)
    assert not isinstance(found[0], str) and isinstance(found[1], str)
    for ask in (classifier.classify, classifier.evaluate, classifier.encode):
        with pytest.raises(DataError, match=r"words\.csv, row 3 makes outputs of the network that are not finite"):
            ask(given)


def test_one_instead_of_a_list_is_refused(letters: Path, slopes: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"classify takes a list of texts, but got one text; write classify\(\[text\]\)"
    ):
        unspool.load(letters).classify("abc")
    for one in (np.ones((2, 3)), torch.ones(1, 2, 3)):
        with pytest.raises(
            ConfigError, match=r"states takes a list of arrays, but got one array; write states\(\[array\]\)"
        ):
            unspool.load(slopes).states(one)
    for run in (letters, slopes):
        for wrong in (5, None, {"a": 1}):
            with pytest.raises(ConfigError, match=f"classify takes a list of .*, but got .* {type(wrong).__name__}"):
                unspool.load(run).classify(wrong)
    with pytest.raises(DataError, match=r"the sequences have 2 features \('x', 'y'\), but .* 3 features"):
        unspool.load(slopes).classify(numbers([np.ones((2, 2))], None))


def test_what_is_no_text_is_named(letters: Path) -> None:
    classifier = unspool.load(letters)
    with pytest.raises(DataError, match=r"sequence 2 of the list is of type int; expected a text"):
        classifier.classify(["a", 3])
    for ask in (classifier.classify, classifier.states, lambda several: classifier.saliency(several[1])):
        with pytest.raises(
            DataError, match=r"sequence [12] of the list has the lone surrogate '\\ud800' as character 2"
        ):
            ask(["a", "b\ud800"])
    with pytest.raises(DataError, match=r"words\.csv, row 3 has the lone surrogate"):
        classifier.evaluate(texts([("a", "a"), ("\udfff", "b")]))
    for wrong in (5, "\ud800"):
        with pytest.raises(DataError, match="the text "):
            classifier.pieces(wrong)


def test_one_file_is_as_a_list_of_one(letters: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("text,label\nab,a\nba,b\n")
    classifier = unspool.load(str(letters))
    expected = classifier.evaluate([tmp_path / "rows.csv"])
    assert classifier.evaluate(tmp_path / "rows.csv") == classifier.evaluate(str(tmp_path / "rows.csv")) == expected
    with pytest.raises(ConfigError, match="expected a file or a list of files, but got 5, of type int"):
        classifier.evaluate(5)
    with pytest.raises(ConfigError, match="expected a file or a list of files, but got 5, of type int"):
        unspool.load(5)  # pyright: ignore[reportArgumentType]


def test_a_sequence_over_the_limit_is_named(letters: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unspool.tasks.classify.classifier.STEP_LIMIT", 5)
    with pytest.raises(DataError, match="sequence 2 of the list has 6 steps; the limit is 5"):
        unspool.load(letters).classify(["abc", "abcabc"])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "text.tokenizer", "scaler.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign"])
def test_a_damaged_run_is_named(name: str, damage: str, letters: Path, slopes: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(slopes if name == "scaler.json" else letters, tmp_path / "copy"))
    path = run / name
    content = path.read_bytes()
    path.unlink()
    if damage != "missing":
        path.write_bytes(content[: len(content) // 2] if damage == "truncated" else b'{"a": [1, "\xff"]')
    with pytest.raises(RunError, match=name.replace(".", r"\.")):
        unspool.load(run)


def edited(run: Path, change: Callable[[dict[str, Any]], Any], name: str = "config.json") -> Path:
    content = json.loads((run / name).read_text())
    change(content)
    (run / name).write_text(json.dumps(content))
    return run


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config.pop("settings"), "config.json"),
        (lambda config: config["settings"].update(hiden=3), "hiden"),
        (lambda config: config["settings"].update(hidden="8"), r"config\.json .*restore it"),
        (lambda config: config["settings"].update(hidden=-8), r"config\.json .*restore it"),
        (lambda config: config["settings"].update(cell_options={"x": 1}), r"'x'.*restore it"),
        (lambda config: config.update(kind="sound"), r"config\.json is damaged.*sound"),
        (lambda config: config.update(labels={"target": "paint"}), r"config\.json is damaged.*paint"),
        (lambda config: config.update(calibration={"temperature": 0}), r"config\.json is damaged.*temperature 0"),
        (lambda config: config.update(calibration=3), r"config\.json is damaged"),
        (lambda config: config.update(cell="Mine"), r"--cell your_file.py:Mine"),
        (lambda config: config["labels"]["classes"].pop(), r"\[3, 12\]|shape"),
    ],
)
def test_a_foreign_config_is_refused(
    change: Callable[[dict[str, Any]], Any], message: str, letters: Path, tmp_path: Path
) -> None:
    run = edited(Path(shutil.copytree(letters, tmp_path / "copy")), change)
    with pytest.raises((UnspoolError, ShapeError), match=message):
        unspool.load(run)
