"""`train forecast`, `forecast` and `evaluate` of a forecaster, called in this process on real files."""

from __future__ import annotations

import io
import json
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas
import pytest
from typer.testing import CliRunner, Result

import unspool
from unspool import cli
from unspool.errors import ConfigError, DataError, RunError, UnspoolError

SIZES = ["--horizon", 6, "--season", 12, "--hidden", 8, "--batch", 8, "--steps-per-epoch", 5, "--max-steps", 10]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli.app, list(map(str, arguments)))


def output(*arguments: object) -> str:
    done = call(*arguments)
    assert done.exit_code == 0, (done.stderr, done.exception)
    return done.stdout


def refused(*arguments: object) -> UnspoolError:
    error = call(*arguments).exception
    assert isinstance(error, UnspoolError), error
    return error


def sales(months: int = 72) -> pandas.DataFrame:
    """Two shops, months apart, with a price that is known in advance and a category."""
    stamps = pandas.date_range("2015-01-01", periods=months, freq="MS")
    frames = [
        pandas.DataFrame(
            {
                "shop": name,
                "month": stamps,
                "sold": level + 5 * np.sin(np.arange(months) * np.pi / 6) + np.arange(months) / 10,
                "price": 2 + np.arange(months) % 3,
                "town": town,
            }
        )
        for name, level, town in (("a", 20, "Bath"), ("b", 50, "York"))
    ]
    return pandas.concat(frames)


NAMES = ["--unique-id", "shop", "--ds", "month", "--y", "sold", "--known", "price", "--static",
         "town"]  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("series")
    whole = sales()
    whole.to_csv(folder / "whole.csv", index=False)
    held = whole["month"] >= "2020-07-01"
    whole[~held].to_csv(folder / "history.csv", index=False)
    whole[~held].to_parquet(folder / "history.parquet", index=False)
    whole[held].drop(columns="sold").to_csv(folder / "future.csv", index=False)
    whole[held].to_csv(folder / "new.csv", index=False)
    return folder


@pytest.fixture(scope="module")
def run(files: Path) -> Path:
    line = json.loads(
        output("train", "forecast", "--train", files / "history.csv", "--out", files / "run", *NAMES, *SIZES)
    )
    assert line["run"] == str(files / "run") and line["steps"] == 10
    return files / "run"


def rows(text: str) -> pandas.DataFrame:
    return pandas.read_csv(io.StringIO(text))


def test_a_forecast_is_csv(run: Path, files: Path) -> None:
    found = rows(output("forecast", run, "--data", files / "history.csv", "--future", files / "future.csv"))
    assert list(found.columns[:3]) == ["unique_id", "ds", "mean"] and "0.025" in found.columns
    assert found["unique_id"].tolist() == ["a"] * 6 + ["b"] * 6
    assert found["ds"].tolist()[:2] == ["2020-07-01", "2020-08-01"] and np.isfinite(found["mean"]).all()
    same = rows(output("forecast", run, "--data", files / "history.parquet", "--future", files / "future.csv"))
    pandas.testing.assert_frame_equal(found, same)
    model = unspool.load(run)
    history, future = (pandas.read_csv(files / f"{name}.csv", parse_dates=["month"]) for name in ("history", "future"))
    frame = model.forecast(history, known=future)
    np.testing.assert_allclose(frame["mean"], found["mean"])


def test_what_is_known_matters(run: Path, files: Path, tmp_path: Path) -> None:
    dear = pandas.read_csv(files / "future.csv").assign(price=100)
    dear.to_csv(tmp_path / "dear.csv", index=False)
    one, other = (
        rows(output("forecast", run, "--data", files / "history.csv", "--future", future))["mean"]
        for future in (files / "future.csv", tmp_path / "dear.csv")
    )
    assert not np.allclose(one, other)


def test_a_state_and_a_panel_take_what_is_known_ahead(run: Path, files: Path) -> None:
    """As much as a frame does; words too, which the state's own may lack."""
    model = unspool.load(run)
    history, future = (pandas.read_csv(files / f"{name}.csv", parse_dates=["month"]) for name in ("history", "future"))
    expected = model.forecast(history, known=future)
    state, panel = model.state(history), model.panel(history)
    pandas.testing.assert_frame_equal(model.forecast(state=state, known=future), expected)
    pandas.testing.assert_frame_equal(model.forecast(panel, known=future), expected)
    assert not np.allclose(model.forecast(state=state, known=future.assign(price=100))["mean"], expected["mean"])


