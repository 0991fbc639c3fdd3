"""State is a value: a tensor, or a tuple or dict of values, every tensor with one row per sequence.

These few functions are all that the rest of unspool needs to take a state apart and put it together again.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any, TypeAlias

import torch
from torch import Tensor

Tree: TypeAlias = Any
"""A tensor, None, or a tuple, list or dict of trees."""


def map_tensors(function: Callable[..., Tensor], tree: Tree, *others: Tree) -> Tree:
    """Apply `function` to each tensor of `tree` (and to its counterparts in `others`), keeping the structure.

    >>> map_tensors(lambda h: h + 1, (torch.zeros(2), {"memory": torch.ones(1)}))
    (tensor([1., 1.]), {'memory': tensor([2.])})
    """
    if tree is None:
        return None
    if isinstance(tree, Tensor):
        return function(tree, *others)
    if isinstance(tree, dict):
        return {key: map_tensors(function, tree[key], *(other[key] for other in others)) for key in tree}
    if isinstance(tree, (tuple, list)):
        made = [map_tensors(function, *parts) for parts in zip(tree, *others, strict=True)]
        return type(tree)(*made) if hasattr(tree, "_fields") else tuple(made)  # a named tuple keeps its names
    raise TypeError(
        f"a state or context may hold tensors, tuples, dicts and None, but holds {type(tree).__name__}; "
        "turn the value into a tensor with one row per sequence, or keep it as an attribute of the cell"
    )


def tensors(tree: Tree) -> list[Tensor]:
    """The tensors of `tree`, left to right.

    >>> [value.shape for value in tensors((torch.zeros(2, 4), {"memory": torch.ones(2, 7, 3)}))]
    [torch.Size([2, 4]), torch.Size([2, 7, 3])]
    """
    if isinstance(tree, Tensor):
        return [tree]
    if isinstance(tree, dict):
        tree = tuple(tree.values())
    if isinstance(tree, (tuple, list)):
        return [value for part in tree for value in tensors(part)]
    return []


def layout(tree: Tree) -> str:
    """How `tree` is built, as text, whatever its number of rows. The order of a dict counts: it says what comes first.

    >>> layout((torch.zeros(2, 4), {"memory": torch.ones(2, 7, 3)}))
    '([B, 4], {memory: [B, 7, 3]})'
    """
    if isinstance(tree, Tensor):
        return f"[{', '.join(['B', *map(str, tree.shape[1:])])}]"
    if isinstance(tree, dict):
        return "{" + ", ".join(f"{key}: {layout(tree[key])}" for key in tree) + "}"
    if isinstance(tree, (tuple, list)):
        return f"({', '.join(map(layout, tree))})"
    return str(tree)


def kinds(tree: Tree, wanted: bool) -> Any:
    """How `tree` is built, to compare and not to read: for each tensor the shape of a row, its type, and if `wanted`
    whether it requires a gradient.

    >>> kinds((torch.zeros(2, 4),), True)
    ((torch.Size([4]), torch.float32, False),)
    """
    if isinstance(tree, Tensor):
        return tree.shape[1:], tree.dtype, wanted and tree.requires_grad
    if isinstance(tree, dict):
        return tuple([(key, kinds(part, wanted)) for key, part in tree.items()])
    if isinstance(tree, (tuple, list)):
        return tuple([kinds(part, wanted) for part in tree])
    return type(tree)


def flat_rows(value: Tensor) -> Tensor:
    """`value` `[B, …]` with the numbers of each row in one line, `[B, numbers]`; also for B = 0 and for `[B]`.

    >>> flat_rows(torch.zeros(2, 3, 4)).shape
    torch.Size([2, 12])
    """
    return value.reshape(value.shape[0], math.prod(value.shape[1:]))


def select_rows(tree: Tree, rows: Tensor) -> Tree:
    """The rows `rows` (int64 `[R]`) of every tensor: reorders, repeats or drops sequences.

    >>> select_rows((torch.tensor([[1], [2]]),), torch.tensor([1, 1, 0]))
    (tensor([[2],
            [2],
            [1]]),)
    """
    return map_tensors(lambda value: value.index_select(0, rows.to(value.device)), tree)


def cat_rows(trees: list[Tree]) -> Tree:
    """Join states of several batches into the state of one batch; the inverse of `split_rows`.

    >>> cat_rows([(torch.zeros(1, 4),), (torch.zeros(2, 4),)])[0].shape
    torch.Size([3, 4])
    """
    return map_tensors(lambda *parts: torch.cat(parts), *trees)


def split_rows(tree: Tree, sizes: list[int]) -> list[Tree]:
    """Split the state of one batch into states of `sizes[i]` rows each.

    >>> [h.tolist() for (h,) in split_rows((torch.tensor([1, 2, 3]),), [1, 2])]
    [[1], [2, 3]]
    """
    bounds = [sum(sizes[:i]) for i in range(len(sizes) + 1)]
    return [map_tensors(lambda v, a=a, b=b: v[a:b], tree) for a, b in pairwise(bounds)]
