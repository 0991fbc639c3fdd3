"""Series from data frames of every kind that pandas has."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest

from unspool.data.series import SeriesColumns, from_frame, to_frame
from unspool.errors import DataError

DAYS = pd.date_range("2024-01-01", periods=4, freq="D")


def long_frame(**columns: Any) -> pd.DataFrame:
    """Two series of two days, with these columns in place of its own."""
    own = {"unique_id": ["a", "a", "b", "b"], "ds": [*DAYS[:2], *DAYS[:2]], "y": [1.0, 2, 3, 4]}
    return pd.DataFrame(own | columns)


@pytest.mark.parametrize(
    "y",
    [
        pd.array([1, 2, 3, None], dtype="Int64"),
        pd.array([1, 2, 3, None], dtype="Float32"),
        pd.array([1, 2, 3, None], dtype="double[pyarrow]"),
        pd.Series([1, 2, 3, None], dtype=object),
        pd.Series([Decimal(1), Decimal(2), Decimal(3), None]),
        pd.Series(["1", "2", "3", "NA"]),
        pd.Series(["1", "2", "3", None], dtype="string"),
        pd.arrays.SparseArray([1.0, 2.0, 3.0, np.nan]),
    ],
    ids=lambda y: str(y.dtype),
)
def test_values_of_every_type_are_numbers(y: Any) -> None:
    panel = from_frame(long_frame(y=y))
    assert panel.ids == ["a", "b"] and panel.y.tolist() == [1, 2, 3] and panel.y.dtype == np.float64


@pytest.mark.parametrize(
    "ids", [["x", "x", "y", "y"], pd.Categorical(["x", "x", "y", "y"]), pd.array(["x", "x", "y", "y"], dtype="string"),
            [7, 7, 8, 8], pd.Categorical([7, 7, 8, 8]), pd.array([7, 7, 8, 8], dtype="Int8")],
)  # fmt: skip
def test_ids_of_every_type_are_texts(ids: Any) -> None:
    assert from_frame(long_frame(unique_id=ids)).ids == list(dict.fromkeys(map(str, ids)))


@pytest.mark.parametrize(
    "ds",
    [
        DAYS.astype("datetime64[s]"),
        DAYS.strftime("%Y-%m-%d"),
        pd.Series(DAYS.strftime("%Y/%m/%d"), dtype="string"),
        pd.Series([day.date() for day in DAYS]),
        pd.Series([day.to_pydatetime() for day in DAYS], dtype=object),
        DAYS.to_period("D"),
        pd.Categorical(DAYS.strftime("%Y-%m-%d")),
        pd.Series(DAYS).astype("timestamp[us][pyarrow]"),
    ],
    ids=lambda ds: str(getattr(ds, "dtype", None)),
)
def test_stamps_of_every_type_are_dates(ds: Any) -> None:
    panel = from_frame(pd.DataFrame({"ds": ds, "y": range(4)}))
    assert (
        panel.frequency.alias == "D" and panel.starts.tolist() == [19723] and panel.history(0).tolist() == [0, 1, 2, 3]
    )


@pytest.mark.parametrize("ds", [[1, 2, 3, 4], [1.0, 2.0, 3.0, 4.0], np.array([1, 2, 3, 4], dtype=np.uint8)])
def test_whole_numbers_count_steps(ds: Any) -> None:
    panel = from_frame(pd.DataFrame({"ds": ds, "y": range(4)}))
    assert panel.frequency.alias == "1" and panel.starts.tolist() == [1]


def test_the_index_may_hold_columns() -> None:
    frame = long_frame()
    for given in (frame.set_index("ds"), frame.set_index("unique_id"), frame.set_index(["unique_id", "ds"])):
        assert from_frame(given).history(1).tolist() == [3, 4]
    series = frame.set_index(["unique_id", "ds"])["y"]
    assert from_frame(series).history(1).tolist() == [3, 4]  # pyright: ignore[reportArgumentType]
    wide = frame.pivot(index="ds", columns="unique_id", values="y")
    assert from_frame(wide, SeriesColumns(form="wide")).history(1).tolist() == [3, 4]
    assert from_frame(pd.DataFrame({"y": range(4)}, index=DAYS.to_period("D"))).frequency.alias == "D"


def test_wide_frames_may_have_numbers_as_names() -> None:
    panel = from_frame(pd.DataFrame({"ds": DAYS, 7: range(4), 8: range(4)}), SeriesColumns(form="wide"))
    assert panel.ids == ["7", "8"]
    with pytest.raises(DataError, match="two columns are named '7'"):
        from_frame(pd.DataFrame({"ds": DAYS, 7: range(4), "7": range(4)}), SeriesColumns(form="wide"))


def test_a_frame_without_columns_is_said_to_be_so() -> None:
    with pytest.raises(DataError, match="the data frame has no columns at all; expected one of stamps, 'ds'"):
        from_frame(pd.DataFrame())


def test_truth_values_are_numbers_and_categories_are_words() -> None:
    frame = long_frame(open=[True, False, True, True], kind=pd.Categorical([3, 3, 5, 5]), town=["x", None, "y", "y"])
    panel = from_frame(frame, SeriesColumns(static=("kind", "town"), known=("open",)))
    kind, town, opened = panel.covariates
    assert opened.values.tolist() == [1, 0, 1, 1] and opened.words is None
    assert kind.words == ("3", "5") and kind.values.tolist() == [0, 1]
    assert town.words == ("x", "y") and town.values.tolist() == [0, 1]


def test_known_steps_may_come_in_a_frame_of_their_own() -> None:
    columns = SeriesColumns(known=("price",), static=("size",))
    known = pd.DataFrame({"unique_id": ["b", "b"], "ds": DAYS[2:], "price": [7, 8]})
    panel = from_frame(long_frame(price=[1, 2, 3, 4], size=[1, 1, 2, 2]), columns, known=known)
    assert panel.lengths.tolist() == [2, 4] and panel.observed.tolist() == [2, 2]
    assert panel.covariates[1].values.tolist() == [1, 2, 3, 4, 7, 8]
    with pytest.raises(DataError, match="row 1: series 'b' has a second row for 2024-01-02, after that of the data"):
        from_frame(long_frame(price=[1, 2, 3, 4], size=[1, 1, 2, 2]), columns, known=known.assign(ds=DAYS[1:3]))
    with pytest.raises(DataError, match="frame of known covariates has no column 'price' of known covariate"):
        from_frame(long_frame(price=[1, 2, 3, 4], size=[1, 1, 2, 2]), columns, known=known.drop(columns="price"))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"y": [1, "x", 2, 3]}, "'y' holds values of several kinds"),
        ({"y": ["1", "x", "2", "3"]}, "row 2: 'y' is of type string; expected numbers"),
        ({"y": [1, np.inf, 2, 3]}, "row 2: 'y' is infinite"),
        ({"y": [1j, 2, 3, 4]}, "'y' holds values of several kinds"),
        ({"ds": [DAYS[0], pd.NaT, DAYS[0], DAYS[1]]}, "row 2: 'ds' is empty"),
        ({"ds": ["2024-01-01", "soon", "2024-01-01", "2024-01-02"]}, "row 2: 'ds' is 'soon'"),
        ({"ds": [1.5, 2, 3, 4]}, "row 1: 'ds' is 1.5"),
        (
            {"ds": [DAYS[0], pd.Timestamp("2024-01-02", tz="UTC"), DAYS[0], DAYS[1]]},
            "'ds' holds dates with",
        ),
        ({"unique_id": ["a", None, "b", "b"]}, "row 2: 'unique_id' is empty"),
        ({"ds": [pd.Timedelta(days=i) for i in range(4)]}, "'ds' is of type duration"),
    ],
)
def test_what_is_wrong_is_named(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        from_frame(long_frame(**columns))


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(DataError, match="type list; expected a data frame of pandas"):
        from_frame([1, 2])  # pyright: ignore[reportArgumentType]
    with pytest.raises(DataError, match="the data frame has no rows"):
        from_frame(long_frame().iloc[:0])
    with pytest.raises(DataError, match="no column 'ds' of stamps"):
        from_frame(pd.DataFrame({"y": [1]}))
    with pytest.raises(DataError, match="two columns are named 'y'"):
        from_frame(pd.concat([long_frame(), long_frame()[["y"]]], axis=1))


def test_a_frame_is_not_changed() -> None:
    frame = long_frame().set_index("ds")
    before = frame.copy(deep=True)
    from_frame(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_to_frame_is_read_back() -> None:
    times = (DAYS + pd.Timedelta(hours=5)).to_numpy()
    frame = to_frame(["a"] * 4, times, {"y": np.arange(4.0)}, "America/New_York")
    assert frame["ds"].dt.hour.tolist() == [0] * 4
    panel = from_frame(frame)
    assert panel.frequency.zone == "America/New_York" and panel.frequency.alias == "D"
    assert (panel.frequency.times(panel.starts[0] + np.arange(4)) == times).all()
