"""An output whose spread was corrected on validation data."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from unspool.tasks.forecast.draws import Draw
from unspool.tasks.forecast.outputs import Gaussian, Output, Quantiles, StudentsT


def has_spread(output: Output) -> bool:
    """Whether distances from the median may be multiplied: not of counts, which are whole and at least 0, nor of a
    point, which has none."""
    return isinstance(output, Gaussian | StudentsT | Quantiles)


def centre(levels: Sequence[float]) -> float:
    """The level that stays where it is: the median, or the trained one that is next to it.

    >>> centre((0.1, 0.9)), centre((0.6, 0.9)), centre(())
    (0.5, 0.6, 0.5)
    """
    return min(max(0.5, levels[0]), levels[-1]) if levels else 0.5


class Widened:
    """The distributions of `output`, with all distances from their median m taken times `spread`::

        q' = m + spread (q - m)

    Example:
        >>> output = Widened(Gaussian(), 2.0)
        >>> zero, one = torch.zeros(1), torch.ones(1)
        >>> Gaussian().quantiles(torch.zeros(1, 2), [0.1, 0.5, 0.9], zero, one)
        tensor([[-0.8884,  0.0000,  0.8884]])
        >>> output.quantiles(torch.zeros(1, 2), [0.1, 0.5, 0.9], zero, one)
        tensor([[-1.7769,  0.0000,  1.7769]])
    """

    def __init__(self, output: Output, spread: float) -> None:
        self._output, self.spread, self.size = output, spread, output.size
        self._centre = centre(output.levels if isinstance(output, Quantiles) else ())

    def _middle(self, params: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        return self._output.quantiles(params, [self._centre], loc, scale).squeeze(-1)

    def losses(self, params: Tensor, y: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        """Those of the output as it was trained."""
        return self._output.losses(params, y, loc, scale)

    def mean(self, params: Tensor, loc: Tensor, scale: Tensor) -> Tensor:
        middle = self._middle(params, loc, scale)
        return middle + self.spread * (self._output.mean(params, loc, scale) - middle)

    def quantiles(self, params: Tensor, levels: Sequence[float], loc: Tensor, scale: Tensor) -> Tensor:
        middle = self._middle(params, loc, scale).unsqueeze(-1)
        return middle + self.spread * (self._output.quantiles(params, levels, loc, scale) - middle)

    def sample(self, params: Tensor, loc: Tensor, scale: Tensor, draw: Draw, *, paths: int = 1) -> Tensor:
        middle = self._middle(params, loc, scale).unsqueeze(1)
        return middle + self.spread * (self._output.sample(params, loc, scale, draw, paths=paths) - middle)
