"""Pictures whose words are in any script."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from unspool.view import picture
from unspool.view.picture import new_figure, save

HOOKED = "\u1d81\u1d84"  # d and k with a hook: of the fonts that matplotlib brings, STIXGeneral has them, DejaVu not


def drawn(path: Path, words: str) -> list[str]:
    figure = new_figure(2, 2)
    axes = figure.subplots()
    axes.set_title(words)
    axes.set_xticks([0, 1], [words, "b"])
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        save(figure, path)
    return [str(one.message) for one in said]


@pytest.mark.parametrize("kind", picture.KINDS)
def test_one_warning_for_all_that_no_font_has(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "FURTHER", ())
    (said,) = drawn(tmp_path / f"a{kind}", HOOKED)
    assert "a picture shows boxes for 2 characters that no font of this machine has, such as \u1d81; install" in said


@pytest.mark.parametrize("kind", picture.KINDS)
def test_a_further_font_has_what_the_first_lacks(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture, "FURTHER", ("No Such Font", "STIXGeneral"))
    assert drawn(tmp_path / f"a{kind}", HOOKED) == []


def test_what_else_drawing_says_is_said(tmp_path: Path) -> None:
    figure = new_figure(2, 2)
    figure.subplots().set_ylim(1, 2)
    figure.axes[0].set_yscale("log")
    draw = figure.savefig

    def savefig(*given: object, **more: object) -> None:
        warnings.warn("the ink is low", stacklevel=2)
        draw(*given, **more)

    figure.savefig = savefig
    with pytest.warns(UserWarning, match="the ink is low"):
        save(figure, tmp_path / "a.png")
