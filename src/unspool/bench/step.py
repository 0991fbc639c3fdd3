"""A training step: outputs and all gradients, by name, and its count of operations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

GATES = {"lstm": 4, "gru": 3, "rnn": 1}
GRID = ((100, 32, 64), (100, 32, 128), (50, 64, 256), (50, 64, 512), (200, 16, 256), (100, 1, 256))
"""T, B, H; the inputs have H features."""


def grid(quick: bool) -> list[tuple[int, int, int]]:
    return [(100, 32, 64), (5, 1, 64)] if quick else list(GRID)


def operations(positions: int, gates: int, inputs: int, hidden: int) -> float:
    """Floating-point operations in the products of a training step: forward, and twice that backward.

    >>> operations(positions=100 * 32, gates=4, inputs=64, hidden=64) / 1e9
    0.6291456
    """
    return 3 * 2 * positions * gates * hidden * (inputs + hidden)


def gradients(
    outputs: Mapping[str, Tensor], leaves: Mapping[str, Tensor], cotangents: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The outputs, and the gradient of each leaf under the cotangents, as `d …`."""
    ends = [outputs[name] for name in cotangents]
    found = torch.autograd.grad(ends, list(leaves.values()), list(cotangents.values()))
    made = {name: value.detach() for name, value in outputs.items()}
    return made | {f"d {name}": value for name, value in zip(leaves, found, strict=True)}


def leaf(value: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """A copy of its own that wants a gradient."""
    return value.detach().to(dtype, copy=True).requires_grad_()


def flat_weights(module: nn.Module) -> dict[str, Tensor]:
    return dict(module.named_parameters())


def layer_step(
    net: nn.Module, x: Tensor, state: Sequence[Tensor], cotangents: Mapping[str, Tensor]
) -> Callable[[], dict[str, Tensor]]:
    """A step of a layer with the interface of `torch.nn`'s, in the type of its weights."""
    dtype = next(net.parameters()).dtype
    own, begin = leaf(x, dtype), [leaf(value, dtype) for value in state]
    weights = {name: value.to(dtype) for name, value in cotangents.items()}
    leaves = {"x": own, **{f"state {i}": value for i, value in enumerate(begin)}, **flat_weights(net)}
    given: Any = begin[0] if len(begin) == 1 else tuple(begin)

    def step() -> dict[str, Tensor]:
        y, final = net(own, given)
        finals = final if isinstance(final, tuple) else (final,)
        return gradients({"y": y, **{f"final {i}": v for i, v in enumerate(finals)}}, leaves, weights)

    return step
