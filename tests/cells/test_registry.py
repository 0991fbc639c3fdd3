"""Cells by name: shipped names, a user's file, and errors that print the line to type."""

from __future__ import annotations

from pathlib import Path

import pytest

from unspool.cells import CELLS, Cell, GRUCell, cell_name, find_cell, load_cell
from unspool.errors import ConfigError


class Mine(Cell):
    pass


def test_a_name_and_its_cell_belong_together() -> None:
    for name, cell in CELLS.items():
        assert cell_name(cell) == name
        assert find_cell(name) is load_cell(name) is cell
    assert cell_name(Mine) == "Mine" and find_cell("Mine", [GRUCell, Mine]) is Mine


@pytest.mark.parametrize("name", CELLS)
def test_a_name_that_stands_for_another_cell_is_refused(name: str) -> None:
    own = type(name, (Cell,), {})
    with pytest.raises(ConfigError, match=rf"{name!r} has the name .* loaded with {CELLS[name].__name__}. Rename"):
        cell_name(own)


def test_a_cell_that_was_not_handed_in_is_never_looked_for() -> None:
    with pytest.raises(ConfigError, match=r"--cell your_file.py:Mine .* unspool.load\(RUN, cells=\[Mine\]\)"):
        find_cell("Mine", [GRUCell])


def test_a_class_in_a_file(tmp_path: Path) -> None:
    for folder in ("a", "b"):  # equal file names in two folders are two modules
        (tmp_path / folder).mkdir()
        file = tmp_path / folder / "own.py"
        file.write_text(f"import unspool\nclass Own(unspool.Cell):\n    origin = {folder!r}\n")
        assert load_cell(f"{file}:Own").__dict__["origin"] == folder


def test_a_file_may_look_itself_up(tmp_path: Path) -> None:
    """As dataclasses do, whose annotations are text."""
    text = "from __future__ import annotations\nfrom dataclasses import dataclass\nimport unspool\n"
    text += "@dataclass\nclass Size:\n    width: int = 3\nclass Own(unspool.Cell):\n    size = Size()\n"
    (tmp_path / "own.py").write_text(text)
    assert load_cell(f"{tmp_path / 'own.py'}:Own").__dict__["size"].width == 3


@pytest.mark.parametrize(
    ("text", "spec", "message"),
    [
        (None, "missing.py:Own", "there is no file"),
        ("x = 1 / 0", "own.py:Own", "failed: ZeroDivisionError"),
        ("import sys; sys.exit(0)", "own.py:Own", "failed: SystemExit"),
        ("Own = 3", "own.py:Own", "no unspool.Cell class 'Own'; it has: none"),
        ("import unspool\nclass Other(unspool.Cell): pass", "own.py:Own", "it has: Other"),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, text: str | None, spec: str, message: str) -> None:
    if text is not None:
        (tmp_path / "own.py").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_cell(str(tmp_path / spec))


def test_a_file_that_is_not_python_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("text")
    with pytest.raises(ConfigError, match="not a Python file"):
        load_cell(f"{tmp_path / 'own.txt'}:Own")
