"""A closed vocabulary: the first symbol outside it is named with its file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.corpus import ListCorpus, Side, open_parallel
from unspool.data.covered import check_covered
from unspool.data.symbols import UNKNOWN
from unspool.data.tokenizer import train_tokenizer
from unspool.errors import ConfigError, DataError

LABELS = train_tokenizer("words", ["noun verb"])


def test_two_files_name_the_file_of_the_side(tmp_path: Path) -> None:
    (tmp_path / "a.text").write_text("dogs run\n\ncats run\n")
    (tmp_path / "a.tags").write_text("noun verb\n\nnoun vreb\n")
    corpus = open_parallel([tmp_path / "a.text", tmp_path / "a.tags"])
    with pytest.raises(DataError, match=r"a\.tags, line 3: 'vreb' is not among the 2 symbols of the target vocab"):
        check_covered(LABELS, corpus, "target")
    with pytest.raises(DataError, match=r"a\.text, line 1: 'dogs' .* source vocabulary"):
        check_covered(LABELS, corpus, "source")


@pytest.mark.parametrize("kind", ["tsv", "jsonl"])
def test_one_file_names_the_line_and_the_side(kind: str, tmp_path: Path) -> None:
    pairs = [("a", "noun"), ("b", "verb nuon")]
    lines = ["\t".join(p) if kind == "tsv" else json.dumps({"source": p[0], "target": p[1]}) for p in pairs]
    (tmp_path / f"a.{kind}").write_text("\n".join(lines))
    with pytest.raises(DataError, match=rf"a\.{kind}, line 2, target: 'nuon'"):
        check_covered(LABELS, open_parallel([tmp_path / f"a.{kind}"]), "target")


def test_pairs_in_memory_are_numbered() -> None:
    with pytest.raises(DataError, match="pair 2 of the list, target: 'x'"):
        check_covered(LABELS, ListCorpus([("a", "noun"), ("b", "x")]), "target")


@given(st.text("abAB é", max_size=8), st.sampled_from(["chars", "words"]), st.booleans())
def test_refused_exactly_where_an_id_is_unknown(text: str, kind: str, lowercase: bool) -> None:
    tokenizer = train_tokenizer(kind, ["a ab ba A"], lowercase=lowercase)
    corpus = ListCorpus([("", text)])
    if UNKNOWN in tokenizer.encode(text):
        with pytest.raises(DataError):
            check_covered(tokenizer, corpus, "target")
    else:
        check_covered(tokenizer, corpus, "target")


def test_symbols_of_the_sequence_are_no_labels() -> None:
    with pytest.raises(DataError, match="'<pad>'"):
        check_covered(LABELS, ListCorpus([("a", "<pad>")]), "target")


def test_a_source_is_checked_as_a_model_reads_it() -> None:
    letters = train_tokenizer("chars", ["a b"])
    check_covered(letters, ListCorpus([("a\u202fb\u200f", "")]), "source")
    with pytest.raises(DataError, match=r"'\\u202f'"):
        check_covered(letters, ListCorpus([("", "a\u202fb")]), "target")


def test_only_listed_vocabularies_and_two_sides() -> None:
    corpus = ListCorpus([("a", "b")])
    with pytest.raises(ConfigError, match="'bpe'; only chars and words"):
        check_covered(train_tokenizer("bpe", ["a b"], vocabulary=20), corpus, "target")
    wrong: Side = "left"  # pyright: ignore[reportAssignmentType]
    with pytest.raises(ConfigError, match="side is 'left'"):
        check_covered(LABELS, corpus, wrong)
