"""`Repeated`: rows that are those of a smaller tensor, again and again, multiplied once each; and for which cells."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils._pytree import tree_flatten, tree_map

from unspool.cells.state import Tree, kinds, map_tensors, tensors
from unspool.engine.check import difference, with_gradients
from unspool.engine.choose import unfit
from unspool.graph.capture import inventory
from unspool.graph.unchanged import unchanged

PRODUCTS = (F.linear, Tensor.matmul, Tensor.__matmul__, torch.matmul, Tensor.mm, torch.mm)
PARTS = (Tensor.chunk, Tensor.split, Tensor.unbind, torch.chunk, torch.split, torch.unbind)
ATTRIBUTES = ("shape", "dtype", "device", "ndim", "layout", "requires_grad", "is_cpu")
ABOUT = (
    *(getattr(Tensor, name).__get__ for name in ATTRIBUTES),
    Tensor.dim, Tensor.size, Tensor.numel, Tensor.is_floating_point, Tensor.is_complex, Tensor.__len__,
)  # fmt: skip
"""What is asked about a tensor, and not of its numbers."""


class Repeated(Tensor):
    """`few[rows]`, as a tensor whose products with a matrix are worked out for `few` alone: (few W)[rows].

    Functions of PyTorch take it for what it stands for, and differentiate it. A product of it is one again, so are the
    parts into which that is cut; whatever else is worked out, is so for each row. With R rows of U different ones a
    cell's step costs U products in place of R, and the sums and nonlinearities of R. What a step writes into a view of
    it, or hooks on it, are lost: ask `repeats` of the cell before.

    Args:
        few: `[U, …]`.
        rows: int64 `[R]`, each below U.

    Example:
        >>> x, h = torch.randn(2, 3), torch.randn(6, 4)
        >>> cell, rows = unspool.cells.GRUCell(3, 4), torch.tensor([0, 0, 0, 1, 1, 1])
        >>> torch.allclose(cell(Repeated(x, rows), h)[0], cell(x[rows], h)[0])
        True
    """

    few: Tensor
    rows: Tensor

    def __new__(cls, few: Tensor, rows: Tensor) -> Repeated:
        return _Repeat.apply(few, rows)

    def __init__(self, few: Tensor, rows: Tensor) -> None:
        """Of the tensor that `__new__` gave, which forgets what it was made from."""
        self.few, self.rows = few, rows

    def whole(self) -> Tensor:
        """`few[rows]`: `[R, …]`."""
        return self.few.index_select(0, self.rows)

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in ABOUT:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        if _of_each_row(func, args, kwargs):
            first, *others = args
            made = func(first.few, *others, **kwargs)
            return tree_map(lambda value: cls(value, first.rows), made)
        return _of_the_whole(func, args, kwargs)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """What comes by another way than a function of PyTorch, as from a `torch.autograd.Function`."""
        return _of_the_whole(func, args, kwargs or {})


_repeats: OrderedDict[Any, bool] = OrderedDict()
MOST = 256
"""Structures of cells that are remembered."""


def repeats(cell: Any, width: int, state: Tree) -> bool:
    """Whether `cell`, in training, takes steps from `Repeated` rows: outputs, states and all gradients of a few rows
    are then those of plain ones. Tried once for each structure of a cell.

    Not where a tensor is the engine's no more: under a transform of `torch.func`, autocast, or while compiling.

    Args:
        cell: with the contract of `Cell`.
        width: I, of what it reads.
        state: that of a call, of at least one row.

    Example:
        >>> repeats(unspool.cells.GRUCell(3, 4), 3, torch.zeros(2, 4))
        True
    """
    held = inventory(cell)
    if not torch.is_grad_enabled() or unfit([*tensors(state), *held.tensors.values()]) is not None:
        return False
    key = held.fingerprint, width, kinds(state, False)
    if key not in _repeats:
        try:
            _repeats[key] = _alike(cell, width, state)
        except Exception:  # whatever a step of a user's may raise: it is asked for plain rows then, which say so
            _repeats[key] = False
        if len(_repeats) > MOST:
            _repeats.popitem(last=False)
    return _repeats[key]


def _alike(cell: Any, width: int, state: Tree) -> bool:
    rows, near = torch.tensor([0, 2, 2, 1, 0]), tensors(state)[0]
    drawn = torch.Generator().manual_seed(0)

    def few(value: Tensor) -> Tensor:
        own = value[torch.arange(3) % len(value)].detach()
        return (own + torch.rand(own.shape, generator=drawn, dtype=own.dtype)) if own.is_floating_point() else own

    x, states = few(near.new_zeros(3, width)), map_tensors(few, state)
    leaves = [value.requires_grad_() for value in (x, *tensors(states)) if value.is_floating_point()]
    leaves += [value for value in inventory(cell).tensors.values() if value.requires_grad]
    with unchanged(cell):
        made = cell(Repeated(x, rows), map_tensors(lambda value: Repeated(value, rows), states))
        got = with_gradients(made, leaves)
        plain = with_gradients(cell(x[rows], map_tensors(lambda value: value[rows], states)), leaves)
    whole = [(name, value.whole() if isinstance(value, Repeated) else value) for name, value in got]
    return all(bool(v.isfinite().all()) for _, v in plain if v is not None) and difference(whole, plain) is None


class _Repeat(torch.autograd.Function):
    """A `Repeated` that passes gradients on to what it repeats, by whichever way they come."""

    @staticmethod
    def forward(ctx: Any, few: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = few.shape
        made = Tensor._make_wrapper_subclass(Repeated, (len(rows), *few.shape[1:]), dtype=few.dtype, device=few.device)
        made.few, made.rows = few, rows
        return made

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (rows,) = ctx.saved_tensors
        return grads[0].new_zeros(ctx.shape).index_add(0, rows, grads[0]), None


def _of_each_row(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether `func` of the first argument, repeated, is that of the rows, repeated."""
    given = tree_flatten((args, kwargs))[0]
    if not isinstance(args[0] if args else None, Repeated) or sum(isinstance(value, Repeated) for value in given) > 1:
        return False
    if func in PRODUCTS:
        return args[0].dim() > 1 and (func is F.linear or _is_matrix(args, kwargs))
    return func in PARTS and _dimension(func, args, kwargs) % args[0].dim() != 0


def _is_matrix(args: Any, kwargs: Any) -> bool:
    return len(args) == 2 and not kwargs and isinstance(args[1], Tensor) and args[1].dim() <= 2


def _dimension(func: Any, args: Any, kwargs: Any) -> int:
    """Along which `func` cuts."""
    place = 1 if func in (Tensor.unbind, torch.unbind) else 2
    return args[place] if len(args) > place else kwargs.get("dim", 0)


def _of_the_whole(func: Any, args: Any, kwargs: Any) -> Any:
    """`func` of what the repeated ones stand for; one that it changed in place is what it was changed to."""
    wholes: list[tuple[Repeated, Tensor]] = []

    def whole(value: Any) -> Any:
        if not isinstance(value, Repeated):
            return value
        wholes.append((value, value.whole()))
        return wholes[-1][1]

    made = func(*tree_map(whole, args), **tree_map(whole, kwargs))
    for value, rows in wholes:
        if rows._version:
            value.few, value.rows = rows, torch.arange(len(rows), device=rows.device)
    return made
