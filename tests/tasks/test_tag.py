"""A trained tagger, used from Python."""

from __future__ import annotations

import json
import math
import random
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import unspool
from unspool.cells import GRUCell, LSTMCell, load_cell
from unspool.data.tagged import Tokens
from unspool.data.words import Forms
from unspool.errors import ConfigError, DataError, RunError, ShapeError, UnspoolError
from unspool.layers.crf import LinearChain
from unspool.tasks.tag import TagData, TagSettings, spans, train
from unspool.tasks.tag.answers import best_tags, probabilities
from unspool.tasks.tag.rules import follow_rules, rules
from unspool.train import TrainSettings

SIZES: dict[str, Any] = {"hidden": 12, "embedding": 12, "ngram_buckets": 200, "dropout": 0.0, "max_tokens": 200}


def sentences(count: int, seed: int = 0) -> list[Tokens]:
    """Names of one or two words among others; that a word is a name is seen from the word before it alone."""
    drawn = random.Random(seed)
    found: list[Tokens] = []
    for number in range(count):
        tokens: list[str] = []
        tags: list[str] = []
        for _ in range(drawn.randint(1, 4)):
            if drawn.random() < 0.5:
                length = drawn.randint(1, 2)
                tokens += ["Mr", *drawn.choices(["rose", "bush", "field"], k=length), "sings"]
                tags += ["O", "B-PER", *["I-PER"] * (length - 1), "O"]
            else:
                tokens += ["a", drawn.choice(["rose", "bush", "field"])]
                tags += ["O", "O"]
        found.append(Tokens(tuple(tokens), tuple(tags), f"sentence {number}"))
    return found


DATA = TagData(sentences(80), sentences(30, seed=1))


def fit(
    out: Path, *, data: TagData = DATA, cell: Any = GRUCell, steps: int = 3, resume: bool = False,
    training: dict[str, Any] | None = None, **choices: Any,
) -> Path:  # fmt: skip
    """Train for some steps; `out`."""
    settings = TrainSettings(max_steps=steps, **{"lr": 0.02, "validate_every": 500, **(training or {})})
    train(cell, data, TagSettings(**{**SIZES, **choices}), settings, out, resume=resume)
    return out


