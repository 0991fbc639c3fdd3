"""Cells whose products see only the input: what stays in the loop is elementwise."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import unspool

Pair = tuple[Tensor, Tensor]


class SRU(unspool.Cell):
    """Lei, Zhang, Wang, Dai & Artzi 2018, "Simple recurrent units for highly parallelizable recurrence"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, 4 * hidden_size, bias=False)  # the fourth is the skip's projection
        self.v = nn.Parameter(torch.randn(2, hidden_size) / 10)
        self.b = nn.Parameter(torch.zeros(2, hidden_size))

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        value, f, r, skip = self.W(x).chunk(4, 1)
        f = torch.sigmoid(f + self.v[0] * c + self.b[0])
        r = torch.sigmoid(r + self.v[1] * c + self.b[1])
        c = f * c + (1 - f) * value
        return r * c + (1 - r) * skip, c


class QRNN(unspool.Cell):
    """Bradbury, Merity, Xiong & Socher 2017, "Quasi-recurrent neural networks"; window 2, fo-pooling."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, input_size))
        self.now = nn.Linear(input_size, 3 * hidden_size)
        self.before = nn.Linear(input_size, 3 * hidden_size, bias=False)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        c, previous = state
        z, f, o = (self.now(x) + self.before(previous)).chunk(3, 1)
        f = torch.sigmoid(f)
        c = f * c + (1 - f) * torch.tanh(z)
        return torch.sigmoid(o) * c, (c, x)


class RAN(unspool.Cell):
    """Lee, Levy & Zettlemoyer 2017, "Recurrent additive networks"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.c = nn.Linear(input_size, hidden_size, bias=False)
        self.i = nn.Linear(hidden_size + input_size, hidden_size)
        self.f = nn.Linear(hidden_size + input_size, hidden_size)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, c = state
        seen = torch.cat([h, x], 1)
        c = torch.sigmoid(self.i(seen)) * self.c(x) + torch.sigmoid(self.f(seen)) * c
        h = torch.tanh(c)
        return h, (h, c)


class RWKV(unspool.Cell):
    """Peng, Alcaide, Anthony, et al. 2023, "RWKV: reinventing RNNs for the transformer era": time mixing."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size, hidden_size, input_size))
        self.mix = nn.Parameter(torch.rand(3, input_size))
        self.r, self.k, self.v = (nn.Linear(input_size, hidden_size, bias=False) for _ in range(3))
        self.o = nn.Linear(hidden_size, hidden_size, bias=False)
        self.decay = nn.Parameter(torch.linspace(-3, 1, hidden_size))
        self.bonus = nn.Parameter(torch.rand(hidden_size))

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        top, bottom, largest, previous = state
        r, k, v = (
            layer(torch.lerp(previous, x, mix))
            for layer, mix in zip((self.r, self.k, self.v), self.mix.unbind(0), strict=True)
        )
        here = torch.maximum(largest, k + self.bonus)
        old, new = torch.exp(largest - here), torch.exp(k + self.bonus - here)
        wkv = (old * top + new * v) / (old * bottom + new)
        decayed = largest - self.decay.exp()
        largest = torch.maximum(decayed, k)
        old, new = torch.exp(decayed - largest), torch.exp(k - largest)
        return self.o(torch.sigmoid(r) * wkv), (old * top + new * v, old * bottom + new, largest, x)


class Mamba(unspool.Cell):
    """Gu & Dao 2023, "Mamba: linear-time sequence modeling with selective state spaces": the selective scan, S6."""

    def __init__(self, input_size: int, hidden_size: int, states: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.states = states
        self.u = nn.Linear(input_size, hidden_size)
        self.bc = nn.Linear(hidden_size, 2 * states, bias=False)
        self.dt = nn.Linear(hidden_size, hidden_size)
        self.log_a = nn.Parameter(torch.arange(1.0, states + 1).log().repeat(hidden_size, 1))
        self.d = nn.Parameter(torch.ones(hidden_size))

    def initial_state(
        self, batch: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> Tensor:
        return torch.zeros(batch, self.hidden_size, self.states, dtype=dtype, device=device)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        u = nn.functional.silu(self.u(x))
        b, c = self.bc(u).chunk(2, 1)
        dt = nn.functional.softplus(self.dt(u)).unsqueeze(2)
        h = torch.exp(-dt * self.log_a.exp()) * h + dt * b.unsqueeze(1) * u.unsqueeze(2)
        y = torch.einsum("bdn,bn->bd", h, c) + self.d * u
        return y, h


class GriffinRGLRU(unspool.Cell):
    """De, Smith, Fernando, et al. 2024, "Griffin: mixing gated linear recurrences with local attention": RG-LRU."""

    def __init__(self, input_size: int, hidden_size: int, c: float = 8.0) -> None:
        super().__init__(input_size, hidden_size)
        self.c = c
        self.x = nn.Linear(input_size, hidden_size)
        self.r = nn.Linear(input_size, hidden_size)
        self.i = nn.Linear(input_size, hidden_size)
        self.decay = nn.Parameter(torch.linspace(0.5, 4, hidden_size))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        log_a = self.c * torch.sigmoid(self.r(x)) * nn.functional.logsigmoid(self.decay)
        h = log_a.exp() * h + torch.sqrt(-torch.expm1(2 * log_a)) * (torch.sigmoid(self.i(x)) * self.x(x))
        return h, h