def test_what_should_be_known_and_is_not_is_said(run: Path, files: Path) -> None:
    model = unspool.load(run)
    history, future = (pandas.read_csv(files / f"{name}.csv", parse_dates=["month"]) for name in ("history", "future"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.forecast(history, known=future)
    for known, horizon, count in (
        (None, 6, 2),
        (future[future["shop"] == "a"], 6, 1),
        (future.assign(price=np.nan), 6, 2),
        (future, 7, 2),
    ):
        with pytest.warns(UserWarning, match=f"'price' is not known in all of the {horizon} steps .* {count} of 2"):
            model.forecast(history, known=known, horizon=horizon, paths=5)


def test_a_run_keeps_the_zone_of_its_files(tmp_path: Path) -> None:
    local = pandas.date_range("2023-09-01", periods=90, freq="D", tz="Europe/Berlin")
    pandas.DataFrame({"ds": local, "y": np.arange(90) % 7}).to_csv(tmp_path / "days.csv", index=False)
    run, data = tmp_path / "run", tmp_path / "days.csv"
    output("train", "forecast", "--train", data, "--freq", "D", "--zone", "Europe/Berlin", "--out", run, *SIZES)
    assert rows(output("forecast", run, "--data", data))["ds"][0] == "2023-11-30 00:00:00+01:00"
    assert json.loads(output("evaluate", run, "--test", data))["targets"] == 6


def test_files_may_have_another_form_than_those_of_the_training(tmp_path: Path) -> None:
    shops = sales().rename(columns={"shop": "unique_id", "month": "ds", "sold": "y"})[["unique_id", "ds", "y"]]
    shops.to_csv(tmp_path / "long.csv", index=False)
    shops.pivot(index="ds", columns="unique_id", values="y").to_csv(tmp_path / "wide.csv")
    for form, other in (("long", "wide"), ("wide", "long")):
        run, own, others = tmp_path / form, tmp_path / f"{form}.csv", tmp_path / f"{other}.csv"
        output("train", "forecast", "--train", own, "--form", form, "--out", run, *SIZES)
        named = ("--form", other)
        assert output("forecast", run, "--data", own) == output("forecast", run, "--data", others, *named)
        assert output("encode", run, own) == output("encode", run, others, *named)
        assert json.loads(output("evaluate", run, "--test", others, *named))["targets"] == 12
        for command in (("forecast", run, "--data"), ("evaluate", run, "--test")):
            assert f"give --form {other}" in str(refused(*command, others))


def test_files_of_other_kinds_are_refused_before_the_work(run: Path, files: Path, tmp_path: Path) -> None:
    for option, name in (("--plot", "fan.jpg"), ("--plot", "fan")):
        done = call("forecast", run, "--data", files / "history.csv", option, tmp_path / name)
        assert "expected a file that ends in .png or .svg or .pdf" in str(done.exception) and not done.stdout
    done = call("evaluate", run, "--test", files / "whole.csv", "--report", tmp_path / "q.pdf")
    assert "--report" in str(done.exception) and "ends in .html for a page" in str(done.exception)
    assert not done.stdout and not list(tmp_path.iterdir())


def test_a_series_whose_forecast_is_no_number_is_named(tmp_path: Path) -> None:
    days = pandas.date_range("2023-01-01", periods=60, freq="D")
    parts = [
        pandas.DataFrame({"unique_id": n, "ds": days, "y": s * np.arange(60)}) for n, s in (("a", 1), ("b", 1e300))
    ]
    parts[0].to_csv(tmp_path / "train.csv", index=False)
    pandas.concat(parts).to_csv(tmp_path / "both.csv", index=False)
    output(
        "train", "forecast", "--train", tmp_path / "train.csv", "--scaling", "none", "--out", tmp_path / "run", *SIZES
    )
    with pytest.warns(UserWarning, match="1 of 2 series have forecasts that are no finite numbers: 'b'; .*--scaling"):
        output("forecast", tmp_path / "run", "--data", tmp_path / "both.csv")


def test_levels_horizon_and_files(run: Path, files: Path, tmp_path: Path) -> None:
    how = ["--data", files / "history.csv", "--horizon", 9, "--level", 0.1, "--level", 0.5, "--draws", 20]
    assert output("forecast", run, *how, "--out", tmp_path / "f.csv", "--plot", tmp_path / "f.png") == ""
    found = pandas.read_csv(tmp_path / "f.csv")
    assert list(found.columns) == ["unique_id", "ds", "mean", "0.1", "0.5"] and len(found) == 18
    assert (tmp_path / "f.png").read_bytes()[:4] == b"\x89PNG"
    assert rows(output("forecast", run, *how)).equals(found)
    other = rows(output("forecast", run, *how, "--seed", 3))
    assert not other["mean"].equals(found["mean"])


def test_a_state_goes_on_with_new_rows(run: Path, files: Path, tmp_path: Path) -> None:
    output("forecast", run, "--data", files / "history.csv", "--state-out", tmp_path / "s")
    updated = output("forecast", run, "--state-in", tmp_path / "s", "--data", files / "new.csv")
    assert updated == output("forecast", run, "--data", files / "whole.csv")
    ahead = ["--future", files / "future.csv"]
    assert output("forecast", run, "--state-in", tmp_path / "s", *ahead) == output(
        "forecast", run, "--data", files / "history.csv", *ahead
    )
    alone = output("forecast", run, "--state-in", tmp_path / "s")
    assert alone == output("forecast", run, "--data", files / "history.csv")


def test_evaluating_is_beside_other_methods(run: Path, files: Path) -> None:
    done = call("evaluate", run, "--test", files / "whole.csv", "--windows", 3, "--step", 2)
    assert done.exit_code == 0, done.exception
    found = json.loads(done.stdout)
    assert found["series"] == 6 and found["targets"] == 36 and found["methods"].keys() == {
        "naive", "seasonal-naive", "naive2"}  # fmt: skip
    assert found["methods"]["naive2"]["owa"] == 1 and "seasonal-naive" in done.stderr
    none = json.loads(output("evaluate", run, "--test", files / "whole.csv", "--method", "none"))
    assert none["methods"] == {} and none["series"] == 2


class Page(HTMLParser):
    """The tags of a page, and all that a browser would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]


def test_the_report_is_one_page(run: Path, files: Path, tmp_path: Path) -> None:
    output("evaluate", run, "--test", files / "whole.csv", "--report", tmp_path / "report.html")
    page = Page((tmp_path / "report.html").read_text())
    assert page.tags.count("svg") == 2 and "pre" in page.tags
    assert not [link for link in page.fetched if not link.startswith("#")]


def test_the_default_job_needs_no_file(tmp_path: Path) -> None:
    small = ["--hidden", 8, "--batch", 8, "--steps-per-epoch", 2, "--max-steps", 2]
    output("train", "forecast", "--out", tmp_path / "run", *small)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["origin"] == {"job": "co2"}
    found = json.loads(output("evaluate", tmp_path / "run"))
    assert (found["series"], found["targets"]) == (5, 60)
    ahead = rows(output("forecast", tmp_path / "run"))
    assert (ahead["ds"].iloc[0], ahead["ds"].iloc[-1]) == ("2002-01-01", "2002-12-01")
    assert isinstance(refused("evaluate", tmp_path / "run", "--test", tmp_path / "missing.csv"), DataError)


def test_the_default_job_is_refitted_without_files(tmp_path: Path) -> None:
    output("train", "forecast", "--out", tmp_path / "run", "--max-steps", 2)
    line = json.loads(output("train", "forecast", "--refit", tmp_path / "run", "--out", tmp_path / "final"))
    assert (line["run"], line["steps"]) == (str(tmp_path / "final"), 2)
    told = json.loads(output("evaluate", tmp_path / "final", "--method", "none"))
    assert told["series"] == 5 and told["targets"] == 60  # the same test part


def test_a_refit_learns_from_all_rows(run: Path, files: Path, tmp_path: Path) -> None:
    final = tmp_path / "final"
    output("train", "forecast", "--refit", run, "--train", files / "whole.csv", "--out", final)
    was, is_now = (json.loads((folder / "config.json").read_text()) for folder in (run, final))
    assert all(was[name] == is_now[name] for name in ("cell", "settings", "columns", "calibration", "frequency"))
    assert is_now["origin"]["train"] == ["whole.csv"] and is_now["refit"] == {"of": "run", "steps": 10}
    found = rows(output("forecast", final, "--data", files / "history.csv", "--future", files / "future.csv"))
    assert len(found) == 12 and np.isfinite(found["mean"]).all()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--hidden", 9], "--refit trains as its run was trained"),
        (["--static", "town"], "--refit trains as its run was trained"),
        (["--valid", "whole.csv"], "--refit trains as its run was trained"),
        (["--lag", 12], "--refit trains as its run was trained"),
        (["--cell", "lstm"], "takes the cell of"),
        (["--form", "wide"], "wide"),
    ],
    ids=str,
)
def test_a_refit_has_no_choices(more: list[object], message: str, run: Path, files: Path, tmp_path: Path) -> None:
    error = refused("train", "forecast", "--refit", run, "--train", files / "whole.csv", *more, "--out", tmp_path / "x")
    assert isinstance(error, ConfigError) and message in str(error)
    assert not (tmp_path / "x").exists()


def test_a_refit_needs_columns_of_the_same_kind(run: Path, files: Path, tmp_path: Path) -> None:
    other = pandas.read_csv(files / "whole.csv")
    other["price"] = "dear"
    other.to_csv(tmp_path / "words.csv", index=False)
    error = refused("train", "forecast", "--refit", run, "--train", tmp_path / "words.csv", "--out", tmp_path / "x")
    assert "price" in str(error) and not (tmp_path / "x").exists()


def test_a_refit_needs_the_series(run: Path, tmp_path: Path) -> None:
    error = refused("train", "forecast", "--refit", run, "--out", tmp_path / "x")
    assert isinstance(error, ConfigError) and "name the series to learn from with --train" in str(error)


def test_the_default_job_takes_an_autoregressive_model(tmp_path: Path) -> None:
    small = ["--hidden", 8, "--batch", 8, "--steps-per-epoch", 2, "--max-steps", 2]
    output("train", "forecast", "--out", tmp_path / "run", "--model", "autoregressive", *small)
    assert len(rows(output("forecast", tmp_path / "run", "--draws", 3))) == 12


def test_an_autoregressive_model_needs_no_output_named(files: Path, tmp_path: Path) -> None:
    how = ["--train", files / "history.csv", *NAMES, *SIZES, "--model", "autoregressive"]
    output("train", "forecast", "--out", tmp_path / "run", *how)
    assert json.loads((tmp_path / "run" / "config.json").read_text())["settings"]["output"] == "student-t"
    ahead = ["--data", files / "history.csv", "--future", files / "future.csv"]
    assert "0.025" in output("forecast", tmp_path / "run", "--draws", 3, *ahead)


def test_a_point_has_one_column_and_no_measures_of_quantiles(files: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    output("train", "forecast", "--train", files / "history.csv", "--out", run, *NAMES, *SIZES, "--output", "point")
    ahead = ["--data", files / "history.csv", "--future", files / "future.csv"]
    assert output("forecast", run, *ahead, "--plot", tmp_path / "f.png").splitlines()[0] == "unique_id,ds,mean"
    assert "one number, which has no quantiles" in str(refused("forecast", run, *ahead, "--level", 0.5))
    done = call("evaluate", run, "--test", files / "whole.csv", "--report", tmp_path / "report.html")
    found = json.loads(done.stdout)
    assert (found["wql"], found["msis"], found["coverage"]) == (None, None, None) and found["mase"] is not None
    assert done.stderr.splitlines()[1].split()[4:7] == ["–"] * 3
    assert Page((tmp_path / "report.html").read_text()).tags.count("svg") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["forecast", "RUN"], "nothing to forecast from"),
        (["forecast", "RUN", "--data", "no.csv"], "no.csv"),
        (["forecast", "RUN", "--data", "FILES/future.csv"], "sold"),
        (["forecast", "RUN", "--data", "FILES/history.csv", "--level", "0.5", "--level", "0.1"], "levels are"),
        (["forecast", "RUN", "--data", "FILES/history.csv", "--out", "FILES/history.csv"], "would replace"),
        (["forecast", "RUN", "--state-in", "FILES"], "is a folder; expected the file of a state"),
        (["forecast", "RUN", "--data", "FILES/history.csv", "--horizon", "1000000000"], "takes about .* GB of memory"),
        (
            ["train", "forecast", "--out", "FILES/x", "--monitor", "foo"],
            "the metric 'foo', but validation of a forecaster measures loss alone",
        ),
        (["evaluate", "RUN"], "trained on files; name the test files"),
        (["evaluate", "RUN", "--test", "FILES/whole.csv", "--method", "oracle"], "method is 'oracle'"),
        (["evaluate", "RUN", "--test", "FILES/whole.csv", "--beam", "3"], "--beam belongs to translators"),
        (["train", "forecast", "--out", "FILES/x", "--freq", "h"], "without --train"),
        (["train", "forecast", "--train", "FILES/whole.csv", "--out", "FILES/x"], "unique_id|'ds'"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_wrong_use_is_named(arguments: list[str], message: str, run: Path, files: Path) -> None:
    placed = [argument.replace("RUN", str(run)).replace("FILES", str(files)) for argument in arguments]
    error = refused(*placed)
    assert isinstance(error, (ConfigError, DataError, RunError))
    assert re.search(message, str(error)), error
