"""Five further cells that a user might write. Their author has not seen the compiler, nor how it does with them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unspool.bench.own_cells import Own
from unspool.cells import Cell

BLOCKS = 8
"""Blocks of each factor of `ShuffledTransitionCell`; H is a multiple of it."""


class TwoTimescaleBilinearCell(Cell):
    """A second-order cell: what drives the fast state is a product of the fast and a slow state, in H/2 factors::

    p = (A h) ⊙ (B s)
    z = σ(W_z x + U_z h + b_z)
    n = tanh(W_n x + C p + b_n)
    h' = h + z ⊙ (n - h)
    s' = s + σ(ℓ) ⊙ (h' - s)
    y = h' + s'

    The slow state is a leaky average of the fast one, at a learned rate σ(ℓ) for every unit, from 0.01 to 0.5.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size, hidden_size))
        rank = hidden_size // 2
        self.x = nn.Linear(input_size, 2 * hidden_size)
        self.gate = nn.Linear(hidden_size, hidden_size, bias=False)
        self.fast = nn.Linear(hidden_size, rank, bias=False)
        self.slow = nn.Linear(hidden_size, rank, bias=False)
        self.mix = nn.Linear(rank, hidden_size, bias=False)
        rate = torch.logspace(math.log10(0.01), math.log10(0.5), hidden_size)
        self.rate = nn.Parameter(torch.logit(rate))

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        h, s = state
        xz, xn = self.x(x).chunk(2, dim=-1)
        z = torch.sigmoid(xz + self.gate(h))
        n = torch.tanh(xn + self.mix(self.fast(h) * self.slow(s)))
        h = h + z * (n - h)
        s = s + torch.sigmoid(self.rate) * (h - s)
        return h + s, (h, s)


