"""Relatives of the long short-term memory: a hidden state h and a memory c."""

from __future__ import annotations

import torch
from torch import Tensor, nn

import unspool

Pair = tuple[Tensor, Tensor]


class CoupledLSTM(unspool.Cell):
    """Greff, Srivastava, Koutník, Steunebrink & Schmidhuber 2017, "LSTM: a search space odyssey": CIFG, i = 1 - f."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.W = nn.Linear(input_size + hidden_size, 3 * hidden_size)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, c = state
        f, g, o = self.W(torch.cat([x, h], 1)).chunk(3, 1)
        f = torch.sigmoid(f)
        c = f * c + (1 - f) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


class PeepholeLSTM(unspool.Cell):
    """Gers & Schmidhuber 2000, "Recurrent nets that time and count"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.x = nn.Linear(input_size, 4 * hidden_size)
        self.h = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.p_i, self.p_f, self.p_o = (nn.Parameter(torch.randn(hidden_size) / 10) for _ in range(3))

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, c = state
        i, f, g, o = torch.chunk(self.x(x) + self.h(h), 4, dim=1)
        i, f = torch.sigmoid(i + self.p_i * c), torch.sigmoid(f + self.p_f * c)
        c = f * c + i * torch.tanh(g)
        h = torch.sigmoid(o + self.p_o * c) * torch.tanh(c)
        return h, (h, c)


class ProjectedLSTM(unspool.Cell):
    """Sak, Senior & Beaufays 2014, "Long short-term memory … for large scale acoustic modeling"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        size = hidden_size // 2
        super().__init__(input_size, hidden_size, state_sizes=(size, hidden_size), output_size=size)
        self.x = nn.Linear(input_size, 4 * hidden_size)
        self.r = nn.Linear(size, 4 * hidden_size, bias=False)
        self.p = nn.Linear(hidden_size, size, bias=False)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        r, c = state
        i, f, g, o = (self.x(x) + self.r(r)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        r = self.p(torch.sigmoid(o) * torch.tanh(c))
        return r, (r, c)


class MultiplicativeLSTM(unspool.Cell):
    """Krause, Lu, Murray & Renals 2016, "Multiplicative LSTM for sequence modelling"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.mx = nn.Linear(input_size, hidden_size, bias=False)
        self.mh = nn.Linear(hidden_size, hidden_size, bias=False)
        self.x = nn.Linear(input_size, 4 * hidden_size)
        self.m = nn.Linear(hidden_size, 4 * hidden_size, bias=False)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, c = state
        m = self.mx(x) * self.mh(h)
        h_, i, o, f = (self.x(x) + self.m(m)).chunk(4, 1)
        i, o, f = torch.sigmoid(i), torch.sigmoid(o), torch.sigmoid(f)
        c = f * c + i * h_
        h = torch.tanh(c * o)
        return h, (h, c)


class LayerNormLSTM(unspool.Cell):
    """Ba, Kiros & Hinton 2016, "Layer normalization", equations 20 to 22."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.x = nn.Linear(input_size, 4 * hidden_size)
        self.h = nn.Linear(hidden_size, 4 * hidden_size, bias=False)
        self.norm_x, self.norm_h = nn.LayerNorm(4 * hidden_size), nn.LayerNorm(4 * hidden_size)
        self.norm_c = nn.LayerNorm(hidden_size)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, c = state
        f, i, o, g = (self.norm_h(self.h(h)) + self.norm_x(self.x(x))).chunk(4, 1)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * self.norm_c(c).tanh()
        return h, (h, c)


class NestedLSTM(unspool.Cell):
    """Moniz & Krueger 2018, "Nested LSTMs": the memory of an LSTM is an LSTM."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size,) * 3)
        self.outer = nn.Linear(input_size + hidden_size, 4 * hidden_size)
        self.inner = nn.Linear(2 * hidden_size, 4 * hidden_size)

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, c, inner_c = state
        i, f, g, o = self.outer(torch.cat([x, h], -1)).chunk(4, -1)
        inner_x, inner_h = i.sigmoid() * g.tanh(), f.sigmoid() * c
        i, f, g, inner_o = self.inner(torch.cat([inner_x, inner_h], -1)).chunk(4, -1)
        inner_c = f.sigmoid() * inner_c + i.sigmoid() * g.tanh()
        c = inner_o.sigmoid() * inner_c.tanh()
        h = o.sigmoid() * c.tanh()
        return h, (h, c, inner_c)


