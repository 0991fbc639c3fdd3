"""Cells by name, for the command line and for run folders, where a cell is inert text."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from unspool.cells.base import Cell
from unspool.cells.elementwise import ElementwiseCell
from unspool.cells.gru import GRUCell
from unspool.cells.indrnn import IndRNNCell
from unspool.cells.layernorm_gru import LayerNormGRUCell
from unspool.cells.layernorm_lstm import LayerNormLSTMCell
from unspool.cells.lstm import LSTMCell
from unspool.cells.rnn import RNNCell
from unspool.errors import ConfigError

CELLS: dict[str, type[Cell]] = {
    "elementwise": ElementwiseCell,
    "indrnn": IndRNNCell,
    "rnn": RNNCell,
    "gru": GRUCell,
    "lstm": LSTMCell,
    "layernorm-gru": LayerNormGRUCell,
    "layernorm-lstm": LayerNormLSTMCell,
}


def cell_name(cell: type[Cell]) -> str:
    """The text that stands for `cell` in a run folder: a shipped cell's short name, else the class's own name.

    Raises:
        ConfigError: a class of the user's has the name of a shipped cell, by which that one would be found again.

    Example:
        >>> cell_name(unspool.cells.LayerNormGRUCell)
        'layernorm-gru'
    """
    for name, shipped in CELLS.items():
        if shipped is cell:
            return name
    if cell.__name__ in CELLS:
        raise ConfigError(
            f"your class {cell.__name__!r} has the name of a cell of unspool's, so a run trained with it would be "
            f"loaded with {CELLS[cell.__name__].__name__}. Rename the class (unspool's names: {', '.join(CELLS)})"
        )
    return cell.__name__


def find_cell(name: str, given: Sequence[type[Cell]] = ()) -> type[Cell]:
    """The cell class that `name` stands for: one of the shipped names, or the class name of one of `given`.

    Nothing is imported: a user's own class has to be handed in.

    Raises:
        ConfigError: no such cell; the message prints the line that hands it in.

    Example:
        >>> class Mine(unspool.Cell):
        ...     pass
        >>> find_cell("gru"), find_cell("Mine", [Mine]) is Mine
        (<class 'unspool.cells.gru.GRUCell'>, True)
    """
    if name in CELLS:
        return CELLS[name]
    for cell in given:
        if cell.__name__ == name:
            return cell
    raise ConfigError(
        f"the cell {name!r} is not one of unspool's ({', '.join(CELLS)}). If it is a class of your own, hand it in: "
        f"--cell your_file.py:{name} on the command line, unspool.load(RUN, cells=[{name}]) in Python"
    )


def load_cell(spec: str) -> type[Cell]:
    """The cell class that `--cell` names: a shipped name, or `file.py:Class`, which runs that file.

    Raises:
        ConfigError: unknown name, missing file or class, or a class that is not a `Cell`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder, "mine.py")
        ...     _ = file.write_text("import unspool\\nclass Mine(unspool.Cell): ...")
        ...     load_cell(f"{file}:Mine").__name__, load_cell("lstm").__name__
        ('Mine', 'LSTMCell')
    """
    if ":" not in spec:
        return find_cell(spec)
    file, _, name = spec.rpartition(":")
    path = Path(file)
    if not path.is_file():
        raise ConfigError(f"--cell {spec}: there is no file {file!r}; expected path/to/file.py:ClassName")
    module_name = f"unspool_user_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    module_spec = importlib.util.spec_from_file_location(module_name, path)
    if module_spec is None or module_spec.loader is None:
        raise ConfigError(f"--cell {spec}: {file!r} is not a Python file; expected path/to/file.py:ClassName")
    module = importlib.util.module_from_spec(module_spec)
    sys.modules[module_name] = module
    try:
        module_spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ConfigError(f"--cell {spec}: running {file!r} failed: {type(error).__name__}: {error}") from error
    cell = getattr(module, name, None)
    if not (isinstance(cell, type) and issubclass(cell, Cell)):
        found = [k for k, v in vars(module).items() if isinstance(v, type) and issubclass(v, Cell) and v is not Cell]
        raise ConfigError(
            f"--cell {spec}: {file!r} has no unspool.Cell class {name!r}; it has: {', '.join(found) or 'none'}"
        )
    return cell
