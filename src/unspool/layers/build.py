"""`build_cell`: a cell of the size that a layer needs, with what is wrong with its options said in words."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from torch import nn

from unspool.cells import Cell, LinearIn
from unspool.errors import ConfigError, UnspoolError

CellFactory = Callable[..., Cell]


def build_cell(factory: CellFactory, input_size: int, hidden_size: int, /, **options: Any) -> Cell:
    """`factory(input_size, hidden_size, **options)`, with a `Linear` in front if the cell takes only I = H.

    Raises:
        ConfigError: an option that the factory does not take or cannot use, or what it makes is no cell.

    Example:
        >>> type(build_cell(unspool.cells.ElementwiseCell, 3, 4, nonlinearity="relu")).__name__
        'LinearIn'
    """
    if isinstance(factory, nn.Module) or not callable(factory):
        given = f"a {type(factory).__name__}" if isinstance(factory, nn.Module) else repr(factory)
        raise ConfigError(
            f"{given} is no class of cells; expected one, such as unspool.cells.GRUCell or your own: the layer "
            "builds the cells itself"
        )
    _check_options(factory, options)
    equal = getattr(_unwrapped(factory), "requires_equal_sizes", False)
    try:
        cell = factory(hidden_size if equal else input_size, hidden_size, **options)
    except UnspoolError:
        raise
    except (TypeError, ValueError) as error:
        if not options:  # no choice that was handed in is at fault, so the cell itself is
            raise
        raise ConfigError(
            f"{_call(factory, options)} failed: {type(error).__name__}: {error}; expected a value that "
            f"{_name(factory)} can use for {_listed(options)}"
        ) from error
    _check_made(factory, cell)
    return LinearIn(input_size, cell) if equal and input_size != hidden_size else cell


def with_options(factory: CellFactory, options: Mapping[str, Any]) -> CellFactory:
    """`factory`, its options given, so that they cannot be taken for those of the layer around it.

    Example:
        >>> lstm = with_options(unspool.cells.LSTMCell, {"peephole": True})
        >>> unspool.Recurrent([lstm, unspool.cells.GRUCell], 3, 4)(torch.randn(2, 5, 3))[0].shape
        torch.Size([2, 5, 4])
    """
    return lambda input_size, hidden_size: build_cell(factory, input_size, hidden_size, **options)


def _check_options(factory: CellFactory, options: dict[str, Any]) -> None:
    try:
        signature = inspect.signature(factory)
    except ValueError:  # a callable that does not say what it takes
        return
    parameters = signature.parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    taken = positional[2:] + [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    unknown = [name for name in options if name not in taken]
    if unknown and not any(p.kind is p.VAR_KEYWORD for p in parameters):
        raise ConfigError(
            f"{_name(factory)} has no option {_listed(unknown)}; it takes {_listed(taken)}. To give an option to one "
            f"cell of several, hand in functools.partial(ThatCell, {unknown[0]}=…)"
        )
    try:
        signature.bind("input_size", "hidden_size", **options)
    except TypeError as error:
        raise ConfigError(
            f"{_name(factory)} cannot be called as {_call(factory, options)}: {error}; expected a cell that is built "
            "from these two sizes, every further parameter having a default or being given as an option"
        ) from None


def _check_made(factory: CellFactory, cell: object) -> None:
    if not (isinstance(cell, nn.Module) and hasattr(cell, "initial_state") and hasattr(cell, "output_size")):
        raise ConfigError(
            f"{_name(factory)} makes a {type(cell).__module__}.{type(cell).__name__}, which is no unspool.Cell: it "
            "lacks initial_state or output_size. Use a cell of unspool.cells, or derive a class from unspool.Cell"
        )


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


def _call(factory: CellFactory, options: dict[str, Any]) -> str:
    return f"{_name(factory)}({', '.join(['input_size', 'hidden_size', *(f'{k}={v!r}' for k, v in options.items())])})"


def _unwrapped(factory: CellFactory) -> Any:
    return factory.func if isinstance(factory, functools.partial) else factory


def _name(factory: CellFactory) -> str:
    inner = _unwrapped(factory)
    return getattr(inner, "__name__", type(inner).__name__)
