"""The pictures of forecasts: what is drawn, not how it looks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.dates import num2date

from unspool.data.series import Forecasts, Frequency, Panel
from unspool.errors import ConfigError
from unspool.view import fan, levels
from unspool.view.fan import draw_backtest, draw_fan
from unspool.view.levels import draw_levels

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)


def forecasts(panel: Panel, horizon: int, levels: tuple[float, ...] = LEVELS, seed: int = 0) -> Forecasts:
    draw = np.random.default_rng(seed)
    quantiles = np.sort(draw.normal(size=(len(panel), horizon, len(levels))))
    mean = draw.normal(size=(len(panel), horizon))
    return Forecasts(panel.ids, panel.frequency, panel.origins, mean, levels, quantiles)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What was drawn instead of being written."""
    found: list[Any] = []
    for module in (fan, levels):
        monkeypatch.setattr(module, "save", lambda figure, path: found.append(figure))
    return found


def lines(axes: Any, label: str) -> list[tuple[list[float], list[float]]]:
    return [(list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines if line.get_label() == label]


def test_a_fan_begins_at_the_last_value_and_shows_what_came(figures: list[Any]) -> None:
    whole = Panel.of({"a$b": [1.0, 2.0, 3.0, 4.0, 5.0], "c": [7.0, np.nan, 9.0, 8.0, 6.0]}, starts=10)
    known = whole.cut(2)
    found = forecasts(known, 2)
    draw_fan(whole, found, Path("f.png"), steps=2)
    upper, lower = figures[0].axes
    assert (upper.get_title("left"), lower.get_title("left")) == ("a$b", "c")
    assert lines(upper, "observed") == [([11, 12, 13, 14], [2, 3, 4, 5])]
    ((x, y),) = lines(upper, "median")
    assert x == [12, 13, 14] and y == [3.0, *found.at(0.5)[0]]
    ((x, y),) = lines(lower, "median")
    assert x == [12, 13, 14] and y == [9.0, *found.at(0.5)[1]]
    bands = {band.get_label(): band.get_paths()[0].vertices for band in upper.collections}
    assert list(bands) == ["0.025 to 0.975", "0.1 to 0.9"]
    at_13 = bands["0.1 to 0.9"][bands["0.1 to 0.9"][:, 0] == 13][:, 1]
    assert set(at_13) == {found.quantiles[0, 0, 1], found.quantiles[0, 0, 3]}


def test_without_levels_or_a_last_value(figures: list[Any]) -> None:
    panel = Panel.of({"a": [1.0, 2.0, np.nan, 4.0]}).cut(1)
    found = forecasts(panel, 3, levels=())
    draw_fan(panel, found, Path("f.png"))
    (axes,) = figures[0].axes
    assert lines(axes, "mean") == [([3, 4, 5], list(found.mean[0]))] and not axes.collections


def test_a_value_between_two_gaps_is_a_dot(figures: list[Any]) -> None:
    panel = Panel.of({"a": [1.0, np.nan, 5.0, np.nan, 2.0, 3.0]})
    draw_fan(panel, forecasts(panel, 1), Path("f.png"))
    dots = [line for line in figures[0].axes[0].lines if line.get_marker() == "."]
    assert [list(line.get_xdata()) for line in dots] == [[0, 2]]


def test_dates_are_those_of_the_wall(figures: list[Any]) -> None:
    panel = Panel.of({"a": np.arange(30.0)}, frequency=Frequency.of("h", "Asia/Tokyo"), starts="2024-01-01")  # in UTC
    draw_fan(panel, forecasts(panel, 2), Path("f.png"))
    axes = figures[0].axes[0]
    figures[0].canvas.draw()
    ((x, _),) = lines(axes, "median")
    assert [str(time) for time in np.array(x, dtype="datetime64[h]")] == [f"2024-01-02T{hour}" for hour in (14, 15, 16)]
    first, last = (num2date(edge).replace(tzinfo=None) for edge in axes.get_xlim())
    assert (first.day, last.day) == (1, 2)


def test_the_first_few_of_many_are_drawn_or_those_that_are_named(figures: list[Any]) -> None:
    panel = Panel.of([[float(i), 1.0, 2.0] for i in range(9)])
    found = forecasts(panel, 1)
    draw_fan(panel, found, Path("f.png"))
    assert len(figures[0].axes) == 6 and figures[0].get_suptitle() == "6 of 9 series"
    draw_fan(panel, found, Path("f.png"), series=["8", "3"])
    assert [axes.get_title("left") for axes in figures[1].axes] == ["8", "3"]
    assert lines(figures[1].axes[0], "observed")[0][1][0] == 8.0
    with pytest.raises(ConfigError, match="to draw: 'x'; expected some of the 9 series"):
        draw_fan(panel, found, Path("f.png"), series=["3", "x"])
    with pytest.raises(ConfigError, match="to draw: '8'; expected some of the 2 series"):
        draw_fan(panel.take([0, 1]), found, Path("f.png"), series=["1", "8"])


def test_a_backtest_shows_every_window(figures: list[Any]) -> None:
    whole = Panel.of({"a": np.arange(12.0), "b": 2 * np.arange(9.0)})
    parts = [forecasts(whole.cut(cut), 3, seed=cut) for cut in (6, 3)]
    joined = replace(
        parts[0],
        ids=[*whole.ids, *whole.ids],
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in ("origins", "mean", "quantiles")},
    )
    draw_backtest(whole, joined, Path("b.png"))
    upper, lower = figures[0].axes
    assert [x for x, _ in lines(upper, "median")] == [[5, 6, 7, 8], [8, 9, 10, 11]]
    assert [y for _, y in lines(lower, "median")] == [
        [4.0, *parts[0].at(0.5)[1]], [10.0, *parts[1].at(0.5)[1]]
    ]  # fmt: skip
    assert {band.get_label() for band in upper.collections} == {"0.025 to 0.975"}
    assert lines(upper, "observed") == [(list(range(2, 12)), list(range(2, 12)))]
    assert sorted({line.get_xdata()[0] for line in upper.lines if line.get_linestyle() == ":"}) == [5, 8]


def test_levels_beside_the_diagonal(figures: list[Any]) -> None:
    curves = {"$a_": np.array([0.2, 0.5, 0.7]), "none": np.full(3, np.nan)}
    draw_levels(curves, (0.1, 0.5, 0.9), Path("l.png"))
    figures[0].canvas.draw()
    (axes,) = figures[0].axes
    drawn = {line.get_label(): list(line.get_ydata()) for line in axes.lines}
    assert drawn["calibrated"] == [0, 1]
    assert drawn[r"\$a_ (mean distance 0.100)"] == [0.2, 0.5, 0.7] and "none (mean distance unknown)" in drawn


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_pictures_are_written(kind: str, tmp_path: Path) -> None:
    head = {"png": b"\x89PNG", "svg": b"<?xml"}[kind]
    panel = Panel.of({"a$_^": [1.0, 2.0, 3.0], "é $x$": [4.0]}, frequency="MS", starts="2024-01-01")
    found = forecasts(panel, 1)
    draw_fan(panel, found, tmp_path / f"f.{kind}")
    draw_backtest(panel, found, tmp_path / f"b.{kind}")
    draw_levels({"a": np.array(LEVELS)}, LEVELS, tmp_path / f"l.{kind}")
    for letter in "fbl":
        assert (tmp_path / f"{letter}.{kind}").read_bytes().startswith(head)
    with pytest.raises(ConfigError, match=r"f\.txt: expected a file that ends in \.png"):
        draw_fan(panel, found, tmp_path / "f.txt")
