"""Command-line options made from settings: help, defaults, `none`, and cell options."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from unspool import cli
from unspool.errors import ConfigError
from unspool.options import in_panels, key_values, with_options
from unspool.tasks.translate import DecodeOptions, TranslateSettings, dates
from unspool.train import TrainSettings

OneOption = Annotated[int, typer.Option(help="One of several commands.")]


@dataclass
class Settings:
    size: Annotated[int, "width of it"] = 3
    bound: Annotated[float | None, "most of it"] = 1.0
    pair: Annotated[tuple[float, float], "two of it"] = (0.5, 0.25)
    wide: Annotated[bool, "more of it"] = False
    inner: dict[str, Any] = dataclasses.field(default_factory=dict)


def command(**more: Any) -> tuple[typer.Typer, list[dict[str, Any]]]:
    """An application whose one command takes `Settings`, and a list of what it was given at each call."""
    calls: list[dict[str, Any]] = []
    app = typer.Typer()

    @app.command()
    @with_options(Settings, leave_out=("inner",), **more)
    def run(given: dict[str, Any] = {}) -> None:  # noqa: B006
        calls.append(given)

    return app, calls


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], {}),
        (["--size", "7"], {"size": 7}),
        (["--bound", "2.5"], {"bound": 2.5}),
        (["--bound", "none"], {"bound": None}),
        (["--pair", "1", "2"], {"pair": (1.0, 2.0)}),
        (["--wide"], {"wide": True}),
        (["--no-wide"], {"wide": False}),
    ],
)
def test_only_what_was_given_arrives(arguments: list[str], expected: dict[str, Any]) -> None:
    app, calls = command()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert calls == [expected]


@pytest.mark.parametrize("arguments", [["--size", "none"], ["--bound", "much"], ["--inner", "x"]])
def test_a_value_of_the_wrong_kind_is_refused(arguments: list[str]) -> None:
    app, calls = command()
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert arguments[0] in result.output
    assert not calls


def plain_help(app: typer.Typer, *arguments: str) -> str:
    """The help text without frames, with single spaces."""
    result = CliRunner().invoke(app, [*arguments, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 0, result.output
    return re.sub(r"[\s│╭╮╰╯─]+", " ", result.output)


def test_help_shows_text_and_defaults() -> None:
    app, _ = command(presets={"small": {"size": 1, "bound": None}})
    text = plain_help(app)
    assert "--size <int> Width of it. [default: 3; small: 1]" in text
    assert "--bound float|none Most of it. [default: 1.0; small: none]" in text
    assert "Two of it. [default: 0.5 0.25]" in text
    assert "More of it. [default: no]" in text


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        (("train", "translate"), (TranslateSettings, TrainSettings)),
        (("translate",), (DecodeOptions,)),
        (("evaluate",), (DecodeOptions,)),
    ],
)
def test_every_setting_is_an_option_with_a_help_text(
    arguments: tuple[str, ...], settings: tuple[type[Any], ...]
) -> None:
    text = plain_help(cli.app, *arguments)
    for cls in settings:
        for field in dataclasses.fields(cls):
            if field.name == "cell_options":  # given by --cell-option name=value
                continue
            flag = "--" + field.name.replace("_", "-")
            assert re.search(rf"{flag} [^\[]*[a-z]{{2,}}[^\[]*\. \[default: ", text), f"no help for {flag}"


def test_help_of_train_names_what_the_default_job_chooses() -> None:
    text = plain_help(cli.app, "train", "translate")
    for name, value in {**dates.PRESET, **dates.TRAINING_PRESET}.items():
        if not isinstance(value, bool | tuple):
            assert re.search(
                rf"--{name.replace('_', '-')} [^\[]*\[default: [^\]]*dates: {re.escape(str(value))}\]", text
            ), name


def test_panels_are_of_one_command() -> None:
    """An option that two commands share stands in the panel of the one that has panels."""
    app = typer.Typer()

    @app.command()
    @in_panels({"First": ["one"], "Second": ["size"]})
    @with_options(Settings, leave_out=("inner",))
    def panelled(one: OneOption = 1, given: dict[str, Any] = {}) -> None:  # noqa: B006
        pass

    @app.command()
    def other(one: OneOption = 1) -> None:
        pass

    text = plain_help(app, "panelled")
    assert re.search(r"Options .*--bound.* First .*--one.* Second .*--size", text)
    assert "First" not in plain_help(app, "other")


def test_cell_options_are_read_as_values() -> None:
    assert key_values(["a=true", "b=3", "c=0.5", "d=none", "e=uniform"]) == {
        "a": True, "b": 3, "c": 0.5, "d": None, "e": "uniform",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="expected name=value"):
        key_values(["peephole"])