class JANET(unspool.Cell):
    """van der Westhuizen & Lasenby 2018, "The unreasonable effectiveness of the forget gate"."""

    def __init__(self, input_size: int, hidden_size: int, beta: float = 1.0) -> None:
        super().__init__(input_size, hidden_size)
        self.beta = beta
        self.x = nn.Linear(input_size, 2 * hidden_size)
        self.h = nn.Linear(hidden_size, 2 * hidden_size, bias=False)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        s, g = (self.x(x) + self.h(c)).chunk(2, 1)
        c = torch.sigmoid(s) * c + (1 - torch.sigmoid(s - self.beta)) * torch.tanh(g)
        return c, c


class PhasedLSTM(unspool.Cell):
    """Neil, Pfeiffer & Liu 2016, "Phased LSTM"; x[:, -1] is the time, the leak is learned like the period."""

    def __init__(self, input_size: int, hidden_size: int, leak: float = 0.001) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.leak = leak
        self.W = nn.Linear(input_size + hidden_size, 4 * hidden_size)
        self.log_tau = nn.Parameter(torch.linspace(0, 3, hidden_size))
        self.shift = nn.Parameter(torch.rand(hidden_size))
        self.ratio = nn.Parameter(torch.full((hidden_size,), 0.3))

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, c = state
        tau = self.log_tau.exp()
        phi = torch.remainder(x[:, -1:] - self.shift, tau) / tau
        rise, fall = 2 * phi / self.ratio, 2 - 2 * phi / self.ratio
        k = torch.where(phi < self.ratio / 2, rise, torch.where(phi < self.ratio, fall, self.leak * phi))
        i, f, g, o = self.W(torch.cat([x, h], 1)).chunk(4, 1)
        c = k * (torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)) + (1 - k) * c
        h = k * torch.sigmoid(o) * torch.tanh(c) + (1 - k) * h
        return h, (h, c)


class OrderedNeuronsLSTM(unspool.Cell):
    """Shen, Tan, Sordoni & Courville 2019, "Ordered neurons: integrating tree structures into recurrent networks"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.x = nn.Linear(input_size, 6 * hidden_size)
        self.h = nn.Linear(hidden_size, 6 * hidden_size, bias=False)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, c = state
        i, f, g, o, master_i, master_f = (self.x(x) + self.h(h)).chunk(6, 1)
        master_f = torch.softmax(master_f, 1).cumsum(1)
        master_i = 1 - torch.softmax(master_i, 1).cumsum(1)
        both = master_f * master_i
        f = torch.sigmoid(f) * both + (master_f - both)
        i = torch.sigmoid(i) * both + (master_i - both)
        c = f * c + i * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)


class SLSTM(unspool.Cell):
    """Beck, Pöppel, Spanring, et al. 2024, "xLSTM: extended long short-term memory": sLSTM, gates exp and exp."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size,) * 4)
        self.W = nn.Linear(input_size, 4 * hidden_size)
        self.R = nn.Linear(hidden_size, 4 * hidden_size, bias=False)

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, c, n, m = state
        z, i, f, o = (self.W(x) + self.R(h)).chunk(4, 1)
        f = f + m
        m = torch.maximum(f, i)
        i, f = torch.exp(i - m), torch.exp(f - m)
        c = f * c + i * torch.tanh(z)
        n = f * n + i
        h = torch.sigmoid(o) * (c / n)
        return h, (h, c, n, m)