class SentinelLSTMCell(Cell):
    """A decoder's step: LSTM with input feeding, then dot-product attention that may look at a sentinel instead.

    Input feeding is Luong et al. 2015 (https://arxiv.org/abs/1508.04025), the sentinel Lu et al. 2017
    (https://arxiv.org/abs/1612.01887)::

    v = [x ; a]
    i, f, g, o, l = W v + b + U h
    c' = σ(f) ⊙ c + σ(i) ⊙ tanh(g),  h' = σ(o) ⊙ tanh(c')
    s = σ(l) ⊙ tanh(c')
    q = Q h'
    e_j = q · k_j / √H where the mask allows, else -∞;  e_s = q · s / √H
    α_1 … α_S, β = softmax([e_1 … e_S ; e_s])
    a' = tanh(O [h' ; Σ_j α_j m_j + β s]),  y = a'
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size,) * 3)
        self.x = nn.Linear(input_size + hidden_size, 5 * hidden_size)
        self.h = nn.Linear(hidden_size, 5 * hidden_size, bias=False)
        self.query = nn.Linear(hidden_size, hidden_size, bias=False)
        self.out = nn.Linear(2 * hidden_size, hidden_size)

    def forward(
        self, x: Tensor, state: tuple[Tensor, ...], context: dict[str, Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, c, a = state
        i, f, g, o, look = (self.x(torch.cat([x, a], dim=-1)) + self.h(h)).chunk(5, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        seen = torch.tanh(c)
        h = torch.sigmoid(o) * seen
        sentinel = torch.sigmoid(look) * seen

        q = self.query(h) / math.sqrt(self.hidden_size)
        scores = torch.bmm(context["keys"], q.unsqueeze(2)).squeeze(2)
        scores = scores.masked_fill(~context["mask"], float("-inf"))
        weights = torch.softmax(torch.cat([scores, (q * sentinel).sum(-1, keepdim=True)], dim=1), dim=1)
        found = torch.bmm(weights[:, :-1].unsqueeze(1), context["memory"]).squeeze(1) + weights[:, -1:] * sentinel
        a = torch.tanh(self.out(torch.cat([h, found], dim=-1)))
        return a, (h, c, a)


class PlasticRateCell(Cell):
    """Excitatory and inhibitory rates with short-term plasticity and divisive normalisation.

    Synapses are those of Masse et al. 2019 (https://doi.org/10.1038/s41593-019-0414-3), the signs of the weights
    follow Dale's law as in Song et al. 2016, and the rates are a squared rectifier over its pool (Heeger 1992)::

    d = W x + b + (|E| ⊙ sign) (u ⊙ v ⊙ h)
    p = relu(d)²
    r = p / (1 + mean(p))
    h' = h + α (r - h)
    u' = clamp(u + α_u ⊙ (U - u) + δ U ⊙ (1 - u) ⊙ h, 0, 1)
    v' = clamp(v + α_v ⊙ (1 - v) - δ u ⊙ v ⊙ h, 0, 1)
    y = √(h' + ε)

    h are rates, u the share of the transmitter that is released, v the share that is left. Every other unit
    facilitates and the ones between depress. Four of five units excite; the fifth inhibits, four times as strongly.
    """

    alpha = 0.2
    delta = 0.05
    sign: Tensor
    release: Tensor
    alpha_u: Tensor
    alpha_v: Tensor

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size, state_sizes=(hidden_size,) * 3)
        self.x = nn.Linear(input_size, hidden_size)
        self.recurrent = nn.Parameter(torch.empty(hidden_size, hidden_size))
        nn.init.uniform_(self.recurrent, 0, 1 / math.sqrt(hidden_size))
        unit = torch.arange(hidden_size)
        facilitates = unit % 2 == 0
        self.register_buffer("sign", torch.where(unit % 5 == 4, -4.0, 1.0))
        self.register_buffer("release", torch.where(facilitates, 0.15, 0.45))
        self.register_buffer("alpha_u", torch.where(facilitates, 0.0133, 0.1))
        self.register_buffer("alpha_v", torch.where(facilitates, 0.1, 0.0133))

    def initial_state(
        self, batch: int, *, dtype: torch.dtype | None = None, device: torch.device | str | None = None
    ) -> tuple[Tensor, ...]:
        release = self.release.to(device, dtype).expand(batch, -1)
        return torch.zeros_like(release), release, torch.ones_like(release)

    def forward(self, x: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        h, u, v = state
        sent = u * v * h
        drive = self.x(x) + F.linear(sent, self.recurrent.abs() * self.sign)
        power = torch.relu(drive) ** 2
        rate = power / (1 + power.mean(dim=-1, keepdim=True))
        u_next = u + self.alpha_u * (self.release - u) + self.delta * self.release * (1 - u) * h
        v_next = v + self.alpha_v * (1 - v) - self.delta * sent
        h = torch.lerp(h, rate, self.alpha)
        return torch.sqrt(h + 1e-4), (h, u_next.clamp(0, 1), v_next.clamp(0, 1))


class ShuffledTransitionCell(Cell):
    """A deep transition (Pascanu et al. 2014) of two block-diagonal layers with a shuffle between them.

    The pair of factors is that of a Monarch matrix (Dao et al. 2022, https://arxiv.org/abs/2204.00595), here with
    a nonlinearity and the input between them; P sends unit (block, j) to place (j, block)::

    t = gelu(W_1 x + b_1 + B_1 h)
    n, z = W_2 x + b_2 + B_2 P t
    h' = h + σ(z) ⊙ (tanh(n) - h)
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        size = hidden_size // BLOCKS
        self.x = nn.Linear(input_size, 3 * hidden_size)
        self.first = nn.Parameter(torch.randn(BLOCKS, size, size) / math.sqrt(size))
        self.second = nn.Parameter(torch.randn(BLOCKS, size, 2 * size) / math.sqrt(size))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        batch, hidden = h.shape
        x1, x2 = self.x(x).split([hidden, 2 * hidden], dim=-1)
        blocks = h.view(batch, BLOCKS, -1)
        t = F.gelu(x1.view(batch, BLOCKS, -1) + torch.einsum("bkd,kde->bke", blocks, self.first))
        t = t.transpose(1, 2).reshape(batch, BLOCKS, -1)
        n, z = (x2.view(batch, BLOCKS, -1) + torch.einsum("bkd,kde->bke", t, self.second)).chunk(2, dim=-1)
        h = (blocks + torch.sigmoid(z) * (torch.tanh(n) - blocks)).reshape(batch, hidden)
        return h, h


class FeedbackLRUCell(Cell):
    """The gated linear recurrence of Griffin (De et al. 2024, https://arxiv.org/abs/2402.19427), its gates fed by h::

    k = h / (1 + |h|)
    r, i, v = W x + b + U k
    log a = -8 softplus(Λ) ⊙ σ(r)
    h' = exp(log a) ⊙ h + √max(1 - exp(2 log a), 1e-6) ⊙ σ(i) ⊙ gelu(v)
    y = h' ⊙ gelu(G x + b_y)

    Λ starts where a, with its gate open, lies in 0.9 … 0.999.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size, hidden_size)
        self.x = nn.Linear(input_size, 4 * hidden_size)
        self.h = nn.Linear(hidden_size, 3 * hidden_size, bias=False)
        slowness = -torch.empty(hidden_size).uniform_(0.9, 0.999).log() / 8
        self.decay = nn.Parameter(torch.log(torch.expm1(slowness)))

    def forward(self, x: Tensor, h: Tensor) -> tuple[Tensor, Tensor]:
        gates, branch = self.x(x).split([3 * self.hidden_size, self.hidden_size], dim=-1)
        r, i, v = (gates + self.h(F.softsign(h))).chunk(3, dim=-1)
        log_a = -8 * F.softplus(self.decay) * torch.sigmoid(r)
        scale = torch.sqrt((-torch.expm1(2 * log_a)).clamp(min=1e-6))
        h = torch.exp(log_a) * h + scale * torch.sigmoid(i) * F.gelu(v)
        return h * F.gelu(branch), h


FURTHER: dict[str, Own] = {
    "two-timescale bilinear": Own(TwoTimescaleBilinearCell, lambda i, h, s: 2 * h * i + h * h + 3 * h * (h // 2)),
    "sentinel LSTM": Own(SentinelLSTMCell, lambda i, h, s: 5 * h * (i + 2 * h) + 3 * h * h + 2 * s * h, attends=True),
    "plastic rates": Own(PlasticRateCell, lambda i, h, s: h * (i + h)),
    "shuffled transition": Own(ShuffledTransitionCell, lambda i, h, s: 3 * h * (i + h // BLOCKS)),
    "feedback LRU": Own(FeedbackLRUCell, lambda i, h, s: h * (4 * i + 3 * h)),
}
