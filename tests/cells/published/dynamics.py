"""Cells that are steps of a differential equation."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import unspool

Pair = tuple[Tensor, Tensor]


class AntisymmetricRNN(unspool.Cell):
    """Chang, Chen, Haber & Chi 2019, "AntisymmetricRNN: a dynamical system view on … networks"; gated."""

    def __init__(self, input_size: int, hidden_size: int, step: float = 0.1, diffusion: float = 0.01) -> None:
        super().__init__(input_size, hidden_size)
        self.step, self.diffusion = step, diffusion
        self.w = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)
        self.v = nn.Linear(input_size, hidden_size)
        self.v_z = nn.Linear(input_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        a = h @ (self.w - self.w.T - self.diffusion * torch.eye(self.hidden_size, dtype=h.dtype)).T
        h = h + self.step * torch.sigmoid(a + self.v_z(x)) * torch.tanh(a + self.v(x))
        return h, h


class LipschitzRNN(unspool.Cell):
    """Erichson, Azencot, Queiruga, Hodgkinson & Mahoney 2021, "Lipschitz recurrent neural networks"."""

    def __init__(self, input_size: int, hidden_size: int, beta: float = 0.75, gamma: float = 0.001) -> None:
        super().__init__(input_size, hidden_size)
        self.beta, self.gamma = beta, gamma
        self.m_a = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)
        self.m_w = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)
        self.u = nn.Linear(input_size, hidden_size)

    def _matrix(self, m: Tensor) -> Tensor:
        one = torch.eye(self.hidden_size, dtype=m.dtype)
        return (1 - self.beta) * (m + m.T) + self.beta * (m - m.T) - self.gamma * one

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        a, w = self._matrix(self.m_a), self._matrix(self.m_w)
        h = h + 0.03 * (h @ a.T + torch.tanh(h @ w.T + self.u(x)))
        return h, h


class CoRNN(unspool.Cell):
    """Rusch & Mishra 2021, "Coupled oscillatory recurrent neural network (coRNN)"."""

    def __init__(self, input_size: int, hidden_size: int, dt: float = 0.1, gamma: float = 2.7, eps: float = 4) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.dt, self.gamma, self.eps = dt, gamma, eps
        self.W = nn.Linear(input_size + 2 * hidden_size, hidden_size)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        y, z = state
        force = torch.tanh(self.W(torch.cat([x, z, y], 1)))
        z = z + self.dt * (force - self.gamma * y - self.eps * z)
        y = y + self.dt * z
        return y, (y, z)


class UnICORNN(unspool.Cell):
    """Rusch & Mishra 2021, "UnICORNN: a recurrent model for learning very long time dependencies"."""

    def __init__(self, input_size: int, hidden_size: int, dt: float = 0.2, alpha: float = 0.9) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.dt, self.alpha = dt, alpha
        self.v = nn.Linear(input_size, hidden_size)
        self.w = nn.Parameter(torch.rand(hidden_size))
        self.c = nn.Parameter(torch.randn(hidden_size) / 10)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        y, z = state
        step = self.dt * torch.sigmoid(self.c)
        z = z - step * (torch.tanh(self.w * y + self.v(x)) + self.alpha * y)
        y = y + step * z
        return y, (y, z)


class LEM(unspool.Cell):
    """Rusch, Mishra, Erichson & Mahoney 2022, "Long expressive memory for sequence modeling"."""

    def __init__(self, input_size: int, hidden_size: int, dt: float = 1.0) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.dt = dt
        self.x = nn.Linear(input_size, 4 * hidden_size)
        self.y = nn.Linear(hidden_size, 3 * hidden_size)
        self.z = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        y, z = state
        x_1, x_2, x_z, x_y = self.x(x).chunk(4, 1)
        y_1, y_2, y_z = self.y(y).chunk(3, 1)
        slow, fast = self.dt * torch.sigmoid(x_1 + y_1), self.dt * torch.sigmoid(x_2 + y_2)
        z = (1 - fast) * z + fast * torch.tanh(x_z + y_z)
        y = (1 - slow) * y + slow * torch.tanh(x_y + self.z(z))
        return y, (y, z)


class LTC(unspool.Cell):
    """Hasani, Lechner, Amini, Rus & Grosu 2021, "Liquid time-constant networks"; the fused solver, unrolled."""

    def __init__(self, input_size: int, hidden_size: int, unfolds: int = 3) -> None:
        super().__init__(input_size, hidden_size)
        self.unfolds = unfolds
        self.f = nn.Linear(input_size + hidden_size, hidden_size)
        self.a = nn.Parameter(torch.randn(hidden_size))
        self.tau = nn.Parameter(torch.rand(hidden_size))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        dt = 1 / self.unfolds
        for _ in range(self.unfolds):
            f = torch.sigmoid(self.f(torch.cat([x, h], 1)))
            h = (h + dt * f * self.a) / (1 + dt * (1 / (1 + self.tau.abs()) + f))
        return h, h


class CfC(unspool.Cell):
    """Hasani, Lechner, Amini, et al. 2022, "Closed-form continuous-time neural networks"; x[:, -1] is the time gone."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.backbone = nn.Sequential(nn.Linear(input_size - 1 + hidden_size, hidden_size), nn.SiLU())
        self.f = nn.Linear(hidden_size, hidden_size)
        self.g = nn.Linear(hidden_size, hidden_size)
        self.h = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        features = self.backbone(torch.cat([x[:, :-1], h], 1))
        t = torch.sigmoid(-self.f(features) * x[:, -1:])
        h = t * torch.tanh(self.g(features)) + (1 - t) * torch.tanh(self.h(features))
        return h, h


class LMU(unspool.Cell):
    """Voelker, Kajić & Eliasmith 2019, "Legendre memory units"; zero-order hold over `theta` steps."""

    A: Tensor
    B: Tensor

    def __init__(self, input_size: int, hidden_size: int, order: int = 7, theta: float = 20) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, order))
        self.e_x = nn.Linear(input_size, 1, bias=False)
        self.e_h = nn.Linear(hidden_size, 1, bias=False)
        self.e_m = nn.Linear(order, 1, bias=False)
        self.W = nn.Linear(input_size + hidden_size + order, hidden_size)
        i, j = torch.arange(order).unsqueeze(1), torch.arange(order).unsqueeze(0)
        sign = torch.where(i < j, -1.0, (-1.0) ** (i - j + 1))
        joint = torch.zeros(order + 1, order + 1)
        joint[:-1, :-1] = (2 * i + 1) * sign / theta
        joint[:-1, -1:] = (2 * i + 1) * (-1.0) ** i / theta
        held = torch.linalg.matrix_exp(joint)
        self.register_buffer("A", held[:-1, :-1].clone())
        self.register_buffer("B", held[:-1, -1].clone())

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, m = state
        u = self.e_x(x) + self.e_h(h) + self.e_m(m)
        m = m @ self.A.T + u * self.B
        h = torch.tanh(self.W(torch.cat([x, h, m], 1)))
        return h, (h, m)
