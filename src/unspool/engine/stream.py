"""One cell over an endless sequence, a few steps at a time, without gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from unspool.cells.state import Tree, map_tensors, tensors
from unspool.engine import cpu, reference
from unspool.engine.choose import Choice
from unspool.graph.compile import Compiled


class CellStream(Protocol):
    """Steps of one cell, whose state it holds."""

    def push(self, x: Tensor) -> Tensor:
        """The outputs `[B, T, O]` of the next T ≥ 1 steps `x` `[B, T, I]`."""
        ...

    def step(self, x: Tensor) -> Tensor:
        """The output `[B, O]` of the next step `x` `[B, I]`."""
        ...

    def state(self) -> Tree:
        """The state after the last step."""
        ...


def cell_stream(choice: Choice, cell: Any, state: Tree, context: Tree) -> CellStream:
    """The stream of `cell` on the engine that was chosen for it."""
    if choice.program is None:
        return _ByReference(cell, state, context)
    return _ByProgram(*choice.program, state, context)


class _ByReference:
    def __init__(self, cell: Any, state: Tree, context: Tree) -> None:
        self._cell, self._state, self._context = cell, state, context

    def push(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y, self._state = reference.run(
                self._cell, x, self._state, self._context, None, reverse=False, truncate=None, checkpoint=None
            )
        return y

    def step(self, x: Tensor) -> Tensor:
        return self.push(x.unsqueeze(1)).squeeze(1)

    def state(self) -> Tree:
        return map_tensors(Tensor.clone, self._state)


class _ByProgram:
    """Weights, packed, and context are those of the moment at which the stream was made."""

    def __init__(self, compiled: Compiled, captured: Sequence[Tensor], state: Tree, context: Tree) -> None:
        self._built = state
        flat = tensors(state)
        self._batch, dtype = flat[0].shape[0], flat[0].dtype
        with torch.no_grad():
            weights = captured if compiled.once is None else compiled.once(*captured)
            self._states = [value.detach().clone(memory_format=torch.contiguous_format) for value in flat]
            fixed = [value.detach().to(dtype).clone(memory_format=torch.contiguous_format) for value in weights]
            rows = [value.detach().to(dtype).clone(memory_format=torch.contiguous_format) for value in tensors(context)]
        self._kept = fixed, rows  # the program reads them where they lie
        told = cpu.programs(compiled.program)
        self._output, self._dtype = told.output, dtype
        self._native = cpu.stream(told, self._states, rows, fixed, self._batch)

    def push(self, x: Tensor) -> Tensor:
        steps = x.shape[1]
        x = cpu.lined(x)
        y = torch.empty(self._batch, steps, self._output, dtype=self._dtype)
        self._native.push(*cpu.by_step(x), *cpu.by_step(y), steps)
        return y

    def step(self, x: Tensor) -> Tensor:
        if x.stride(1) != 1:
            x = x.contiguous()
        y = torch.empty(self._batch, self._output, dtype=self._dtype)
        self._native.push(x.data_ptr(), x.stride(0), 0, y.data_ptr(), self._output, 0, 1)
        return y

    def state(self) -> Tree:
        left = iter(self._states)
        return map_tensors(lambda _: next(left).clone(), self._built)
