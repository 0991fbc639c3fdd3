"""Files of series that cannot be meant: what is wrong is named with its place, and how to mend it."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unspool.data.series import Frequency, SeriesColumns, lay, read_series
from unspool.errors import ConfigError, DataError

HEADER = "unique_id,ds,y\n"


def write(folder: Path, text: str | bytes, name: str = "a.csv") -> Path:
    """A file with this content."""
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def stamps(frequency: str, periods: int = 20, start: str = "2024-01-01", **options: Any) -> list[str]:
    """Dates this far apart, as text."""
    return [str(stamp) for stamp in pd.date_range(start, periods=periods, freq=frequency, **options)]


def rows(series: str, times: list[str]) -> str:
    """Lines of a file, with the values 0, 1, …."""
    return "".join(f"{series},{time},{value}\n" for value, time in enumerate(times))


CELLS = [
    ("", "a.csv is empty"),
    (HEADER, "a.csv has no rows"),
    (HEADER + "a,1,1\na,2,x\n", "a.csv, row 3: 'y' is 'x'; expected a number"),
    (HEADER + "a,1,1\na,2,inf\n", "a.csv, row 3: 'y' is infinite or too large"),
    (HEADER + "a,1,-1e999\n", "a.csv, row 2: 'y' is infinite or too large"),
    (HEADER + "a,1,1\na,2\n", "a.csv, row 3 has 2 cells, but the header has 3"),
    (HEADER + "a,2024-01-01,1\na,yesterday,2\n", "a.csv, row 3: 'ds' is 'yesterday'; expected a date such as"),
    (HEADER + "a,31/01/2024,1\n", "a.csv, row 2: 'ds' is '31/01/2024'; expected a date such as"),
    (HEADER + "a,12:30,1\n", "a.csv, row 2: 'ds' is '12:30'; expected a date such as"),
    (HEADER + "a,1.0,1\na,2.5,1\n", "a.csv, row 3: 'ds' is 2.5; expected a date such as"),
    (HEADER + "a,,1\na,2024-01-01,1\n", "a.csv, row 2: 'ds' is empty"),
    (HEADER + "a,1,1\n ,2,1\n", "a.csv, row 3: 'unique_id' is empty"),
    (HEADER + "a,0001-01-01,1\n", "a.csv, row 2: 'ds' is '0001-01-01'; expected"),
    (HEADER + "a,2024-01-01T00:00Z,1\na,2024-01-02T00:00,1\n", "row 3: 'ds' is .* a zone in all rows or in none"),
    (HEADER + "a,2024-01-01T00:00,1\na,2024-01-02T00:00Z,1\n", "row 3: 'ds' is .* a zone in all rows or in none"),
    (HEADER + "a,20240101,1\na,20240102,1\n", "seem to be dates; write them as 2024-05-31, or give --freq 1"),
    ("id;ds;y\na;1;1\n", "a.csv has no column 'ds' of stamps; .*by semicolons; expected commas"),
    ("id\tds\ty\na\t1\t1\n", "a.csv has no column 'ds' of stamps; .*by tabs; expected commas"),
    ("id|ds|y\na|1|1\n", "a.csv has no column 'ds' of stamps; .*by bars; expected commas"),
    ('unique_id,ds,y\na,1,"1.234,5"\n', "'y' is '1.234,5'; expected a number: write decimal numbers with a point"),
    ('unique_id,ds,y\na,1,"1,5"\n', "row 2: 'y' is '1,5'; expected a number: write decimal numbers with a point"),
    ("unique_id,time,y\na,1,1\n", "no column 'ds' of stamps; its columns are .* the right one in training \\(--ds\\)"),
    ("ds,a,b\n1,1,1\n", "a.csv has no column 'y' of values; .*give --form wide"),
    ("ds,y,y\n1,1,1\n", "a.csv: two columns are named 'y'"),
    (HEADER + "a,1,1\na,2,2\nb,1,1\na,1,3\n", "a.csv, row 5: series 'a' has a second row for 1, after .*a.csv, row 2"),
    (HEADER + "a,1,1\na,1,3\na,2,4\n", "a.csv, row 3: series 'a' has a second row for 1, after .*a.csv, row 2"),
    (HEADER + "a,1,1\na,1,3\n", "no series has two different stamps"),
    ("ds,y\n1,1\n1,3\n2,1\n", "row 3: series 'a' .*name the column that tells them apart with --unique-id"),
    (HEADER + "a,1,\na,2,\n", "no series has an observed value"),
    (HEADER + "a,2024-01-01,1\nb,2024-01-02,1\n", "no series has two different stamps.*--freq"),
    (HEADER + rows("a", ["2024-01-01", "2024-01-02", "2024-01-03 01:30"]), "'D' apart, but 2024-01-03 01:30 .*--freq"),
    (HEADER + "a,-9000000000000000000,1\na,9000000000000000000,2\nb,1,1\nb,2,1\n", "series 'a' has 2 rows from -9000"),
    (HEADER + rows("a", ["1970-01-01 00:00:00", *stamps("s")]), "series 'a' has 21 rows from 1970-01-01 to .*--freq"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), CELLS)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_series(write(tmp_path, text))


def test_a_stamp_on_no_step_of_the_frequency_named_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path, HEADER + rows("a", ["2024-01-01", "2024-01-02 03:00", "2024-01-03"]))
    with pytest.raises(DataError, match="row 3: series 'a': 2024-01-02 03:00 is on no step of frequency 'D'.*--freq"):
        read_series(file, freq="D")
    with pytest.raises(DataError, match="row 2: 'ds' holds dates without a zone, but .* '1' are whole numbers"):
        read_series(file, freq="1")
    numbered = write(tmp_path, HEADER + rows("a", ["1", "2"]), "numbered.csv")
    zoned = write(tmp_path, HEADER + rows("a", ["2024-01-01 00:00Z", "2024-01-02 00:00Z"]), "zoned.csv")
    for path, frequency, mended in (
        (file, "1", "number the rows, or name a frequency of dates in training, such as --freq D"),
        (zoned, "1", "number the rows, or name a frequency of dates in training, such as --freq D"),
        (numbered, "D", "write dates as 2024-05-31, or give --freq 1 in training"),
        (zoned, Frequency.of("D"), "write stamps without a zone"),
        (file, Frequency.of("D", "UTC"), "write stamps with their zone"),
    ):
        with pytest.raises(DataError, match=f"expected the same kind: {mended}$"):
            read_series(path, freq=frequency)
    with pytest.raises(ConfigError, match="frequency is 'fortnight'"):
        read_series(file, freq="fortnight")


def test_rows_far_down_are_named_too(tmp_path: Path) -> None:
    times = stamps("min", 100_000)
    good = HEADER + rows("a", times)
    assert read_series(write(tmp_path, good)).observed.tolist() == [100_000]
    bad = {"a,2024-06-01,x": "row 100002: 'y' is 'x'", "a,2024-06-01": "row 100002 has 2 cells"}
    bad |= {"a,noon,1": "row 100002: 'ds' is 'noon'", f"a,{times[70_000]},1": "row 100002.*row 70002"}
    for row, message in bad.items():
        with pytest.raises(DataError, match=message):
            read_series(write(tmp_path, good + row + "\n"))


def test_an_hour_that_clocks_show_twice_asks_for_the_zone(tmp_path: Path) -> None:
    times = [time[:19] for time in stamps("h", 24, "2024-10-27", tz="Europe/Berlin")]
    with pytest.raises(DataError, match="second row for 2024-10-27 02:00.*write stamps with their zone"):
        read_series(write(tmp_path, HEADER + rows("a", times)))


@pytest.mark.parametrize(
    ("one", "other"), [("h", "D"), ("D", "MS"), ("D", "W-MON"), ("W-MON", "W-TUE"), ("MS", "QS-JAN"), ("15min", "h")]
)
@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("few", [4, 12])
def test_series_of_several_frequencies_are_named(tmp_path: Path, one: str, other: str, turned: bool, few: int) -> None:
    both = [rows("fine", stamps(one, 40)), rows("coarse", stamps(other, few))]
    with pytest.raises(DataError) as caught:
        read_series(write(tmp_path, HEADER + "".join(both[::-1] if turned else both)))
    assert all(repr(name) in str(caught.value) for name in ("fine", "coarse", one, other)), str(caught.value)
    if not one.startswith("W"):
        assert len(read_series(tmp_path / "a.csv", freq=one)) == 2


def test_rows_that_disagree_in_a_static_covariate_are_named(tmp_path: Path) -> None:
    file = write(tmp_path, "unique_id,ds,y,town\na,1,1,York\nb,1,1,Bath\na,2,1,Bath\n")
    with pytest.raises(DataError, match="row 4: 'town' of series 'a' is 'Bath', but 'York' in .*row 2.*--past"):
        read_series(file, SeriesColumns(static=("town",)))


def test_files_with_stamps_of_other_kinds_are_refused(tmp_path: Path) -> None:
    files = [write(tmp_path, HEADER + "a,1,1\n", "one.csv"), write(tmp_path, HEADER + "a,2024-01-01,1\n", "two.csv")]
    with pytest.raises(DataError, match="two.csv, row 2: 'ds' holds dates .*, but in .*one.csv whole numbers"):
        read_series(files)


@pytest.mark.parametrize(
    ("text", "message"),
    [("unique_id,ds,y\nü,1,1\n".encode("latin1"), "row 2: 'unique_id' is not UTF-8"),
     ("ü,ds\n".encode("latin1"), "row 1 is not UTF-8"),
     ("unique_id,ds,y\nü,1,1\n".encode("utf16"), "a.csv is UTF-16; convert"),
     ("unique_id;ds;y\nü;1;1,5\nü;2;2,5\n".encode(), "a.csv has one column: .*by semicolons; expected commas"),
     ("unique_id\tds\ty\nü\t1\t1,5\nü\t2\t2,5\n".encode(), "a.csv has one column: .*by tabs; expected commas"),
     (b"\x01\x00,\x02\n\x03\n", "a.csv is no text in UTF-8; convert"),
     ("unique_id,ds,y\na,1,1\n".encode("utf-16-be"), "a.csv is no text in UTF-8; convert")],
)  # fmt: skip
def test_other_encodings_are_refused(tmp_path: Path, text: bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_series(write(tmp_path, text))


def test_files_that_are_none_are_named(tmp_path: Path) -> None:
    half = gzip.compress((HEADER + rows("a", stamps("min", 90_000))).encode())[:-5000]
    for file, message in [
        (tmp_path / "no.csv", "no.csv does not exist"),
        (tmp_path, "is a folder"),
        (write(tmp_path, "", "a.txt"), "ends in '.txt'; expected a file that ends in .csv"),
        (write(tmp_path, "x", "a.parquet"), "damaged or not a Parquet file"),
        (write(tmp_path, "x", "a.csv.gz"), "cannot be read .*damaged or cut off"),
        (write(tmp_path, half, "b.csv.gz"), "b.csv.gz cannot be read .*damaged or cut off"),
    ]:
        with pytest.raises(DataError, match=message):
            read_series(file)
    with pytest.raises(DataError, match="got no file"):
        read_series([])


def test_parquet_of_the_wrong_types_is_refused(tmp_path: Path) -> None:
    for column, values, message in [
        ("y", ["1", "x"], "row 2: 'y' is of type string; expected numbers"),
        ("y", pd.to_datetime(["2024", "2025"]), "'y' is of type timestamp.*expected numbers"),
        ("ds", [True, False], "'ds' is of type bool; expected dates or whole numbers"),
        (
            "ds",
            np.array(["1000-01-01"] * 2, dtype="datetime64[s]"),
            "'ds' is of type timestamp.*expected dates",
        ),
        ("unique_id", ["a", None], "row 2: 'unique_id' is empty"),
        ("ds", [1, None], "row 2: 'ds' is empty"),
    ]:
        frame = pd.DataFrame({"unique_id": ["a", "a"], "ds": [1, 2], "y": [1.0, 2.0]}).assign(**{column: values})
        frame.to_parquet(tmp_path / "a.parquet")
        with pytest.raises(DataError, match=message):
            read_series(tmp_path / "a.parquet")


def test_steps_without_rows_may_be_many_but_not_absurd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, HEADER + "a,1,1\na,2,1\na,3,1\na,900,2\n")
    assert read_series(file).lengths.tolist() == [900]
    monkeypatch.setattr(lay, "SPARE", 100)
    with pytest.raises(DataError, match="series 'a' has 4 rows from 1 to 900, so that nearly all its steps"):
        read_series(file)
