"""`Affine`: a linear layer whose rows do not know of one another, to the last bit."""

from __future__ import annotations

from torch import Tensor, nn

from unspool.unfold import unfold


class Affine(nn.Linear):
    """`torch.nn.Linear`, y = x Wᵀ + b, but what a row gives does not depend on how many others there are.

    PyTorch's product sums in another order where there are few rows, so that the last bit of a row tells how many there
    were. Outside training the engine multiplies here, which does not (see `unspool.unfold`); in training, where a row
    is not asked for alone, PyTorch does.

    Shapes: from `[…, in_features]` to `[…, out_features]`.

    Example:
        >>> affine, x = Affine(3, 5).eval(), torch.randn(40, 3)
        >>> torch.equal(affine(x)[7:8], affine(x[7:8]))
        True
    """

    def forward(self, input: Tensor) -> Tensor:
        if self.training or not input.numel():
            return super().forward(input)
        rows = input.reshape(-1, 1, self.in_features)
        outputs, _ = unfold(_Step(self), rows, rows.new_zeros(len(rows), 1))
        return outputs.view(*input.shape[:-1], self.out_features)


class _Step:
    """A step that multiplies, and hands its state on."""

    called = "Affine"

    def __init__(self, layer: nn.Linear) -> None:
        self.layer = layer

    def __call__(self, x: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return nn.functional.linear(x, self.layer.weight, self.layer.bias), state
