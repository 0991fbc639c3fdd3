"""Texts, lists and names of files that a caller hands over: what is taken, and what is said of everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.given import check_text, half_character, listed, paths_of, whole
from unspool.data.open_sequences import open_sequences
from unspool.errors import ConfigError, DataError


def kind_of(value: Any) -> str:
    """The name of a case: the same in every process, as a repr with an address is not."""
    return type(value).__name__


@pytest.mark.parametrize("several", [["a", "b"], ("a", "b"), iter("ab"), np.array(["a", "b"])], ids=kind_of)
def test_several_are_a_list(several: Any) -> None:
    assert listed(several, "tag") == ["a", "b"]


@pytest.mark.parametrize("wrong", [5, None, b"ab", {"a": 1}, {"a"}, object(), np.array(5)], ids=kind_of)
def test_what_is_no_list_is_named_with_the_call_to_write(wrong: Any) -> None:
    kind = type(wrong).__name__
    with pytest.raises(
        ConfigError, match=rf"score takes a list of texts, but got .* type {kind}; write score\(\[text\]\)"
    ):
        listed(wrong, "score")
    with pytest.raises(ConfigError, match=r"but got one text; write classify\(\[array\]\)"):
        listed("ab", "classify", "array")


def test_a_count_is_a_whole_number() -> None:
    assert [whole(3, "n"), whole(np.int64(3), "n"), whole(0, "n", least=0)] == [3, 3, 0]
    for wrong in (True, 1.5, "3", None, [3], np.float64(2)):
        with pytest.raises(ConfigError, match=f"n is .* of type {kind_of(wrong)}; expected a whole number, at least 1"):
            whole(wrong, "n")
    with pytest.raises(ConfigError, match=r"^n is -1; expected at least 0 \(--some\)$"):
        whole(-1, "n", least=0, option="--some")
    with pytest.raises(ConfigError, match=r"^n is 8; expected at most 7$"):
        whole(8, "n", most=7)


@given(st.text(st.characters(codec="utf-8")))
def test_a_whole_text_is_taken(text: str) -> None:
    check_text(text, "text 1")


@given(st.text(st.characters(codec="utf-8"), max_size=5), st.characters(categories=["Cs"]))
def test_half_a_character_is_named_with_its_place(before: str, half: str) -> None:
    problem = half_character(f"{before}{half}{before}")
    assert problem is not None and problem.startswith(
        f"has the lone surrogate {half!a} as character {len(before) + 1},"
    )
    with pytest.raises(DataError, match="text 2 has the lone surrogate"):
        check_text(before + half, "text 2")


@pytest.mark.parametrize("wrong", [5, None, b"ab", ["a"]], ids=kind_of)
def test_what_is_no_text_is_named_with_its_type(wrong: Any) -> None:
    with pytest.raises(DataError, match=rf"text 3 is of type {type(wrong).__name__}; expected a text \(str\)"):
        check_text(wrong, "text 3")


def test_one_file_or_several() -> None:
    assert paths_of("ab.csv") == paths_of(Path("ab.csv")) == paths_of(["ab.csv"]) == [Path("ab.csv")]
    assert paths_of(iter(["a", Path("b")])) == [Path("a"), Path("b")] and paths_of([]) == []


@pytest.mark.parametrize(
    "wrong", [5, None, b"a.csv", {"a.csv": 1}, {"a.csv"}, [5], [None], "", ["a.csv", ""]], ids=kind_of
)
def test_what_names_no_file_is_said(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="expected (a file or a list|names) of files, but got "):
        paths_of(wrong)
    with pytest.raises(ConfigError, match="expected (a file or a list|names) of files, but got "):
        open_sequences(wrong)
