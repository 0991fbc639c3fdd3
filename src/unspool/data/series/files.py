"""Series from files, read in blocks: memory does not grow with them."""

from __future__ import annotations

from unspool.data.given import Paths, paths_of
from unspool.data.series.columns import SeriesColumns
from unspool.data.series.frequency import Frequency
from unspool.data.series.onward import files
from unspool.data.series.panel import Panel
from unspool.errors import DataError

NAMES = SeriesColumns()


def read_series(
    paths: Paths, columns: SeriesColumns = NAMES, freq: str | Frequency | None = None, known: Paths = ()
) -> Panel:
    """Read series from CSV, TSV and Parquet files, CSV and TSV also as `.gz`.

    Rows may come in any order, a series may go on in the next file, and files that hold one series each need no column
    of series: each is called as its file. Series are in the order of their first rows. In each, steps without a row are
    missing values (NaN), missing values before its first value are cut off, and so are those after its last value,
    unless covariates are known in advance: then these rows are its future. A series without any value is left out, with
    a warning; a constant one is kept.

    Stamps are whole numbers or dates as in ISO 8601 (`2024-05-31`, `2024-05-31 12:00`, `2024-05`), with a zone in all
    rows or in none. With offsets from UTC they are kept in UTC, or in `columns.zone`, where that is named. Texts are
    categories, numbers are numbers unless `columns.categories` names them. Numbers in CSV that are empty, `NA`, `NaN`
    or `null` are missing.

    What is read goes to temporary files, from where a panel of more than 50 MB is mapped. Memory grows with the number
    of series, in wide form by some 10 kB each, but not with that of rows.

    Args:
        paths: a file, or several that are read as if they were one.
        columns: form of the tables, and names of their columns.
        freq: how far apart steps are, as pandas names it or "1" for whole numbers; found in the stamps if None. Its
            steps are laid through most stamps: "D" also fits stamps that are all at six o'clock.
        known: files with the steps to forecast: series, stamps and the covariates known in advance.

    Raises:
        DataError: a file is missing, empty, damaged or not UTF-8; a column is missing; a cell is not what its column
            holds; two rows of a series have one stamp or different static covariates; a stamp is on no step; series
            have several frequencies. File, row, series and column are named.
        ConfigError: pandas does not know the frequency.
        UnspoolError: pandas or pyarrow is missing.

    Example:
        >>> import tempfile, pathlib
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = pathlib.Path(folder, "a.csv")
        ...     _ = file.write_text("unique_id,ds,y\\na,2024-01-03,4\\na,2024-01-01,1\\na,2024-01-02,\\nb,2024-01-01,7")
        ...     panel = read_series(file)
        >>> panel.ids, panel.frequency.alias, panel.history(0).tolist(), panel.history(1).tolist()
        (['a', 'b'], 'D', [1.0, nan, 4.0], [7.0])
    """
    if not paths_of(paths):
        raise DataError("got no file; expected CSV, TSV or Parquet files of series")
    return files(paths, columns, freq, known, going_on=None)
