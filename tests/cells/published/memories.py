"""Cells with a matrix a row: written at every step, or given as context."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import unspool

Pair = tuple[Tensor, Tensor]


class MatrixLSTM(unspool.Cell):
    """Beck, Pöppel, Spanring, et al. 2024, "xLSTM: extended long short-term memory": mLSTM, one head."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.qkv = nn.Linear(input_size, 3 * hidden_size)
        self.gates = nn.Linear(input_size, 2)
        self.o = nn.Linear(input_size, hidden_size)

    def initial_state(self, batch: int, *, dtype: Any = None, device: Any = None) -> tuple[Tensor, ...]:
        n = torch.zeros(batch, self.hidden_size, dtype=dtype, device=device)
        return n, n.new_zeros(batch, self.hidden_size, self.hidden_size), n.new_zeros(batch, 1)

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        n, memory, m = state
        q, k, v = self.qkv(x).chunk(3, 1)
        k = k / self.hidden_size**0.5
        i, f = self.gates(x).chunk(2, 1)
        f = nn.functional.logsigmoid(f) + m
        m = torch.maximum(f, i)
        i, f = torch.exp(i - m), torch.exp(f - m)
        memory = f.unsqueeze(2) * memory + i.unsqueeze(2) * v.unsqueeze(2) * k.unsqueeze(1)
        n = f * n + i * k
        scale = (n * q).sum(1, keepdim=True).abs().clamp(min=1)
        h = torch.sigmoid(self.o(x)) * (memory @ q.unsqueeze(2)).squeeze(2) / scale
        return h, (n, memory, m)


class FastWeights(unspool.Cell):
    """Ba, Hinton, Mnih, Leibo & Ionescu 2016, "Using fast weights to attend to the recent past"; one inner step."""

    def __init__(self, input_size: int, hidden_size: int, decay: float = 0.95, rate: float = 0.5) -> None:
        super().__init__(input_size, hidden_size)
        self.decay, self.rate = decay, rate
        self.x = nn.Linear(input_size, hidden_size)
        self.h = nn.Linear(hidden_size, hidden_size, bias=False)
        self.norm = nn.LayerNorm(hidden_size)

    def initial_state(self, batch: int, *, dtype: Any = None, device: Any = None) -> Pair:
        h = torch.zeros(batch, self.hidden_size, dtype=dtype, device=device)
        return h, h.new_zeros(batch, self.hidden_size, self.hidden_size)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, a = state
        a = self.decay * a + self.rate * torch.einsum("bi,bj->bij", h, h)
        boundary = self.x(x) + self.h(h)
        h = torch.relu(self.norm(boundary))
        h = torch.relu(self.norm(boundary + torch.einsum("bij,bj->bi", a, h)))
        return h, (h, a)


class DeltaNet(unspool.Cell):
    """Schlag, Irie & Schmidhuber 2021, "Linear transformers are secretly fast weight programmers": the delta rule."""

    def __init__(self, input_size: int, hidden_size: int, key: int = 5) -> None:
        super().__init__(input_size, hidden_size)
        self.key = key
        self.q, self.k = nn.Linear(input_size, key), nn.Linear(input_size, key)
        self.v, self.beta = nn.Linear(input_size, hidden_size), nn.Linear(input_size, 1)

    def initial_state(self, batch: int, *, dtype: Any = None, device: Any = None) -> Tensor:
        return torch.zeros(batch, self.hidden_size, self.key, dtype=dtype, device=device)

    def forward(self, x: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        q, k = torch.softmax(self.q(x), 1), torch.softmax(self.k(x), 1)
        old = torch.einsum("bvk,bk->bv", w, k)
        w = w + torch.einsum("bv,bk->bvk", torch.sigmoid(self.beta(x)) * (self.v(x) - old), k)
        return torch.bmm(w, q.unsqueeze(2)).squeeze(2), w


class AttentionDecoder(unspool.Cell):
    """Bahdanau, Cho & Bengio 2015, "Neural machine translation by jointly learning to align and translate"."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.W = nn.Linear(hidden_size, hidden_size, bias=False)
        self.U = nn.Linear(hidden_size, hidden_size)
        self.v = nn.Linear(hidden_size, 1, bias=False)
        self.gru = nn.GRUCell(input_size + hidden_size, hidden_size)

    def forward(self, x: Tensor, h: Tensor, context: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        memory, mask = context["memory"], context["mask"]
        energy = self.v(torch.tanh(self.W(h).unsqueeze(1) + self.U(memory))).squeeze(2)
        weights = torch.softmax(energy.masked_fill(~mask, float("-inf")), dim=1)
        read = torch.einsum("bs,bsh->bh", weights, memory)
        h = self.gru(torch.cat([x, read], 1), h)
        return h, h


class LuongDecoder(unspool.Cell):
    """Luong, Pham & Manning 2015, "Effective approaches to attention-based neural machine translation": general score,
    input feeding."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size,) * 3)
        self.lstm = nn.LSTMCell(input_size + hidden_size, hidden_size)
        self.W_a = nn.Parameter(torch.randn(hidden_size, hidden_size) / hidden_size**0.5)
        self.W_c = nn.Linear(2 * hidden_size, hidden_size, bias=False)

    def forward(
        self, x: Tensor, state: tuple[Tensor, ...], context: dict[str, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, c, fed = state
        h, c = self.lstm(torch.cat([x, fed], 1), (h, c))
        score = context["memory"] @ (h @ self.W_a).unsqueeze(2)
        score = score.squeeze(2).masked_fill(~context["mask"], float("-inf"))
        read = (score.softmax(1).unsqueeze(1) @ context["memory"]).squeeze(1)
        fed = torch.tanh(self.W_c(torch.cat([read, h], 1)))
        return fed, (h, c, fed)


class ConvLSTM(unspool.Cell):
    """Shi, Chen, Wang, Yeung, Wong & Woo 2015, "Convolutional LSTM network"; over one dimension, one channel."""

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        self.x = nn.Linear(input_size, hidden_size)
        self.conv = nn.Conv1d(2, 4, 3, padding=1)

    def forward(self, x: Tensor, state: Pair) -> tuple[Tensor, Pair]:
        h, c = state
        i, f, g, o = self.conv(torch.stack([self.x(x), h], 1)).unbind(1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        return h, (h, c)
