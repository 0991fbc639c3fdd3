"""Sequences to classify, from tables, JSON lines and audio."""

from __future__ import annotations

from pathlib import Path

from unspool.data import audio_files, tables
from unspool.data.audio_files import check_name, read_audio_sequences
from unspool.data.columns import FORMS, Columns
from unspool.data.given import Paths, paths_of
from unspool.data.json_lines import read_json_sequences
from unspool.data.sequences import Sequences, joined
from unspool.data.table_forms import read_table_sequences
from unspool.errors import DataError

__all__ = ["FORMS", "Columns", "open_sequences"]

EXPECTED = (
    ".csv, .tsv, .parquet or .jsonl files (.csv, .tsv and .jsonl also as .gz), or audio: .wav, .flac or .ogg files, or "
    "a folder with a subfolder of them for each class"
)
NAMES = Columns()


def open_sequences(
    paths: Paths, columns: Columns = NAMES, *, labelled: bool = True, empty_labels: bool = False
) -> Sequences:
    """Read sequences and what each belongs to, from several files one after the other.

    With the form `"auto"`, the name of a file and its columns tell its form:

    - **text**: a table with a column of texts, one a row. A table is of this form if it has that column.
    - **long**: a table with a row for each step: id, time, features, label. The rows of a sequence share an id; they
      need not lie together. Ids are in the order of first appearance, steps in the order of time (a number, or an
      ISO 8601 timestamp), equal times in the order of the file. Label and group are the same in all rows of an id. A
      table is of this form if it has columns for id and time, and none for texts.
    - **wide**: a table with a sequence a row. All columns of numbers but label, group and id are its steps, in the
      order of the columns, with one feature. Empty cells at the end of a row end the sequence. Any other table.
    - **JSON lines**: `{"text": "…", "label": "…"}` or `{"sequence": [[1, 2], …], "label": "…"}`, where the sequence is
      a list of steps, each a number or a list of numbers.
    - **wav**: audio, as log-mel features (`unspool.data.log_mel`). The label is the name of the subfolder, or what the
      one group of the regular expression `columns.label` finds in the file name; `columns.group` is such an
      expression too. The name of the file is the id.

    Columns that hold no number in the rows looked at are left out of long and wide tables, with a warning. Labels are
    kept as written (`"1.0"`, `"3"`). An id is of one file: the same id in the next file is another sequence.

    Args:
        paths: a file or folder, or several.
        columns: names of columns or keys, and the form.
        labelled: whether every sequence must have a label; else labels are read where each sequence has one.
        empty_labels: whether a label may be blank (a set of classes that is empty).

    Raises:
        DataError: a file is missing, empty, damaged or of another kind; a column is missing; a row has too many or
            too few cells, a number that is NaN, infinite, or text, or a blank label; rows of an id disagree; audio
            is too short or of several sample rates; files differ in kind or features. File and row are named, counted
            from 1, in CSV with the header as row 1.
        ConfigError: a pattern for file names that has not exactly one group.
        UnspoolError: a library is missing.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "steps.csv")
        ...     _ = file.write_text("id,t,x,y,label\\na,2,3,4,up\\nb,1,5,6,down\\na,1,1,2,up\\n")
        ...     found = open_sequences([file])
        >>> found.numbers.tolist(), found.offsets.tolist(), found.labels, found.features
        ([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], [0, 2, 3], ['up', 'down'], ('x', 'y'))
    """
    files = paths_of(paths)
    if not files:
        raise DataError(f"got no file; expected {EXPECTED}")
    return joined([_read(file, columns, labelled, empty_labels) for file in files])


def _read(path: Path, columns: Columns, labelled: bool, empty_labels: bool) -> Sequences:
    suffix = Path(path.name.removesuffix(".gz")).suffix
    if not path.exists():
        raise DataError(f"there is no file or folder {path}; expected {EXPECTED}")
    check_name(path)
    if path.is_dir() or suffix.lower() in audio_files.SUFFIXES:
        return read_audio_sequences(path, columns, labelled=labelled)
    if suffix == ".jsonl":
        return read_json_sequences(path, columns, labelled=labelled, empty_labels=empty_labels)
    if suffix in tables.SUFFIXES:
        return read_table_sequences(path, columns, labelled=labelled, empty_labels=empty_labels)
    raise DataError(f"{path} is of no kind that is known; expected {EXPECTED}")
