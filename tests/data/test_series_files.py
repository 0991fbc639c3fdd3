"""Series from files: long and wide, several, with covariates, in zones."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unspool.data.series import Frequency, SeriesColumns, flat, from_frame, read_series, spool
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


def test_wide_files_have_a_column_for_each_series(tmp_path: Path) -> None:
    file = write(tmp_path, "when,a,2\n2024-01-02,2,3\n2024-01-01,1,\n2024-01-04,,4\n2024-01-05,,\n")
    panel = read_series(file, SeriesColumns(form="wide", ds="when"))
    assert panel.ids == ["a", "2"] and panel.history(0).tolist() == [1, 2]
    np.testing.assert_array_equal(panel.history(1), [3, np.nan, 4])
    with pytest.raises(DataError, match="no column but 'ds'"):
        read_series(write(tmp_path, "ds\n1\n"), SeriesColumns(form="wide"))


def test_series_go_on_in_the_next_file(tmp_path: Path) -> None:
    one = write(tmp_path, HEADER + "a,2,2\na,3,3\n", "one.csv")
    panel = read_series([one, write(tmp_path, HEADER + "b,1,9\na,1,1\n", "two.csv")])
    assert panel.ids == ["a", "b"] and panel.history(0).tolist() == [1, 2, 3]


def test_files_without_ids_are_series_called_as_they_are(tmp_path: Path) -> None:
    files = [write(tmp_path, "ds,y\n1,1\n2,2\n", name) for name in ("north.csv", "south.tsv.csv", "west.csv")]
    assert read_series(files).ids == ["north", "south", "west"]


def test_steps_to_forecast_may_stand_in_files_of_their_own(tmp_path: Path) -> None:
    file = write(tmp_path, "unique_id,ds,y,price\na,1,1,5\na,2,2,6\nb,1,3,7\n")
    known = write(tmp_path, "unique_id,ds,price\na,3,8\na,4,9\n", "known.csv")
    panel = read_series(file, SeriesColumns(known=("price",)), known=known)
    assert panel.observed.tolist() == [2, 1] and panel.lengths.tolist() == [4, 1]
    assert panel.covariates[0].values.tolist() == [5, 6, 8, 9, 7]


def test_categories_are_as_written_and_numbers_are_numbers(tmp_path: Path) -> None:
    file = write(tmp_path, "unique_id,ds,y,k,n\na,1,1,01,1\na,2,2,1,NA\na,3,2,,1e3\n")
    panel = read_series(file, SeriesColumns(known=("k", "n"), categories=("k",)))
    assert panel.covariates[0].words == ("01", "1") and panel.covariates[0].values.tolist() == [0, 1, -1]
    np.testing.assert_array_equal(panel.covariates[1].values, np.array([1, np.nan, 1000], dtype=np.float32))


def test_constant_series_stay_and_empty_ones_are_left_out_with_a_warning(tmp_path: Path) -> None:
    file = write(tmp_path, HEADER + "a,1,\na,2,\nb,1,5\nb,2,5\n")
    with pytest.warns(UserWarning, match="1 series without an observed value are left out: 'a'"):
        panel = read_series(file)
    assert panel.ids == ["b"] and panel.history(0).tolist() == [5, 5]


def test_series_whose_latest_values_are_missing_are_named(tmp_path: Path) -> None:
    file = write(tmp_path, "ds,a,b,c\n1,1,1,\n2,2,,5\n3,3,,6\n4,,,\n")
    with pytest.warns(UserWarning, match="1 of 3 series have no value in their latest rows, .* begin there: 'b'$"):
        read_series(file, SeriesColumns(form="wide"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_series(write(tmp_path, HEADER + "a,1,1\na,2,2\nb,1,1\nc,1,1\nc,2,2\nc,3,\n"))


@pytest.mark.parametrize("freq", ["h", "D", "MS", "W-MON"])
def test_zones_are_kept(tmp_path: Path, freq: str) -> None:
    local = pd.date_range("2024-03-04", periods=60, freq=freq, tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": local, "y": np.arange(60.0)})
    frame.to_parquet(tmp_path / "a.parquet")
    for panel in (read_series(tmp_path / "a.parquet"), from_frame(frame)):
        assert panel.frequency.alias == freq and panel.frequency.zone == "Europe/Berlin"
        assert panel.history(0).tolist() == list(range(60))


def test_offsets_in_text_are_utc(tmp_path: Path) -> None:
    times = stamps("h", 48, "2024-10-26 12:00", tz="Europe/Berlin")
    panel = read_series(write(tmp_path, HEADER + rows("a", times)))
    assert panel.frequency.zone == "UTC" and panel.frequency.alias == "h" and panel.observed[0] == 48


@pytest.mark.parametrize("freq", ["h", "D", "MS"])
@pytest.mark.parametrize("form", ["long", "wide"])
def test_offsets_in_text_are_of_the_zone_named(tmp_path: Path, freq: str, form: str) -> None:
    local = pd.date_range("2023-09-01", periods=80, freq=freq, tz="Europe/Berlin")
    pd.DataFrame({"ds": local, "y": np.arange(80.0)}).to_csv(tmp_path / "a.csv", index=False)
    for named in (None, freq):
        panel = read_series(tmp_path / "a.csv", SeriesColumns(form=form, zone="Europe/Berlin"), named)
        assert panel.frequency == Frequency.of(freq, "Europe/Berlin") and panel.observed[0] == 80
        after = (local[-1:] + local.freq).tz_convert(None)
        assert panel.frequency.times(panel.future(0, 1)).tolist() == after.to_numpy().tolist()


def test_a_zone_of_stamps_without_any_is_refused(tmp_path: Path) -> None:
    for times in (["2024-01-01", "2024-01-02"], ["1", "2"]):
        file = write(tmp_path, HEADER + rows("a", times))
        with pytest.raises(DataError, match="row 2: 'ds' holds .*, but zone Europe/Berlin was named.*--zone"):
            read_series(file, SeriesColumns(zone="Europe/Berlin"))
    with pytest.raises(ConfigError, match="time zone is 'Mars/Olympus'"):
        SeriesColumns(zone="Mars/Olympus")


def test_days_of_a_zone_that_are_read_as_utc_ask_for_the_zone(tmp_path: Path) -> None:
    local = pd.date_range("2023-10-01", periods=60, freq="D", tz="Europe/Berlin")
    pd.DataFrame({"ds": local, "y": np.arange(60.0)}).to_csv(tmp_path / "a.csv", index=False)
    for named in (None, "D"):
        with pytest.raises(DataError, match="read as UTC: if days are those of a zone, train with --zone"):
            read_series(tmp_path / "a.csv", freq=named)


def test_stamps_of_many_spellings_are_dates(tmp_path: Path) -> None:
    for times in (
        ["2024-01", "2024-02"],
        ["2024/01/01", "2024/02/01"],
        ["2024-01-01T00:00:00.0", "2024-02-01T00"],
    ):
        panel = read_series(write(tmp_path, HEADER + rows("a", times)))
        assert panel.frequency.alias == "MS" and panel.starts[0] == 648


def test_whole_numbers_may_be_written_with_a_point(tmp_path: Path) -> None:
    assert read_series(write(tmp_path, HEADER + "a,1.0,1\na,2.0,2\n")).history(0).tolist() == [1, 2]


def test_a_byte_order_mark_and_line_ends_in_cells_are_no_matter(tmp_path: Path) -> None:
    panel = read_series(write(tmp_path, '\ufeffunique_id,ds,y\r\n"a\nb",1,1\r\n"a\nb",2,2\r\nc,1,3\r\n'))
    assert panel.ids == ["a\nb", "c"] and panel.history(0).tolist() == [1, 2]


def test_no_temporary_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path, HEADER + rows("a", stamps("D", 50)) + rows("b", stamps("D", 50)))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(spool, "KEPT", 10)
    monkeypatch.setattr(flat, "MAPPED", 10)
    panel = read_series(file)
    assert isinstance(panel.y, np.memmap) and panel.history(1).tolist() == list(range(50))
    assert not list((tmp_path / "temporary").iterdir())


def test_a_sparse_series_beside_a_full_one_is_no_other_frequency(tmp_path: Path) -> None:
    days = stamps("D", 40)
    panel = read_series(write(tmp_path, HEADER + rows("a", days) + rows("b", [days[i] for i in (0, 3, 9, 17, 30)])))
    assert panel.frequency.alias == "D" and panel.lengths.tolist() == [40, 31]
