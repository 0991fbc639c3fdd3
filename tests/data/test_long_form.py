"""Which rows are one sequence, whatever order the codes of their ids have."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from unspool.data.long_form import spans_of
from unspool.data.parquet_file import ParquetFile
from unspool.data.tables import Table


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12), st.permutations("abcde"))
def test_ids_are_in_the_order_of_first_appearance(codes: list[int], words: list[str]) -> None:
    file = ParquetFile.__new__(ParquetFile)
    file.path = Path("a.parquet")
    column = pa.chunked_array([pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(words))])
    spans = spans_of(Table(file, pa.table({"id": column})), "id")
    rows = [words[code] for code in codes]
    ids = list(dict.fromkeys(rows))
    assert spans.ids == ids and spans.members.tolist() == [ids.index(name) for name in rows]
    assert spans.first.tolist() == [rows.index(name) for name in ids]
    assert spans.last.tolist() == [len(rows) - 1 - rows[::-1].index(name) for name in ids]
