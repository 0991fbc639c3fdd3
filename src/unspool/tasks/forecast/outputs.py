"""What a forecaster writes for a step: a distribution, quantiles, or a number."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.distributions import NegativeBinomial, Normal, StudentT
from torch.nn.functional import softplus

from unspool.errors import ConfigError
from unspool.tasks.forecast.draws import Draw
from unspool.tasks.forecast.settings import ForecastSettings

MANY = 1e6
"""Mean of a count from which on it is taken for a real number."""


class Output(Protocol):
    """The meaning of `size` numbers `[…, size]` that the network writes for a step.

    A window's values are y = loc + scale · z, and the numbers speak of z. `loc`, `scale` and all that is returned have
    the shape of `y`, or one that broadcasts to it.
    """

    size: int

    def losses(self, params: Tensor, y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """What the truth `y` `[…]` costs, `[…]`; on the scale of z, so that series of all sizes weigh the same."""
        ...

    def mean(self, params: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """The expected value, `[…]`."""
        ...

    def quantiles(self, params: Tensor, levels: Sequence[float], loc: Tensor, scale: Tensor) -> Tensor:
        """The values below which y falls with the probabilities `levels`, rising: `[…, levels]`."""
        ...

    def sample(self, params: Tensor, loc: Tensor, scale: Tensor, draw: Draw, *, paths: int = 1) -> Tensor:
        """Draws of each step: `[B, paths, …]` for `params` `[B, …, size]`."""
        ...


class Gaussian:
    """z ~ Normal(μ, σ): parameters μ and softplus⁻¹(σ)."""

    size = 2

    def _parts(self, params: Tensor) -> tuple[Tensor, Tensor]:
        return params[..., 0], softplus(params[..., 1]) + 1e-4

    def losses(self, params: Tensor, y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        return -Normal(*self._parts(params), validate_args=False).log_prob((y - loc) / scale)

    def mean(self, params: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        return loc + scale * params[..., 0]

    def quantiles(self, params: Tensor, levels: Sequence[float], loc: Tensor, scale: Tensor) -> Tensor:
        mean, deviation = self._parts(params)
        z = math.sqrt(2) * torch.erfinv(2 * torch.tensor(levels, dtype=torch.float64) - 1)
        return (loc + scale * mean).unsqueeze(-1) + (scale * deviation).unsqueeze(-1) * z.to(params.dtype)

    def sample(self, params: Tensor, loc: Tensor, scale: Tensor, draw: Draw, *, paths: int = 1) -> Tensor:
        mean, deviation = self._parts(params)
        z = _tensor(draw.standard_normal(_shape(mean, paths), np.float32))
        return _placed(mean.unsqueeze(1) + deviation.unsqueeze(1) * z, loc, scale)


class StudentsT:
    """z = μ + σ t, t ~ Student(ν), ν > 2 so that there is a variance: parameters μ, softplus⁻¹(σ), softplus⁻¹(ν-2)."""

    size = 3

    def _parts(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return 2 + softplus(params[..., 2]), params[..., 0], softplus(params[..., 1]) + 1e-4

    def losses(self, params: Tensor, y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        return -StudentT(*self._parts(params), validate_args=False).log_prob((y - loc) / scale)

    def mean(self, params: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        return loc + scale * params[..., 0]

    def quantiles(self, params: Tensor, levels: Sequence[float], loc: Tensor, scale: Tensor) -> Tensor:
        from scipy.special import stdtrit

        freedom, mean, deviation = self._parts(params)
        t = stdtrit(freedom.double().unsqueeze(-1).numpy(), np.asarray(levels))
        z = mean.unsqueeze(-1) + deviation.unsqueeze(-1) * torch.from_numpy(np.asarray(t)).to(params.dtype)
        return loc.unsqueeze(-1) + scale.unsqueeze(-1) * z

    def sample(self, params: Tensor, loc: Tensor, scale: Tensor, draw: Draw, *, paths: int = 1) -> Tensor:
        freedom, mean, deviation = self._parts(params)
        t = _tensor(draw.standard_t(freedom.unsqueeze(1).numpy(), _shape(mean, paths)))
        return _placed(mean.unsqueeze(1) + deviation.unsqueeze(1) * t, loc, scale)


class Counts:
    """y ~ NegativeBinomial with mean m and variance m + α m².

    Parameters softplus⁻¹(m / scale) and softplus⁻¹(α √scale), as in Salinas et al. 2020,
    https://arxiv.org/abs/1704.04110, equation 3. The cost is that of y itself, not of z.
    """

    size = 2

    def _parts(self, params: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
        """Mean, and 1 / α."""
        mean = scale * (softplus(params[..., 0]) + 1e-6)
        return mean, torch.sqrt(scale) / (softplus(params[..., 1]) + 1e-4)

    def losses(self, params: Tensor, y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        mean, count = self._parts(params, scale)
        return -NegativeBinomial(count, logits=torch.log(mean / count), validate_args=False).log_prob(y)

    def mean(self, params: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        return self._parts(params, scale)[0]

    def quantiles(self, params: Tensor, levels: Sequence[float], loc: Tensor, scale: Tensor) -> Tensor:
        from scipy.special import gammaincinv
        from scipy.stats import nbinom

        mean, count = (part.double().unsqueeze(-1).numpy() for part in self._parts(params, scale))
        # Beyond, searching for the count takes for ever, and the gamma distribution that it mixes is as good.
        many = mean > MANY
        few, rate = np.where(many, 1.0, mean), np.where(many, 1.0, count)
        found = nbinom.ppf(np.asarray(levels), rate, rate / (rate + few))
        return torch.from_numpy(np.where(many, np.rint(gammaincinv(count, np.asarray(levels)) * mean / count), found))

    def sample(self, params: Tensor, loc: Tensor, scale: Tensor, draw: Draw, *, paths: int = 1) -> Tensor:
        mean, count = (part.double().unsqueeze(1).numpy() for part in self._parts(params, scale))
        return _tensor(draw.poisson(draw.gamma(count, mean / count, _shape(params[..., 0], paths))))


class Quantiles:
    """The quantiles of z at `levels`, which never cross: the middle one, and softplus⁻¹ of the steps away from it.

    The cost is the mean over the levels q of twice the pinball loss, max(q e, (q - 1) e) with e = z - ẑ (Koenker &
    Bassett 1978), of the median alone the absolute error. Between two levels, and so in draws and in the mean, the
    quantile function is a straight line; beyond the first and the last it is level.
    """

    def __init__(self, levels: Sequence[float]) -> None:
        self.levels, self.size = tuple(levels), len(levels)
        self.middle = int(np.abs(np.asarray(levels) - 0.5).argmin())

    def _all(self, params: Tensor) -> Tensor:
        middle = self.middle
        steps = softplus(params)
        below = -steps[..., :middle].flip(-1).cumsum(-1).flip(-1)
        above = steps[..., middle + 1 :].cumsum(-1)
        return params[..., middle : middle + 1] + torch.cat([below, torch.zeros_like(steps[..., :1]), above], -1)

    def losses(self, params: Tensor, y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        off = ((y - loc) / scale).unsqueeze(-1) - self._all(params)
        levels = torch.tensor(self.levels, dtype=params.dtype, device=params.device)
        return 2 * torch.maximum(levels * off, (levels - 1) * off).mean(-1)

    def mean(self, params: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        edges = torch.tensor([0.0, *self.levels, 1.0], dtype=params.dtype)
        weights = (edges[2:] - edges[:-2]) / 2
        weights[0] += edges[1] / 2
        weights[-1] += (1 - edges[-2]) / 2
        return loc + scale * (self._all(params) * weights).sum(-1)

    def quantiles(self, params: Tensor, levels: Sequence[float], loc: Tensor, scale: Tensor) -> Tensor:
        if levels[0] < self.levels[0] or levels[-1] > self.levels[-1]:
            raise ConfigError(
                f"levels {levels[0]} to {levels[-1]} were asked for, but the model was trained for {self.levels[0]} to "
                f"{self.levels[-1]}; ask for those, or train with other --levels"
            )
        z = self._at(self._all(params), torch.tensor(levels, dtype=params.dtype).expand(*params.shape[:-1], -1))
        return loc.unsqueeze(-1) + scale.unsqueeze(-1) * z

    def sample(self, params: Tensor, loc: Tensor, scale: Tensor, draw: Draw, *, paths: int = 1) -> Tensor:
        values = self._all(params).unsqueeze(1)
        levels = _tensor(draw.random(_shape(params[..., 0], paths), np.float32)).clamp(self.levels[0], self.levels[-1])
        z = self._at(values.expand(*levels.shape, -1), levels.unsqueeze(-1)).squeeze(-1)
        return _placed(z, loc, scale)

    def _at(self, values: Tensor, levels: Tensor) -> Tensor:
        """The quantile function through `values` `[…, Q]` at `levels` `[…, L]`."""
        if self.size == 1:
            return values.expand(levels.shape)
        edges = torch.tensor(self.levels, dtype=values.dtype)
        right = torch.searchsorted(edges, levels.contiguous()).clamp(1, self.size - 1)
        share = (levels - edges[right - 1]) / (edges[right] - edges[right - 1])
        low, high = values.gather(-1, right - 1), values.gather(-1, right)
        # The smaller of the two: low + (high - low) may round to above high, and the next quantile be below it.
        return torch.minimum(low + share * (high - low), high)


class Point:
    """One number alone: the cost of it is that of its error in z. All quantiles and draws are the same number.

    Args:
        cost: what an error costs: its size, which makes the number the median, or its square, which makes it the mean.
    """

    size = 1

    def __init__(self, cost: Callable[[Tensor], Tensor] = torch.abs) -> None:
        self._cost = cost

    def losses(self, params: Tensor, y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        return self._cost((y - loc) / scale - params[..., 0])

    def mean(self, params: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        return loc + scale * params[..., 0]

    def quantiles(self, params: Tensor, levels: Sequence[float], loc: Tensor, scale: Tensor) -> Tensor:
        return self.mean(params, loc, scale).unsqueeze(-1).expand(*params.shape[:-1], len(levels))

    def sample(self, params: Tensor, loc: Tensor, scale: Tensor, draw: Draw, *, paths: int = 1) -> Tensor:
        return self.mean(params, loc, scale).unsqueeze(1).expand(_shape(params[..., 0], paths))


def output_of(settings: ForecastSettings) -> Output:
    """What `settings` ask for."""
    match settings.output:
        case "quantiles":
            return Quantiles(settings.levels)
        case "student-t":
            return StudentsT()
        case "gaussian":
            return Gaussian()
        case "negative-binomial":
            return Counts()
        case "mean":
            return Point(torch.square)
        case _:
            return Point()


def mirrored(output: Output, params: Tensor) -> Tensor:
    """The numbers `[…, size]` that say of -z what `params` say of z; of quantiles, with levels as far below the median
    as above it.

    Example:
        >>> mirrored(Gaussian(), torch.tensor([3.0, 0.5])).tolist()
        [-3.0, 0.5]
    """
    turned = params.flip(-1) if isinstance(output, Quantiles) else params
    below, middle, above = _around_middle(output, turned)
    return torch.cat([below, -middle, above], -1)


def shifted(output: Output, params: Tensor, by: Tensor) -> Tensor:
    """The numbers `[…, size]` that say of z + by, `by` `[…]`, what `params` say of z.

    Example:
        >>> shifted(Gaussian(), torch.tensor([3.0, 0.5]), torch.tensor(2.0)).tolist()
        [5.0, 0.5]
    """
    below, middle, above = _around_middle(output, params)
    return torch.cat([below, middle + by.unsqueeze(-1), above], -1)


def _around_middle(output: Output, params: Tensor) -> Sequence[Tensor]:
    """`params` up to the number that says where z lies, that number `[…, 1]`, and those after it."""
    middle = output.middle if isinstance(output, Quantiles) else 0
    return params.split([middle, 1, params.shape[-1] - middle - 1], -1)


def _tensor(values: object) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def _shape(values: Tensor, paths: int) -> tuple[int, ...]:
    """The shape of so many draws of each of `values` `[B, …]`."""
    return (len(values), paths, *values.shape[1:])


def _placed(z: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
    """Draws of z as draws of y."""
    return loc.unsqueeze(1) + scale.unsqueeze(1) * z
