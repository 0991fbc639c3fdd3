"""Training a classifier: every kind of target and option, its run folder, and what it is resumed with."""

from __future__ import annotations

import json
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import unspool
from unspool.cells import GRUCell, LSTMCell, load_cell
from unspool.data.packed import Packed
from unspool.data.sequences import Sequences, starts_and_end
from unspool.errors import ConfigError, DataError, RunError
from unspool.tasks.classify import ClassifyData, ClassifySettings, train
from unspool.tasks.classify.batches import Batches
from unspool.tasks.classify.job import ClassifyJob, outputs_of
from unspool.tasks.classify.model import SequenceClassifier
from unspool.tasks.classify.targets import Classes, Multilabel
from unspool.tasks.classify.train import class_weights
from unspool.train import Run, TrainSettings

SIZES: dict[str, Any] = {"tokenizer": "chars", "hidden": 8, "embedding": 6, "max_tokens": 100, "dropout": 0.0}


def place(i: int) -> str:
    return f"words.csv, row {i + 2}"


def texts(*pairs: tuple[str, str]) -> Sequences:
    return Sequences("text", [t for t, _ in pairs], None, None, (), [y for _, y in pairs], None, place)


def counted(label: Any, rows: int = 150, seed: int = 0) -> Sequences:
    """Sequences of 0 and 1, labelled by their number of ones."""
    rng = np.random.default_rng(seed)
    found = [rng.integers(0, 2, (rng.integers(2, 7), 1)) for _ in range(rows)]
    offsets = starts_and_end(np.array([len(row) for row in found]))
    labels = [label(int(row.sum()), len(row)) for row in found]
    joined = np.concatenate(found).astype(np.float32)
    return Sequences("numbers", None, joined, offsets, ("x",), labels, None, place)


PAIRS = texts(("ab", "p"), ("a", "p"), ("ba", "q"), ("b", "q"), ("abab", "p"), ("bab", "q"))


def fit(out: Path, data: ClassifyData, *, resume: bool = False, cell: type[Any] = GRUCell, **choices: Any) -> Any:
    own = {name: choices.pop(name) for name in list(choices) if name in ClassifySettings.__dataclass_fields__}
    return train(cell, data, ClassifySettings(**(SIZES | own)), TrainSettings(**choices), out, resume=resume)


def test_several_classes_at_once(tmp_path: Path) -> None:
    data = counted(lambda ones, length: "|".join(name for name, on in (("any", ones), ("long", length > 4)) if on))
    best = fit(tmp_path, ClassifyData(data, data), target="multilabel", lr=0.03, epochs=25, bidirectional=False).best
    assert best["micro_f1"] > 0.97 and best["subset_accuracy"] > 0.9 and "macro_f1" in best and best["ece"] < 0.1
    classifier = unspool.load(tmp_path)
    found = classifier.classify([np.ones((6, 1)), np.ones((2, 1)), np.zeros((2, 1))])
    assert [answer.label for answer in found] == ["any|long", "any", ""]
    assert found[0].probabilities.keys() == {"any", "long"}
    assert classifier.evaluate(data)["subset_accuracy"] == pytest.approx(best["subset_accuracy"])


