"""Files of tagged sequences: what is read of them, and what is said of bad ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from unspool.data.tagged import Columns, Tokens, checksum, read_all, read_tagged, split_off
from unspool.data.words import Forms, Pieces, Words
from unspool.errors import ConfigError, DataError, RunError

CONLL = "-DOCSTART- -X- O O\n\nAda NNP I-NP B-PER\nran VBD I-VP O\n\n\n# no NN comment\tO\nYes UH O O\n"


def written(folder: Path, text: str | bytes, name: str = "a.conll") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_columns_blank_lines_and_document_starts(tmp_path: Path) -> None:
    first, *others = read_tagged(written(tmp_path, CONLL), Columns(comments=True))
    assert first == (("Ada", "ran"), ("B-PER", "O"), f"{tmp_path / 'a.conll'}, line 3", (3, 4))
    assert [(s.tokens, s.tags, s.lines) for s in others] == [(("Yes",), ("O",), (8,))]
    kept = read_tagged(tmp_path / "a.conll")
    assert kept[1].tokens == ("# no NN comment", "Yes") and kept[1].tags == ("O", "O")


def test_other_columns(tmp_path: Path) -> None:
    path = written(tmp_path, "1\tNew York\tX\tB\tx\n2\tis\tX\tO\tx\n")
    (found,) = read_tagged(path, Columns(token_column=2, tag_column=-2))
    assert found.tokens == ("New York", "is") and found.tags == ("B", "O")
    (found,) = read_tagged(path, Columns(token_column=2, tag_column=4))
    assert found.tags == ("B", "O")
    (found,) = read_tagged(written(tmp_path, "one\ntwo\n"), tags=False)
    assert found.tokens == ("one", "two") and found.tags == ()


def test_a_token_may_be_a_space_where_columns_have_tabs(tmp_path: Path) -> None:
    (found,) = read_tagged(written(tmp_path, "a\tO\n \tO\n\u3000\tO\n"))
    assert found.tokens == ("a", " ", "\u3000")


def test_crlf_bom_and_gzip(tmp_path: Path) -> None:
    plain = read_tagged(written(tmp_path, "a O\nb X\n\nc O\n"))
    for content in (b"\xef\xbb\xbfa O\r\nb X\r\n\r\nc O\r\n", b"a O\nb X\n\nc O"):
        packed = written(tmp_path, gzip.compress(content, mtime=0), "b.conll.gz")
        assert [s[:2] for s in read_tagged(packed)] == [s[:2] for s in plain]


def test_json_lines(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '{"tokens": ["a", "b c"], "tags": ["O", "X"], "id": 3}\n\n{"tokens": ["d"], "tags": ["O"]}\n',
        "a.jsonl",
    )
    assert [(s.tokens, s.tags, s.lines) for s in read_tagged(path)] == [
        (("a", "b c"), ("O", "X"), (1,)),
        (("d",), ("O",), (3,)),
    ]
    assert read_tagged(written(tmp_path, '{"tokens": ["a"]}', "b.jsonl"), tags=False)[0].tokens == ("a",)
    assert len(read_all([path, path])) == 4


@pytest.mark.parametrize(
    ("content", "name", "message"),
    [
        ("", "a.conll", r"a\.conll is empty"),
        ("\n \n", "a.conll", r"a\.conll holds no sequence"),
        ("-DOCSTART- O\n", "a.conll", "holds no sequence"),
        ("a O\nb\n", "a.conll", r"a\.conll, line 2: there is no column for the tag beside the token: 'b'"),
        ("a O\n\tO\n", "a.conll", r"line 2: the token \(column 1\) is empty"),
        ("a\tO\nb\t\n", "a.conll", r"line 2: the tag \(column -1\) is empty"),
        (b"a O\n\xff O\n", "a.conll", r"line 2: byte 1 .* not UTF-8"),
        ("a O\n".encode("utf-16"), "a.conll", "not UTF-8"),
        (b"no gzip", "a.conll.gz", "cannot be unpacked"),
        (gzip.compress(b"a O\n" * 99, mtime=0)[:-9], "a.conll.gz", "cannot be unpacked"),
        ("[1]\n", "a.jsonl", r"a\.jsonl, line 1: expected a JSON object"),
        ('{"tokens": ["a"]}\n', "a.jsonl", "line 1: expected a JSON object"),
        ('{"tokens": ["a"], "tags": []}\n', "a.jsonl", '"tags" must be a list of texts'),
        ('{"tokens": [NaN], "tags": ["O"]}\n', "a.jsonl", '"tokens" must be a list of texts'),
        ('{"tokens": ["a", ""], "tags": ["O", "O"]}\n', "a.jsonl", '"tokens" must be a list of texts'),
        ('{"tokens": "ab", "tags": ["O", "O"]}\n', "a.jsonl", '"tokens" must be a list of texts'),
        ('{"tokens": ["a", "b"], "tags": ["O"]}\n', "a.jsonl", "got 2 tokens, but 1 tag;"),
        ('{"tokens": ["\\ud800"], "tags": ["O"]}\n', "a.jsonl", r"'\\ud800' of \"tokens\" has the lone surrogate"),
        ('{"tokens": ["a"], "tags": ["O\\nX"]}\n', "a.jsonl", "a tab or a line break"),
        ("[" * 100_000, "a.jsonl", "line 1: expected a JSON object"),
    ],
)  # fmt: skip
def test_a_bad_file_is_named_with_the_line(content: str | bytes, name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_tagged(written(tmp_path, content, name))


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file .*b\.conll; expected CoNLL"):
        read_tagged(tmp_path / "b.conll")
    with pytest.raises(DataError, match="is a folder; expected CoNLL"):
        read_tagged(tmp_path)
    with pytest.raises(DataError, match="line 1: there is no column 5 for the tag among 2"):
        read_tagged(written(tmp_path, "a O\n"), Columns(tag_column=5))


@pytest.mark.parametrize("name", ["a.csv", "a.CSV.gz", "a.parquet", "a.json", "a.wav"])
def test_a_file_of_another_kind_is_not_taken_for_columns(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("Ada,O\n")
    with pytest.raises(DataError, match=f"{name} is a file of another kind; expected CoNLL columns"):
        read_tagged(tmp_path / name)


@pytest.mark.parametrize(
    "choices", [{"token_column": 0}, {"tag_column": 0}, {"token_column": 2, "tag_column": 2}], ids=str
)
def test_impossible_columns_are_refused(choices: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="column"):
        Columns(**choices)


def test_the_part_split_off_depends_on_the_sequences_and_the_seed_only() -> None:
    rows = [Tokens((f"w{i % 50}",), ("O",), str(i)) for i in range(100)]
    train, valid = split_off(rows, 0.2, seed=1)
    assert len(valid) == 20 and len(train) == 80  # each sequence is there twice
    assert not {s.tokens for s in train} & {s.tokens for s in valid}
    assert {s.tokens for s in split_off(rows[::-1], 0.2, seed=1)[1]} == {s.tokens for s in valid}
    assert {s.tokens for s in split_off(rows, 0.2, seed=2)[1]} != {s.tokens for s in valid}
    assert (
        [len(part) for part in split_off(rows[:2], 0.01, seed=0)]
        == [1, 1]
        == [len(p) for p in split_off(rows[:2], 0.99, seed=0)]
    )
    with pytest.raises(DataError, match="only one distinct sequence"):
        split_off([rows[0], rows[50]], 0.5, seed=0)


def test_the_checksum_sees_order_tokens_and_tags() -> None:
    one, other = Tokens(("a",), ("O",), "x"), Tokens(("b",), ("O",), "x")
    sums = {checksum(rows) for rows in ([one, other], [other, one], [one], [one, other._replace(tags=("X",))])}
    assert len(sums) == 4


def crc32(data: bytes) -> int:
    """CRC-32 bit by bit, as the standard defines it."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def test_pieces_are_the_same_everywhere() -> None:
    assert Pieces(1000, 2, 2).texts("ab") == ["<a", "ab", "b>"]
    assert Pieces(1000, 5, 6).texts("ab") == ["<ab>"] and len(Pieces(0, 2, 4).ids("ab")) == 0
    pieces = Pieces(997, 2, 4)
    assert pieces.ids("Straße").tolist() == [crc32(text.encode()) % 997 for text in pieces.texts("Straße")]


