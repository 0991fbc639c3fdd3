"""Initial values of recurrent parameters, as options of the cells."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from unspool.errors import ConfigError, one_of

RECURRENT_INITS = ("orthogonal", "uniform", "identity")


@torch.no_grad()
def uniform_(module: nn.Module, hidden_size: int) -> None:
    """PyTorch's default for recurrent layers: every parameter ~ U(-1/√H, 1/√H)."""
    bound = 1 / math.sqrt(hidden_size)
    for parameter in module.parameters():
        parameter.uniform_(-bound, bound)


@torch.no_grad()
def recurrent_(weight: Tensor, how: str, gates: int = 1) -> None:
    """Initialise a recurrent weight `[gates·H, H]`, each gate's square block by itself.

    - `"orthogonal"`: a random orthogonal matrix (Saxe et al. 2014, https://arxiv.org/abs/1312.6120), the default of
      every cell;
    - `"uniform"`: leave it as it is (uniform in ±1/√H);
    - `"identity"`: the identity matrix (IRNN, Le et al. 2015, https://arxiv.org/abs/1504.00941).

    Raises:
        ConfigError: `how` is none of these.

    Example:
        >>> weight = torch.zeros(6, 3)
        >>> recurrent_(weight, "identity", gates=2)
        >>> torch.equal(weight[3:], torch.eye(3))
        True
    """
    if how not in RECURRENT_INITS:
        raise ConfigError(f"recurrent_init is {how!r}; expected {one_of(RECURRENT_INITS)}")
    for block in weight.chunk(gates):
        if how == "orthogonal":
            nn.init.orthogonal_(block)
        elif how == "identity":
            nn.init.eye_(block)


def chrono(hidden_size: int, longest: int) -> Tensor:
    """Biases `log(U(1, longest - 1))` that make gates remember for 1 … `longest` steps.

    Source: Tallec & Ollivier 2018, "Can recurrent neural networks warp time?",
    https://arxiv.org/abs/1804.11188, equation 16. Added to a forget gate, subtracted from an input gate.

    Raises:
        ConfigError: `longest` is below 3, where the interval is empty.

    Example:
        >>> 1 <= chrono(4, 100).exp().mean() <= 99
        tensor(True)
    """
    if longest < 3:
        raise ConfigError(f"chrono is {longest}; expected the longest dependency in steps, at least 3")
    return torch.empty(hidden_size).uniform_(1, longest - 1).log()