@pytest.mark.parametrize("order", [(), ("few", "some", "many")])
def test_ranks(order: tuple[str, ...], tmp_path: Path) -> None:
    names = order or ("1", "5", "20")
    data = counted(lambda ones, _: names[min(ones, 4) // 2])
    best = fit(
        tmp_path, ClassifyData(data, data), target="ordinal", order=order, lr=0.03, epochs=25, bidirectional=False
    ).best
    assert best["accuracy"] > 0.95 and best["mae"] < 0.05
    classifier = unspool.load(tmp_path)
    assert classifier.classes == names
    found = classifier.classify([np.zeros((3, 1)), np.ones((3, 1)), np.ones((6, 1))])
    assert [answer.label for answer in found] == list(names)
    assert sum(found[0].probabilities.values()) == pytest.approx(1)
    assert classifier.evaluate(data)["mae"] == pytest.approx(best["mae"])
    assert classifier.saliency(np.ones((3, 1))).shape == (3,)


def test_numbers(tmp_path: Path) -> None:
    data = counted(lambda ones, _: str(100 + 10 * ones))
    best = fit(tmp_path, ClassifyData(data, data), target="number", lr=0.03, epochs=25, bidirectional=False).best
    assert best["r2"] > 0.95 and best["mae"] < 3 and "ece" not in best
    classifier = unspool.load(tmp_path)
    (answer,) = classifier.classify([np.ones((4, 1))])
    assert answer.value == pytest.approx(140, abs=5) and float(answer.label) == pytest.approx(answer.value, rel=1e-5)
    assert answer.probabilities == {} and classifier.classes == ()
    measured = classifier.evaluate(data)
    assert measured.keys() == {"sequences", "mae", "rmse", "r2"} and measured["rmse"] == pytest.approx(best["rmse"])
    assert classifier.saliency(np.ones((3, 1))).shape == (3,)


OTHER: dict[str, Any] = {
    "readout": "attention", "class_weights": "balanced", "tokenizer": "words", "vocabulary": 5, "min_count": 2,
    "lowercase": True, "max_tokens": 7, "max_length": 3, "embedding": 5, "hidden": 7, "layers": 2,
    "bidirectional": False, "residual": True, "dropout": 0.5, "recurrent_dropout": 0.5,
    "cell_options": {"recurrent_init": "identity"}, "seed": 4,
}  # fmt: skip
"""A value of each setting that is not the default; the target's are tried above, the split's below."""


def test_every_setting_is_tried() -> None:
    assert OTHER.keys() | {"target", "order", "valid_share"} == {field.name for field in fields(ClassifySettings)}


@pytest.mark.parametrize("name", OTHER)
def test_a_setting_changes_the_training(name: str, tmp_path: Path) -> None:
    data = texts(*zip(PAIRS.texts or (), PAIRS.labels or (), strict=True), ("B a", "p"), ("Ab b", "p"))
    choices: dict[str, Any] = {"layers": 3} if name == "residual" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for part, more in (("usual", {}), ("other", {name: OTHER[name]})):
            fit(tmp_path / part, ClassifyData(data, data), epochs=2, **(choices | more))
    usual, other = ((tmp_path / part / "model.safetensors").read_bytes() for part in ("usual", "other"))
    assert usual != other
    assert len(unspool.load(tmp_path / "other").classify(["ab", "b a"])) == 2


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"target": "tags"}, "target is 'tags'; expected one of 'classes', 'multilabel', 'ordinal', 'number'"),
        ({"readout": "last"}, "readout is 'last'"),
        ({"class_weights": "even"}, "class_weights is 'even'"),
        ({"tokenizer": "letters"}, "tokenizer is 'letters'"),
        ({"hidden": 0}, "hidden is 0"),
        ({"max_length": 0}, "max_length is 0"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"valid_share": 1.0}, "valid_share is 1.0"),
        ({"seed": -1}, "seed is -1"),
        ({"order": ("a", "b")}, "order was given, but target is 'classes'"),
        ({"order": ("a", "a"), "target": "ordinal"}, "expected every class once"),
        ({"class_weights": "balanced", "target": "number"}, "which has no classes"),
    ],
    ids=str,
)
def test_settings_that_cannot_work_are_refused(choices: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ClassifySettings(**choices)


def test_balanced_weights_reach_the_loss() -> None:
    torch.manual_seed(0)
    target, packed = Classes(["a", "b"]), Packed.of([np.ones((2, 1), dtype=np.float32)] * 4)
    model = SequenceClassifier(GRUCell, ClassifySettings(hidden=3), target.head, features=1).eval()
    batches = Batches(packed, torch.tensor([0, 0, 0, 1]), max_tokens=100)
    job = ClassifyJob(model, batches, batches, target, torch.tensor([2.0, 5.0]))
    outputs, targets = outputs_of(model, batches.epoch(0))
    loss, count = job.loss(model, next(batches.epoch(0)))
    expected = torch.nn.functional.cross_entropy(outputs, targets, torch.tensor([2.0, 5.0]), reduction="sum")
    assert count == 4 and loss.item() == pytest.approx(float(expected), rel=1e-5)
    assert job.validate(model)["loss"] == pytest.approx(float(expected) / 4, rel=1e-5)


def test_roots_are_half_way_to_balanced(tmp_path: Path) -> None:
    """For classes that are alone, and for those of which several may be."""
    rare = torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1])
    several = torch.tensor([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0]])
    for target, targets in ((Classes(["a", "b"]), rare), (Multilabel(["a", "b"]), several)):
        balanced, root = (class_weights(kind, target, targets) for kind in ("balanced", "sqrt"))
        assert balanced is not None and root is not None and (balanced != 1).all()
        torch.testing.assert_close(root**2, balanced)
        assert class_weights("none", target, targets) is None
    uneven = texts(*[("ab", "p")] * 5, ("b", "q"))
    losses = [
        fit(tmp_path / kind, ClassifyData(uneven, PAIRS), class_weights=kind, max_steps=1).best["loss"]
        for kind in ("none", "sqrt", "balanced")
    ]
    assert len(set(losses)) == 3