@pytest.fixture(scope="module")
def names(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that learned to find the names."""
    done = {"until": "span_f1>=1", "validate_every": 10, "monitor": None}
    return fit(tmp_path_factory.mktemp("runs") / "names", steps=300, training=done)


@pytest.fixture(scope="module")
def chained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with a CRF."""
    return fit(tmp_path_factory.mktemp("runs") / "chained", steps=60, crf=True)


@pytest.fixture
def copied(names: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the run, to damage."""
    return lambda: Path(shutil.copytree(names, tmp_path / "copy"))


def answers(tagger: Any, text: str) -> list[str]:
    return [one.tag for one in tagger.tag([text])[0]]


def test_it_learned(names: Path) -> None:
    tagger = unspool.load(names)
    found = tagger.tag(["Mr rose bush sings a rose", ["a", "bush", "Mr", "field", "sings"], "", "  "])
    assert [one.tag for one in found[0]] == ["O", "B-PER", "I-PER", "O", "O", "O"]
    assert [one.tag for one in found[1]] == ["O", "O", "O", "B-PER", "O"]
    assert found[2:] == [[], []] and tagger.tag([]) == []
    assert [one.token for one in found[0]] == ["Mr", "rose", "bush", "sings", "a", "rose"]
    assert all(0.5 < one.probability <= 1 for one in found[0])


def test_evaluate_says_the_same_as_counting(names: Path, tmp_path: Path) -> None:
    test = sentences(40, seed=2)
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


def test_probabilities_are_of_the_model(names: Path, chained: Path) -> None:
    """Softmax of the scores, or what the CRF's own marginals say; of all tags together 1."""
    for run in (names, chained):
        tagger = unspool.load(run)
        loaded = tagger._loaded[0]
        forms = Forms(loaded.words, [["Mr", "rose", "sings"]])
        scores = loaded.model(forms.batch([0])).detach()
        shares = probabilities(scores, torch.tensor([3]), loaded.model.crf)[0]
        torch.testing.assert_close(shares.sum(1), torch.ones(3))
        for one, row in zip(tagger.tag(["Mr rose sings"])[0], shares, strict=True):
            assert one.probability == pytest.approx(float(row[tagger.tags.index(one.tag)]), abs=1e-5)


def test_unknown_words_are_read_by_their_pieces_and_neighbours(names: Path) -> None:
    assert answers(unspool.load(names), "Mr Żółć sings")[0::2] == ["O", "O"]
    assert len(answers(unspool.load(names), "漢字 😀 \u200f")) == 3


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
    runs = [fit(tmp_path / str(seed), seed=seed, constrain="no") for seed in (0, 1)]
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
    other = TagData([s._replace(tags=tuple(t[0] for t in s.tags)) for s in DATA.train], DATA.train[:1])
    with pytest.warns(UserWarning, match="never saw"):
        fit(tmp_path / "tags", data=other, steps=1)
    fit(tmp_path / "unit", unit="chars", steps=1)
    for name in ("tags", "unit"):
        with pytest.raises(ConfigError, match="different tags or units"):
            unspool.load([names, tmp_path / name])


def test_impossible_transitions_are_never_answered(tmp_path: Path) -> None:
    """With wild scores impossible rows come without the rule, and none with it."""
    texts = [s.tokens for s in sentences(60, seed=5)]

    def possible(**choices: Any) -> bool:
        tagger = unspool.load(fit(tmp_path / str(len(list(tmp_path.iterdir()))), steps=1, **choices))
        torch.manual_seed(0)
        torch.nn.init.normal_(tagger._loaded[0].model.output.weight, std=9.0)
        rows = [[one.tag for one in row] for row in tagger.tag(texts)]
        assert {tag for row in rows for tag in row} == set(tagger.tags)
        return follow_rules(rows, tagger.tags)

    for crf in (False, True):
        assert [possible(crf=crf, constrain=constrain) for constrain in ("auto", "yes", "no")] == [True, True, False]


def test_tags_that_break_the_rule_in_training_are_not_held_to_it(tmp_path: Path) -> None:
    rows = [Tokens(("a", "b"), ("O", "I-X"), "1"), Tokens(("c",), ("B-X",), "2")]  # IOB1
    run = fit(tmp_path / "a", data=TagData(rows, rows), steps=1)
    assert json.loads((run / "config.json").read_text())["constrained"] is False
    plain = [Tokens(("a", "b"), ("N", "V"), "1")]
    assert fit(tmp_path / "b", data=TagData(plain, plain), steps=1)
    with pytest.raises(ConfigError, match="neither BIO nor IOBES"):
        fit(tmp_path / "c", data=TagData(plain, plain), steps=1, constrain="yes")


def test_a_crf_learns_what_follows_what(tmp_path: Path) -> None:
    """Tags alternate whatever the tokens are: the transitions alone can know."""
    rows = [Tokens(("x",) * n, tuple("AB"[(t + s) % 2] for t in range(n)), "") for n in range(2, 9) for s in (0, 1)]
    run = fit(tmp_path / "run", data=TagData(rows, rows), crf=True, steps=60, training={"lr": 0.1}, bidirectional=False)
    tags = answers(unspool.load(run), "x x x x x x")
    assert tags in (list("ABABAB"), list("BABABA"))


def test_the_best_row_is_the_best_possible_row() -> None:
    """By trying all rows of 4 tags over 3 steps."""
    torch.manual_seed(0)
    tags = ["B-X", "I-X", "I-Y", "O"]
    crf, scores, lengths = LinearChain(4), torch.randn(20, 3, 4), torch.tensor([3, 2, 1, 3] * 5)
    torch.nn.init.normal_(crf.transition)
    best = best_tags(scores, lengths, crf=crf, rules=rules(tags)).tolist()
    for row, path in enumerate(best):
        size = int(lengths[row])
        every = torch.cartesian_prod(*[torch.arange(4)] * size).reshape(-1, size)
        allowed = [p for p in every.tolist() if follow_rules([[tags[i] for i in p]], tags)]
        values = [
            float(crf.score(scores[row : row + 1, :size], torch.tensor([p]), lengths[row : row + 1])[0].detach())
            for p in allowed
        ]
        assert path[:size] == allowed[values.index(max(values))]


@pytest.mark.parametrize(
    "choices",
    [
        {"bidirectional": False}, {"merge": "sum", "layers": 2, "residual": True}, {"lowercase": True},
        {"ngram_buckets": 0}, {"word_dropout": 0.5, "dropout": 0.5, "recurrent_dropout": 0.5}, {"min_count": 999},
        {"vocabulary": 2}, {"crf": True, "dropout": 0.2}, {"unit": "chars"}, {"max_tokens": 1},
        {"ngram_min": 1, "ngram_max": 9}, {"cell_options": {"recurrent_init": "orthogonal"}},
    ],
    ids=str,
)  # fmt: skip
def test_every_choice_is_trained_and_loaded(choices: dict[str, Any], tmp_path: Path) -> None:
    tagger = unspool.load(fit(tmp_path / "run", steps=2, **choices))
    assert len(answers(tagger, "Mr Rose")) == (7 if choices.get("unit") else 2)
    first = tagger._loaded[0]
    words = first.words
    assert first.model.net.bidirectional is choices.get("bidirectional", True)
    assert first.model.net.output_size == (12 if {"bidirectional", "merge"} & choices.keys() else 24)
    assert words.size == {"min_count": 1, "vocabulary": 3}.get(next(iter(choices)), 7)
    if "lowercase" in choices:
        assert answers(tagger, "MR ROSE BUSH") == answers(tagger, "mr rose bush")


def test_one_direction_sees_nothing_of_what_follows(tmp_path: Path) -> None:
    forward = unspool.load(fit(tmp_path / "f", bidirectional=False))
    both = unspool.load(fit(tmp_path / "b"))

    def first(tagger: Any, text: str) -> float:
        return tagger.tag([text])[0][0].probability

    assert first(forward, "a rose") == pytest.approx(first(forward, "a bush Mr"), abs=1e-6)
    assert abs(first(both, "a rose") - first(both, "a bush Mr")) > 1e-4


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


def test_a_cell_of_the_users_own(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    cell = load_cell(f"{tmp_path / 'mine.py'}:Mine")
    run = fit(tmp_path / "run", cell=cell, steps=60)
    assert answers(unspool.load(run, cells=[cell]), "Mr rose sings") == ["O", "B-PER", "O"]
    with pytest.raises(ConfigError, match=r"--cell your_file.py:Mine"):
        unspool.load(run)


@pytest.mark.parametrize("crf", [False, True])
def test_resumed_gives_the_bits_of_uninterrupted(crf: bool, tmp_path: Path) -> None:
    """With every kind of drawn number in play: order, word dropout, dropout, recurrent dropout."""
    choices = {"crf": crf, "word_dropout": 0.3, "dropout": 0.3, "recurrent_dropout": 0.2, "max_tokens": 60}
    whole = fit(tmp_path / "whole", steps=9, **choices)
    part = fit(tmp_path / "part", steps=4, **choices)
    with pytest.warns(UserWarning, match="max_steps 4 → 9"):
        fit(part, steps=9, resume=True, **choices)
    assert (whole / "model.safetensors").read_bytes() == (part / "model.safetensors").read_bytes()


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (TagData(sentences(81), DATA.valid), "train_sequences 80 → 81"),
        (TagData(DATA.train[::-1], DATA.valid), "train_crc32"),
        (TagData(DATA.train, sentences(30, seed=7)), "valid_crc32"),
        (TagData([*DATA.train[1:], Tokens(("a",), ("B-LOC",), "")], DATA.valid), "tags"),
    ],
    ids=["more", "order", "valid", "tags"],
)  # fmt: skip
def test_resuming_on_other_data_is_refused(data: TagData, named: str, tmp_path: Path) -> None:
    fit(tmp_path / "run", steps=1)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(RunError, match=f"cannot be resumed with other choices or data.*{named}"):
        fit(tmp_path / "run", data=data, steps=2, resume=True)
    with pytest.raises(RunError, match="hidden 12 → 8"):
        fit(tmp_path / "run", steps=2, resume=True, hidden=8)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_folder_that_holds_a_run_is_refused(names: Path) -> None:
    with pytest.raises(RunError, match=r"--resume.*--force"):
        fit(names)


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


@pytest.mark.parametrize(
    ("tags", "message"),
    [(["O"], "the one tag 'O' only"), (["N"], "the one tag 'N' only")],
)  # fmt: skip
def test_one_tag_alone_is_refused(tags: list[str], message: str, tmp_path: Path) -> None:
    rows = [Tokens(("a",), tuple(tags), "a.conll, line 1")] * 3
    with pytest.raises(DataError, match=rf"{message} \(first: a\.conll, line 1\)"):
        fit(tmp_path / "run", data=TagData(rows, rows))
    assert not (tmp_path / "run").exists()


def test_tags_that_training_never_saw_count_as_wrong(names: Path, tmp_path: Path) -> None:
    file = tmp_path / "test.conll"
    file.write_text("a O\nrose O\n\na O\nrose B-LOC\n")
    for crf in (False, True):
        run = fit(tmp_path / str(crf), crf=True) if crf else names
        with pytest.warns(
            UserWarning, match=r"1 tokens have tags that training never saw \(B-LOC; .*test\.conll, line 4"
        ):
            metrics = unspool.load(run).evaluate([file])
        assert metrics["accuracy"] <= 0.75 and metrics["span_f1"] == 0 and math.isfinite(metrics["loss"])
    only = tmp_path / "only.conll"
    only.write_text("rose B-LOC\n")
    with pytest.warns(UserWarning, match="never saw"):
        assert unspool.load(names).evaluate([only])["loss"] is None


def test_long_sequences_are_left_out_of_training_alone(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"\d+ of 80 sequences have more than 6 tokens .* --max-length"):
        run = fit(tmp_path / "run", max_length=6)
    assert len(unspool.load(run).tag([["rose"] * 3000])[0]) == 3000
    with pytest.raises(DataError, match="all are too long"), pytest.warns(UserWarning):
        fit(tmp_path / "none", data=TagData([s for s in DATA.train if len(s.tokens) > 2], DATA.valid), max_length=1)


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


def test_lstm_and_half_precision(tmp_path: Path) -> None:
    for crf in (False, True):
        run = fit(tmp_path / str(crf), cell=LSTMCell, crf=crf, training={"precision": "bf16"}, steps=4)
        assert len(answers(unspool.load(run), "Mr rose")) == 2
