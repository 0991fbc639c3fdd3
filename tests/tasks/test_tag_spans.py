"""Spans by the definition of conlleval, their scores, and the transitions that no span makes."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.tasks.tag.evaluate import TagScores
from unspool.tasks.tag.rules import FORBIDDEN, follow_rules, may_follow, rules
from unspool.tasks.tag.spans import Span, SpanCounts, has_prefixes, scores, spans

TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("X", "Y"))]


def start_of_chunk(before: str, tag: str, kind_before: str, kind: str) -> bool:
    """conlleval.pl's function of this name, line by line (its brackets left out)."""
    start = False
    if before == "B" and tag == "B":
        start = True
    if before == "I" and tag == "B":
        start = True
    if before == "O" and tag == "B":
        start = True
    if before == "O" and tag == "I":
        start = True
    if before == "E" and tag == "E":
        start = True
    if before == "E" and tag == "I":
        start = True
    if before == "O" and tag == "E":
        start = True
    if before == "S" and tag in ("E", "I"):
        start = True
    if tag in ("S", "B"):
        start = True
    if tag not in ("O", ".") and kind_before != kind:
        start = True
    return start


def end_of_chunk(before: str, tag: str, kind_before: str, kind: str) -> bool:
    """conlleval.pl's function of this name, line by line (its brackets left out)."""
    end = False
    if before in ("B", "I") and tag in ("B", "O", "S"):
        end = True
    if before in ("E", "S"):
        end = True
    if before not in ("O", ".") and kind_before != kind:
        end = True
    return end


def chunks(tags: list[str]) -> list[Span]:
    """Spans between the starts and ends that conlleval finds."""
    found, open_at = [], None
    rows = [(tag[0], tag[2:]) for tag in [*tags, "O"]]
    before = ("O", "")
    for at, now in enumerate(rows):
        if open_at is not None and end_of_chunk(before[0], now[0], before[1], now[1]):
            found.append(Span(open_at, at, before[1]))
            open_at = None
        if start_of_chunk(before[0], now[0], before[1], now[1]):
            open_at = at
        before = now
    return found


@given(st.lists(st.sampled_from(TAGS), max_size=8))
def test_spans_are_those_of_conlleval(tags: list[str]) -> None:
    assert spans(tags, prefixed=True) == chunks(tags)


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("O I-X I-X O", [(1, 3, "X")]),  # I- after O begins a span
        ("B-X B-X", [(0, 1, "X"), (1, 2, "X")]),  # B- splits
        ("B-X I-Y", [(0, 1, "X"), (1, 2, "Y")]),  # and so does another type
        ("B-X I-X E-X S-X S-X", [(0, 3, "X"), (3, 4, "X"), (4, 5, "X")]),
        ("E-X I-X", [(0, 1, "X"), (1, 2, "X")]),
        ("B I O B", [(0, 2, ""), (3, 4, "")]),
        ("B-a-b I-a-b", [(0, 2, "a-b")]),
        ("", []),
        ("O O", []),
    ],
)
def test_by_hand(tags: str, expected: list[tuple[int, int, str]]) -> None:
    assert spans(tags.split(), prefixed=True) == [Span(*span) for span in expected]


@given(st.lists(st.sampled_from(["O", "N", "B-N", "V"]), max_size=8))
def test_without_prefixes_a_span_is_a_run(tags: list[str]) -> None:
    runs, at = [], 0
    for tag, group in itertools.groupby(tags):
        size = len(list(group))
        runs += [Span(at, at + size, tag)] if tag != "O" else []
        at += size
    assert spans(tags, prefixed=False) == runs


@pytest.mark.parametrize(
    ("tags", "expected"),
    [("O B-X I-X", True), ("I-X O", True), ("S-X E-X", True), ("B I O", True), ("O", False), ("NOUN B-X", False),
     ("I O", False), ("E S", False), ("B-", False), ("BX I-X", False), ("X-B", False)],
)  # fmt: skip
def test_prefixes_are_told_from_names(tags: str, expected: bool) -> None:
    assert has_prefixes(tags.split()) is expected


def test_precision_recall_and_f1_all_together_and_by_type() -> None:
    counts = SpanCounts()
    counts.add(["B-X", "I-X", "O", "B-Y"], ["B-X", "I-X", "O", "O"], prefixed=True)
    counts.add(["B-X", "O", "O"], ["B-X", "I-X", "B-Y"], prefixed=True)
    assert counts.total() == {
        "precision": pytest.approx(1 / 3),
        "recall": pytest.approx(1 / 3),
        "f1": pytest.approx(1 / 3),
    }
    assert counts.by_type() == {
        "X": {"precision": 0.5, "recall": 0.5, "f1": 0.5, "spans": 2},
        "Y": {"precision": 0.0, "recall": 0.0, "f1": 0.0, "spans": 1},
    }
    assert scores(0, 0, 0) == {"precision": 0.0, "recall": 0.0, "f1": 0.0}


def test_accuracy_counts_tokens_and_rows() -> None:
    counted = TagScores(prefixed=False)
    counted.add(["N", "V"], ["N", "N"])
    counted.add(["N"], ["N"])
    assert counted.metrics()["accuracy"] == pytest.approx(2 / 3)
    report = counted.report()
    assert (report["sequences"], report["tokens"], report["by_type"]["N"]["spans"]) == (2, 3, 2)
    with pytest.raises(ValueError, match="shorter"):
        counted.add(["N"], [])


@given(st.lists(st.sampled_from(["O", "B-X", "I-X", "B-Y", "I-Y"]), max_size=6))
def test_a_row_of_bio_is_possible_if_every_i_goes_on_with_a_span(tags: list[str]) -> None:
    possible = all(
        tag[0] != "I" or (at > 0 and tags[at - 1] in (f"B-{tag[2:]}", f"I-{tag[2:]}")) for at, tag in enumerate(tags)
    )
    assert follow_rules([tags], ["O", "B-X", "I-X", "B-Y", "I-Y"]) is possible


@given(st.lists(st.sampled_from(TAGS), max_size=5))
def test_a_row_of_iobes_is_possible_if_its_spans_write_it(tags: list[str]) -> None:
    """Written again from its spans, a possible row is itself, and an impossible one is another."""
    again = ["O"] * len(tags)
    for start, end, kind in spans(tags, prefixed=True):
        again[start:end] = [f"I-{kind}"] * (end - start)
        again[start], again[end - 1] = f"B-{kind}", f"E-{kind}"
        if end - start == 1:
            again[start] = f"S-{kind}"
    assert follow_rules([tags], TAGS) is (again == tags)


def test_rules_are_the_forbidden_transitions() -> None:
    tags = ["B-X", "I-X", "I-Y", "O"]
    found = rules(tags)
    assert found.start.tolist() == [0, FORBIDDEN, FORBIDDEN, 0] and found.end.tolist() == [0, 0, 0, 0]
    for i, before in enumerate(tags):
        for j, after in enumerate(tags):
            assert (found.transition[i, j].item() == 0) is may_follow(before, after, closing=False)
    assert not follow_rules([["NOUN", "O"]], ["NOUN", "O"])
