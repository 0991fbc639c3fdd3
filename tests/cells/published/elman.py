"""Cells without gates: relatives of the Elman unit."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import unspool


class IndRNN(unspool.Cell):
    """Li, Li, Cook, Zhu & Gao 2018, "Independently recurrent neural network (IndRNN)"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.x = nn.Linear(input_size, hidden_size)
        self.u = nn.Parameter(torch.rand(hidden_size))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        h = torch.relu(self.x(x) + self.u * h)
        return h, h


class MultiplicativeIntegration(unspool.Cell):
    """Wu, Zhang, Zhang, Bengio & Salakhutdinov 2016, "On multiplicative integration with recurrent neural networks"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, hidden_size, bias=False)
        self.U = nn.Linear(hidden_size, hidden_size, bias=False)
        self.alpha = nn.Parameter(torch.ones(hidden_size))
        self.beta = nn.Parameter(torch.full((2, hidden_size), 0.5))
        self.bias = nn.Parameter(torch.zeros(hidden_size))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        wx, uh = self.W(x), self.U(h)
        h = torch.tanh(self.alpha * wx * uh + self.beta[0] * uh + self.beta[1] * wx + self.bias)
        return h, h


class MultiplicativeRNN(unspool.Cell):
    """Sutskever, Martens & Hinton 2011, "Generating text with recurrent neural networks"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.fx = nn.Linear(input_size, hidden_size, bias=False)
        self.hf = nn.Linear(hidden_size, hidden_size, bias=False)
        self.fh = nn.Linear(hidden_size, hidden_size, bias=False)
        self.hx = nn.Linear(input_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        f = self.fx(x) * self.hf(h)
        h = torch.tanh(self.fh(f) + self.hx(x))
        return h, h


class FastRNN(unspool.Cell):
    """Kusupati, Singh, Bhatia, Kumar, Jain & Varma 2018, "FastGRNN: a fast, accurate, stable and tiny … RNN"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, hidden_size)
        self.U = nn.Linear(hidden_size, hidden_size, bias=False)
        self.alpha = nn.Parameter(torch.tensor(-3.0))
        self.beta = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        candidate = torch.tanh(self.W(x) + self.U(h))
        h = torch.sigmoid(self.alpha) * candidate + torch.sigmoid(self.beta) * h
        return h, h


class SCRN(unspool.Cell):
    """Mikolov, Joulin, Chopra, Mathieu & Ranzato 2015, "Learning longer memory in recurrent neural networks"."""

    def __init__(self, input_size: int, hidden_size: int, slow: int = 5, alpha: float = 0.95) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, slow))
        self.alpha = alpha
        self.A = nn.Linear(input_size, hidden_size, bias=False)
        self.B = nn.Linear(input_size, slow, bias=False)
        self.P = nn.Linear(slow, hidden_size, bias=False)
        self.R = nn.Linear(hidden_size, hidden_size, bias=False)
        self.U = nn.Linear(hidden_size, hidden_size, bias=False)
        self.V = nn.Linear(slow, hidden_size, bias=False)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, s = state
        s = (1 - self.alpha) * self.B(x) + self.alpha * s
        h = torch.sigmoid(self.P(s) + self.A(x) + self.R(h))
        return torch.log_softmax(self.U(h) + self.V(s), dim=1), (h, s)


class OrthogonalRNN(unspool.Cell):
    """Helfrich, Willmott & Ye 2018, "Orthogonal recurrent neural networks with scaled Cayley transform"."""

    signs: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.x = nn.Linear(input_size, hidden_size, bias=False)
        self.a = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)
        self.bias = nn.Parameter(torch.zeros(hidden_size).uniform_(-0.1, 0.1))
        self.register_buffer("signs", torch.where(torch.arange(hidden_size) % 3 == 0, -1.0, 1.0))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        skew = self.a.triu(1) - self.a.triu(1).T
        one = torch.eye(self.hidden_size, dtype=skew.dtype)
        w = torch.linalg.solve(one + skew, one - skew) * self.signs
        z = self.x(x) + h @ w.T
        h = torch.sign(z) * torch.relu(z.abs() + self.bias)  # modReLU
        return h, h


class ExpRNN(unspool.Cell):
    """Lezcano-Casado & Martínez-Rubio 2019, "Cheap orthogonal constraints … the exponential map"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.x = nn.Linear(input_size, hidden_size)
        self.a = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        upper = self.a.triu(1)
        h = torch.tanh(self.x(x) + h @ torch.linalg.matrix_exp(upper - upper.T))
        return h, h


class ClockworkRNN(unspool.Cell):
    """Koutník, Greff, Gomez & Schmidhuber 2014, "A clockwork RNN"; the state counts the steps."""

    period: Tensor
    slower: Tensor

    def __init__(self, input_size: int, hidden_size: int, modules: int = 4) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, 1))
        self.x = nn.Linear(input_size, hidden_size)
        self.u = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)
        module = torch.arange(hidden_size) * modules // hidden_size
        self.register_buffer("period", 2.0**module)
        # A module reads those whose period is at least its own.
        self.register_buffer("slower", (module.unsqueeze(1) <= module.unsqueeze(0)).float())

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, t = state
        fresh = torch.tanh(self.x(x) + nn.functional.linear(h, self.u * self.slower))
        h = torch.where(t % self.period == 0, fresh, h)
        return h, (h, t + 1)


class SkipRNN(unspool.Cell):
    """Campos, Jou, Giró-i-Nieto, Torres & Chang 2018, "Skip RNN"; binarised with a straight-through gradient."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, 1))
        self.x = nn.Linear(input_size, hidden_size)
        self.h = nn.Linear(hidden_size, hidden_size, bias=False)
        self.p = nn.Linear(hidden_size, 1)

    def initial_state(self, batch: int, *, dtype: Any = None, device: Any = None) -> tuple[Tensor, Tensor]:
        h, soft = super().initial_state(batch, dtype=dtype, device=device)
        return h, torch.ones_like(soft)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, soft = state
        u = soft + (soft.round() - soft).detach()
        h = u * torch.tanh(self.x(x) + self.h(h)) + (1 - u) * h
        delta = torch.sigmoid(self.p(h))
        soft = u * delta + (1 - u) * (soft + torch.minimum(delta, 1 - soft))
        return h, (h, soft)


class RecurrentHighway(unspool.Cell):
    """Zilly, Srivastava, Koutník & Schmidhuber 2017, "Recurrent highway networks"; carry gate 1 - t."""

    def __init__(self, input_size: int, hidden_size: int, depth: int = 3) -> None:
        super().__init__(input_size, hidden_size)
        self.x = nn.Linear(input_size, 2 * hidden_size, bias=False)
        self.s = nn.ModuleList(nn.Linear(hidden_size, 2 * hidden_size) for _ in range(depth))

    def forward(self, x: Tensor, s: Tensor) -> tuple[Tensor, Tensor]:
        for depth, layer in enumerate(self.s):
            h, t = (layer(s) + self.x(x) if depth == 0 else layer(s)).chunk(2, 1)
            t = torch.sigmoid(t)
            s = torch.tanh(h) * t + s * (1 - t)
        return s, s