def test_words_by_frequency_and_case() -> None:
    rows = [["B", "b", "a"], ["c", "a", "B"]]
    pieces = Pieces(10, 2, 3)
    assert Words.learn(rows, pieces=pieces).words == ["B", "a", "b", "c"]
    assert Words.learn(rows, pieces=pieces, lowercase=True).words == ["b", "a", "c"]
    assert Words.learn(rows, pieces=pieces, min_count=2, vocabulary=1).words == ["B"]
    lower = Words.learn(rows, pieces=pieces, lowercase=True)
    assert lower.id("B") == lower.id("b") == 1 and lower.piece_ids("B").tolist() == lower.piece_ids("b").tolist()
    assert lower.id("x") == 0


def test_forms_give_each_token_its_own_pieces() -> None:
    rows = [["ab", "c", "ab"], ["dddd"], ["c", "ab"]]
    words = Words(["ab", "c"], Pieces(97, 2, 3))
    batch = Forms(words, rows).batch([2, 0])
    bounds = [*batch.offsets.tolist(), len(batch.pieces)]
    for at, row in enumerate((rows[2], rows[0])):
        for t, token in enumerate(row):
            form = int(batch.forms[at, t])
            assert batch.pieces[bounds[form] : bounds[form + 1]].tolist() == words.piece_ids(token).tolist()
            assert batch.words[at, t] == words.id(token)
    assert len(batch.offsets) == 2 and batch.lengths.tolist() == [2, 3]


def test_a_vocabulary_comes_back_from_its_file(tmp_path: Path) -> None:
    words = Words.learn([["ä", "b\n", "漢"]], pieces=Pieces(5, 1, 2), lowercase=True)
    path = written(tmp_path, words.to_bytes(), "words.json")
    read = Words.load(path)
    assert (read.words, read.pieces, read.lowercase) == (words.words, words.pieces, True)
    for damage in (
        b"",
        path.read_bytes()[:20],
        b"[]",
        json.dumps({**json.loads(path.read_bytes()), "size": 9}).encode(),
    ):
        with pytest.raises(RunError, match=r"words\.json is truncated or no vocabulary"):
            Words.load(written(tmp_path, damage, "words.json"))
    path.unlink()
    with pytest.raises(RunError, match=r"words\.json is missing"):
        Words.load(path)