def lines(run: Path) -> list[dict[str, Any]]:
    """What was logged, but for the time it took."""
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k not in ("seconds", "tokens_per_second")} for line in found]


@pytest.mark.parametrize("kind", ["texts", "numbers"])
def test_resumed_equals_uninterrupted(kind: str, tmp_path: Path) -> None:
    """In the middle of an epoch, with dropout of both kinds: the same weights, metrics and temperature, to the bit."""
    data = PAIRS if kind == "texts" else counted(lambda ones, _: str(ones > 2), 30)
    choices: dict[str, Any] = {"dropout": 0.3, "recurrent_dropout": 0.2, "max_tokens": 8, "lr": 0.01}
    choices |= {"log_every": 1, "validate_every": 1}
    fit(tmp_path / "whole", ClassifyData(data, data), max_steps=7, **choices)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # max_steps is another one now
        for steps in (2, 5, 7):
            fit(tmp_path / "parts", ClassifyData(data, data), resume=steps > 2, max_steps=steps, **choices)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert lines(parts) == lines(whole)
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()
    assert Run.open(whole).config["calibration"] == Run.open(parts).config["calibration"]


@pytest.mark.parametrize(
    ("other", "choices", "named"),
    [
        (texts(("ab", "p"), ("a", "q")), {}, "train_sequences 6 → 2"),
        (replace(PAIRS, labels=["q", "p", "q", "q", "p", "p"]), {}, "train_crc32"),
        (replace(PAIRS, labels=["p", "p", "q", "q", "p", "r"]), {}, "classes"),
        (PAIRS, {"hidden": 9}, "hidden 8 → 9"),
        (PAIRS, {"cell": LSTMCell}, '"gru" → "lstm"'),
    ],
    ids=["rows", "labels", "classes", "settings", "cell"],
)
def test_resuming_with_other_choices_or_data_is_refused(
    other: Sequences, choices: dict[str, Any], named: str, tmp_path: Path
) -> None:
    fit(tmp_path, ClassifyData(PAIRS, PAIRS), max_steps=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=f"cannot be resumed with other choices or data.*{named}"):
        fit(tmp_path, ClassifyData(other, PAIRS), resume=True, max_steps=2, **choices)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_numbers_cannot_resume_a_run_on_texts(tmp_path: Path) -> None:
    fit(tmp_path, ClassifyData(PAIRS, PAIRS), max_steps=1)
    data = counted(lambda ones, _: "p" if ones > 1 else "q", 20)
    with pytest.raises(RunError, match='kind "text" → "numbers"'):
        fit(tmp_path, ClassifyData(data, data), resume=True, max_steps=2)
    with pytest.raises(DataError, match="the sequences are texts, but the model was trained on numbers"):
        fit(tmp_path / "new", ClassifyData(data, PAIRS), max_steps=1)


def test_a_taken_folder_is_kept(tmp_path: Path) -> None:
    fit(tmp_path, ClassifyData(PAIRS, PAIRS), max_steps=1)
    with pytest.raises(RunError, match=r"--resume.*--force"):
        fit(tmp_path, ClassifyData(PAIRS, PAIRS), max_steps=1)


