"""A Parquet file by pyarrow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from unspool.data.times import time_type
from unspool.errors import DataError


class ParquetFile:
    """A Parquet file; rows are counted from 1.

    It holds values, not their spelling: the number 1.0 as a label is `"1"`, as Arrow writes it.
    """

    first_row = 1

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._schema = parquet.read_schema(path)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{path} is damaged or not a Parquet file ({error}); fetch it again") from None
        self.names = tuple(self._schema.names)

    def holds_numbers(self, name: str) -> bool:
        """Whether a column is of a type of numbers."""
        kind = self._schema.field(name).type
        is_kind = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_null)
        return any(test(kind) for test in is_kind)

    def read(self, kinds: Mapping[str, str]) -> Any:
        """The columns named as a pyarrow table."""
        try:
            found = parquet.ParquetFile(self.path).read(columns=list(kinds))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.path} is damaged ({error}); fetch it again") from None
        return pa.table({name: self._cast(found[name], name, kind) for name, kind in kinds.items()})

    def _cast(self, column: Any, name: str, kind: str) -> Any:
        try:
            if kind == "time":
                return column.cast(time_type(column.type))
            if kind == "number":
                return column.cast(pa.float32(), safe=False)
            text = column.cast(pa.string())
            return text if kind == "text" else text.dictionary_encode()
        except pa.ArrowException as error:
            expected = {"time": "numbers or timestamps", "number": "numbers"}.get(kind, "text")
            raise DataError(f"{self.path}: {name!r} is of type {column.type}; expected {expected} ({error})") from None
