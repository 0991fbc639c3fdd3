"""Cells with one hidden state and gates on it: relatives of the gated recurrent unit."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import unspool


class MGU(unspool.Cell):
    """Zhou, Wu, Zhang & Zhou 2016, "Minimal gated unit for recurrent neural networks"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.f = nn.Linear(hidden_size + input_size, hidden_size)
        self.h = nn.Linear(hidden_size + input_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        f = torch.sigmoid(self.f(torch.cat([h, x], 1)))
        candidate = torch.tanh(self.h(torch.cat([f * h, x], 1)))
        h = (1 - f) * h + f * candidate
        return h, h


class UGRNN(unspool.Cell):
    """Collins, Sohl-Dickstein & Sussillo 2017, "Capacity and trainability in RNNs": the update-gate RNN."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.x = nn.Linear(input_size, 2 * hidden_size)
        self.h = nn.Linear(hidden_size, 2 * hidden_size, bias=False)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        c, g = (self.x(x) + self.h(h)).chunk(2, 1)
        g = torch.sigmoid(g + 1)
        h = g * h + (1 - g) * torch.tanh(c)
        return h, h


class LiGRU(unspool.Cell):
    """Ravanelli, Brakel, Omologo & Bengio 2018, "Light gated recurrent units for speech recognition"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.x = nn.Linear(input_size, 2 * hidden_size, bias=False)
        self.h = nn.Linear(hidden_size, 2 * hidden_size, bias=False)
        self.norm = nn.LayerNorm(2 * hidden_size)  # the paper's batch normalisation would mix rows

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        z, a = (self.norm(self.x(x)) + self.h(h)).chunk(2, 1)
        z = torch.sigmoid(z)
        h = z * h + (1 - z) * torch.relu(a)
        return h, h


class MUT1(unspool.Cell):
    """Jozefowicz, Zaremba & Sutskever 2015, "An empirical exploration of recurrent network architectures"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.project = nn.Linear(input_size, hidden_size, bias=False)
        self.z = nn.Linear(hidden_size, hidden_size)
        self.r_x = nn.Linear(hidden_size, hidden_size)
        self.r_h = nn.Linear(hidden_size, hidden_size, bias=False)
        self.h = nn.Linear(hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        x = self.project(x)
        z = self.z(x).sigmoid()
        r = (self.r_x(x) + self.r_h(h)).sigmoid()
        h = (self.h(r * h) + x.tanh()).tanh() * z + h * (1 - z)
        return h, h


class STAR(unspool.Cell):
    """Turkoglu, D'Aronco, Wegner & Schindler 2021, "Gating revisited: deep multi-layer RNNs that can be trained"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.z = nn.Linear(input_size, hidden_size)
        self.k = nn.Linear(input_size + hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.tanh(self.z(x))
        k = torch.sigmoid(self.k(torch.cat((x, h), dim=-1)))
        h = torch.tanh((1 - k) * h + k * z)
        return h, h


class FastGRNN(unspool.Cell):
    """Kusupati, Singh, Bhatia, Kumar, Jain & Varma 2018, "FastGRNN: a fast, accurate, stable and tiny … RNN"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(input_size, hidden_size, bias=False)
        self.U = nn.Linear(hidden_size, hidden_size, bias=False)
        self.b_z = nn.Parameter(torch.ones(hidden_size))
        self.b_h = nn.Parameter(torch.ones(hidden_size))
        self.zeta = nn.Parameter(torch.tensor(1.0))
        self.nu = nn.Parameter(torch.tensor(-4.0))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        shared = self.W(x) + self.U(h)
        z = torch.sigmoid(shared + self.b_z)
        candidate = torch.tanh(shared + self.b_h)
        h = (torch.sigmoid(self.zeta) * (1 - z) + torch.sigmoid(self.nu)) * candidate + z * h
        return h, h


class MinGRU(unspool.Cell):
    """Feng, Tung, Ahmed, Bengio & Hajimirsadeghi 2024, "Were RNNs all we needed?"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.z = nn.Linear(input_size, hidden_size)
        self.h = nn.Linear(input_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.sigmoid(self.z(x))
        h = torch.lerp(h, self.h(x), z)
        return h, h


class GroupGRU(unspool.Cell):
    """Kuchaiev & Ginsburg 2017, "Factorization tricks for LSTM networks": a block-diagonal recurrent matrix."""

    def __init__(self, input_size: int, hidden_size: int, groups: int = 4) -> None:
        super().__init__(input_size, hidden_size)
        self.groups, size = groups, hidden_size // groups
        self.x = nn.Linear(input_size, 3 * hidden_size)
        self.u = nn.Parameter(torch.randn(groups, size, 3 * size) / size**0.5)

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        heads = h.view(-1, self.groups, self.hidden_size // self.groups)
        xr, xz, xn = self.x(x).view(-1, self.groups, self.u.shape[2]).chunk(3, -1)
        hr, hz, hn = torch.einsum("bgi,gio->bgo", heads, self.u).chunk(3, -1)
        r, z = torch.sigmoid(xr + hr), torch.sigmoid(xz + hz)
        h = ((1 - z) * torch.tanh(xn + r * hn) + z * heads).flatten(1)
        return h, h


class GRUD(unspool.Cell):
    """Che, Purushotham, Cho, Sontag & Liu 2018, "Recurrent neural networks for multivariate time series with missing
    values"; x holds a value, a mask (1 where it was observed) and the time since the last observation, side by side."""

    mean: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, input_size // 3))
        self.features = input_size // 3
        self.decay_x = nn.Parameter(torch.rand(self.features))
        self.decay_x_bias = nn.Parameter(torch.zeros(self.features))
        self.decay_h = nn.Linear(self.features, hidden_size)
        self.gates = nn.Linear(2 * self.features + hidden_size, 2 * hidden_size)
        self.candidate = nn.Linear(2 * self.features + hidden_size, hidden_size)
        self.register_buffer("mean", torch.linspace(-0.1, 0.1, self.features))

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, last = state
        value, observed, delta = x.split(self.features, dim=1)
        gamma_x = torch.exp(-torch.relu(self.decay_x * delta + self.decay_x_bias))
        gamma_h = torch.exp(-torch.relu(self.decay_h(delta)))
        imputed = gamma_x * last + (1 - gamma_x) * self.mean
        filled = torch.where(observed > 0.5, value, imputed)
        last = torch.where(observed > 0.5, value, last)
        h = gamma_h * h
        z, r = torch.sigmoid(self.gates(torch.cat([filled, h, observed], 1))).chunk(2, 1)
        candidate = torch.tanh(self.candidate(torch.cat([filled, r * h, observed], 1)))
        h = (1 - z) * h + z * candidate
        return h, (h, last)