def test_long_sequences_are_left_out_of_training_only(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="left out: 2 of 6 sequences, with more than 2 steps; raise --max-length"):
        fit(tmp_path, ClassifyData(PAIRS, PAIRS), max_steps=1, max_length=2)
    assert Run.open(tmp_path).config["data"]["valid_sequences"] == 6
    with pytest.raises(DataError, match="no sequence is left"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        long = texts(("abc", "p"), ("abd", "q"))
        fit(tmp_path / "none", ClassifyData(long, PAIRS), max_steps=1, max_length=2)


def test_a_rare_class_may_be_only_in_the_validation_data(tmp_path: Path) -> None:
    fit(tmp_path, ClassifyData(PAIRS, texts(("c", "r"))), max_steps=1)
    assert unspool.load(tmp_path).classes == ("p", "q", "r")


@pytest.mark.parametrize(
    ("target", "order", "rare"), [("classes", (), "s"), ("multilabel", (), "p|s"), ("ordinal", ("p", "q", "s"), "s")]
)
def test_classes_of_the_validation_data_alone_are_told(
    target: str, order: tuple[str, ...], rare: str, tmp_path: Path
) -> None:
    data = ClassifyData(PAIRS, texts(("ab", "p"), ("bb", rare)))
    with pytest.warns(UserWarning, match=r"the validation data alone has 1 of the 3 classes \(s\)"):
        fit(tmp_path, data, target=target, order=order, max_steps=1)


def test_numbers_that_no_float32_mean_holds(tmp_path: Path) -> None:
    def large(top: float) -> Sequences:
        data = counted(lambda ones, length: "more" if 2 * ones > length else "less")
        assert data.numbers is not None
        return replace(data, numbers=((2 * data.numbers - 1) * top).astype(np.float32))

    best = fit(tmp_path / "run", ClassifyData(large(3e38), large(3e38)), lr=0.03, epochs=8).best
    assert best["accuracy"] > 0.9
    with pytest.raises(
        DataError, match=r"words\.csv, row 2 has 3e\+38 as 'x' in step 1; .*mean .*e-08, deviation 9.*e-07"
    ):
        fit(tmp_path / "other", ClassifyData(large(1e-6), large(3e38)), max_steps=1)


def test_labels_are_needed(tmp_path: Path) -> None:
    bare = replace(PAIRS, labels=None)
    with pytest.raises(DataError, match="the sequences to valid on have no labels|to validate on have no labels"):
        fit(tmp_path, ClassifyData(PAIRS, bare), max_steps=1)
    one = texts(("a", "p"), ("b", "p"))
    with pytest.raises(DataError, match=r"the only label is 'p' \(4 sequences\)"):
        fit(tmp_path, ClassifyData(one, one), max_steps=1)


@pytest.mark.parametrize("readout", ["final", "mean", "max", "attention"])
def test_saliency_is_gradient_times_input(readout: str, tmp_path: Path) -> None:
    """By finite differences: scaling the input of one step by 1 + ε changes the winning logit by ε times it."""
    data = counted(lambda ones, _: str(ones > 2), 20)
    fit(tmp_path / "run", ClassifyData(data, data), max_steps=3, readout=readout, layers=2)
    classifier = unspool.load(tmp_path / "run")
    x = np.random.default_rng(1).normal(size=(6, 1)).astype(np.float32)
    found = classifier.saliency(x)
    member = classifier.members[0]
    model, inputs = member.model.double(), torch.from_numpy(member.inputs.scaler(x)).double().unsqueeze(0)
    with torch.no_grad():
        winner = int(model(inputs, torch.tensor([6])).argmax())
        for t in range(6):
            ends = []
            for epsilon in (-1e-4, 1e-4):
                changed = inputs.clone()
                changed[0, t] *= 1 + epsilon
                ends.append(float(model(changed, torch.tensor([6]))[0, winner]))
            assert found[t] == pytest.approx((ends[1] - ends[0]) / 2e-4, abs=1e-4)


MINE = """
import torch, unspool

class Mine(unspool.Cell):
    def __init__(self, input_size, hidden_size, gain=1.0):
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.x, self.h = torch.nn.Linear(input_size, hidden_size), torch.nn.Linear(hidden_size, hidden_size)
        self.gain = gain

    def forward(self, x, state):
        h, slow = state
        h = torch.tanh(self.gain * (self.x(x) + self.h(h)) + slow)
        return h, (h, 0.9 * slow + 0.1 * h)
"""


def test_a_cell_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    cell = load_cell(f"{tmp_path / 'mine.py'}:Mine")
    choices: dict[str, Any] = {"layers": 2, "bidirectional": False, "cell_options": {"gain": 0.5}}
    fit(tmp_path / "run", ClassifyData(PAIRS, PAIRS), cell=cell, max_steps=40, lr=0.03, **choices)
    with pytest.raises(ConfigError, match=r"cells=\[Mine\]"):
        unspool.load(tmp_path / "run")
    classifier = unspool.load(tmp_path / "run", cells=[cell])
    assert [answer.label for answer in classifier.classify(["abab", "bab"])] == ["p", "q"]
    assert classifier.states(["ab"]).shape == (1, 8)
