"""`Cell`: one transition function, applied at every step with the same parameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from unspool.cells.state import Tree
from unspool.errors import ConfigError, one_of

INITIAL_STATES = ("zeros", "learned")


class Cell(nn.Module):
    """Base class of every cell, shipped or written by a user.

    A cell is the step of a recurrent network, for a batch of independent rows::

        y_t, s_t = f(x_t, s_{t-1}; θ)

    Subclasses define `forward(x, state)` or `forward(x, state, context)` and return `(output, next_state)`:

    - `x`: `[B, I]`, the input of one step;
    - `state`: one tensor `[B, H]`, or a tuple of tensors `[B, state_sizes[i]]`; a cell with another one, such as a
      matrix a row, `[B, H, H]`, makes it in an `initial_state` of its own. Any tree of tensors with B rows will do;
      the first tensor is the hidden state, of which an encoder makes its vector and attention its query;
    - `context`: whatever stays constant in time (an encoder vector, an attention memory, …): a tensor or a
      tuple or dict of tensors, each with one row per sequence;
    - `output`: `[B, output_size]`.

    A step is pure: no randomness, no mutation, no mixing of rows. A cell that supports recurrent dropout names a
    further keyword `mask`, of the shape of the first state tensor, to be multiplied into the hidden state where it
    enters a product.

    Args:
        input_size: I, features of one step.
        hidden_size: H, hidden units.
        state_sizes: width of each state tensor; `None` means one tensor of width H (not a tuple).
        output_size: width of the output; H unless given.
        initial_state: `"zeros"`, or `"learned"` (a parameter per state tensor, shared by all rows). A state
            *given* to `unfold` or to a layer replaces either.

    Example:
        >>> class Leaky(unspool.Cell):
        ...     def __init__(self, input_size, hidden_size):
        ...         super().__init__(input_size, hidden_size)
        ...         self.x = torch.nn.Linear(input_size, hidden_size)
        ...     def forward(self, x, h):
        ...         h = 0.9 * h + 0.1 * torch.tanh(self.x(x))
        ...         return h, h
        >>> y, h = unspool.unfold(Leaky(3, 4), torch.randn(2, 5, 3))
        >>> y.shape, h.shape
        (torch.Size([2, 5, 4]), torch.Size([2, 4]))
    """

    requires_equal_sizes: ClassVar[bool] = False
    """True for a cell that works only with I = H. Layers then put a `Linear` in front where sizes differ."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        state_sizes: Sequence[int] | None = None,
        output_size: int | None = None,
        initial_state: str = "zeros",
    ) -> None:
        super().__init__()
        for name, size in (("input_size", input_size), ("hidden_size", hidden_size)):
            if not isinstance(size, int) or isinstance(size, bool) or size < 1:
                raise ConfigError(f"{type(self).__name__}: {name} is {size!r}; expected a whole number of at least 1")
        if initial_state not in INITIAL_STATES:
            raise ConfigError(
                f"{type(self).__name__}: initial_state is {initial_state!r}; expected {one_of(INITIAL_STATES)} "
                "(to give a state, pass it to unfold or to the layer)"
            )
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.state_sizes = None if state_sizes is None else tuple(state_sizes)
        self.output_size = hidden_size if output_size is None else output_size
        self.learned_state: nn.ParameterList | None = None
        if initial_state == "learned":
            widths = (hidden_size,) if self.state_sizes is None else self.state_sizes
            self.learned_state = nn.ParameterList(nn.Parameter(torch.zeros(width)) for width in widths)

    def initial_state(
        self, batch: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Tree:
        """The state before the first step: `[batch, H]`, or a tuple `[batch, state_sizes[i]]`; zeros or learned."""
        if self.learned_state is not None:
            # `expand`, not `repeat`: the gradient of the parameter is the sum over the rows.
            states = tuple(value.to(device, dtype).expand(batch, -1) for value in self.learned_state)
        else:
            widths = (self.hidden_size,) if self.state_sizes is None else self.state_sizes
            states = tuple(torch.zeros(batch, width, dtype=dtype, device=device) for width in widths)
        return states[0] if self.state_sizes is None else states

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}"


def dropped(hidden: Tensor, mask: Tensor | None) -> Tensor:
    """`hidden` as it enters a recurrent product: times the recurrent dropout mask, if there is one."""
    return hidden if mask is None else hidden * mask


def step_name(step: object) -> str:
    """What messages call a step function: its class, or the one it stands for (`called`)."""
    return getattr(step, "called", type(step).__name__)
