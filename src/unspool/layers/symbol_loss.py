"""The cross-entropy of symbols, straight from the features: no array of [symbols, vocabulary] is ever whole."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

AT_A_TIME = 1 << 20
"""Logits that are there at once; a few hundred rows, so that products stay large."""


def symbol_cross_entropy(features: Tensor, output: nn.Linear, target: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy in nats, summed over N symbols, of softmax(W features + b)::

        z = W f_n + b
        loss = Σ_n log Σ_v exp z_v - (1 - ε) z_target - ε/V Σ_v z_v

    What `torch.nn.functional.cross_entropy(output(features), target, reduction="sum", label_smoothing=ε)` gives, and
    its first derivative. On a CPU without autocast the logits are made for some rows at a time, and the gradient from
    them at once (as in Hsu et al. 2024, https://arxiv.org/abs/2410.10989): less time, and memory for few logits only.

    Args:
        features: `[N, F]`.
        output: the layer from features to the V logits.
        target: `[N]`, int64.
        label_smoothing: ε.

    Example:
        >>> output, target = torch.nn.Linear(3, 4, bias=False), torch.tensor([0, 1])
        >>> bool((symbol_cross_entropy(torch.zeros(2, 3), output, target) - 2 * torch.tensor(4.0).log()).abs() < 1e-5)
        True
    """
    plain = features.device.type == "cpu" and not torch.is_autocast_enabled("cpu")
    if not plain or features.dtype not in (torch.float32, torch.float64) or features.dtype != output.weight.dtype:
        logits = output(features).float()
        return nn.functional.cross_entropy(logits, target, reduction="sum", label_smoothing=label_smoothing)
    return _SymbolLoss.apply(features, output.weight, output.bias, target, label_smoothing, torch.is_grad_enabled())


class _SymbolLoss(torch.autograd.Function):
    """In every row the gradient by z is softmax(z) - (1 - ε) at the target - ε/V everywhere. The last two, and the
    normaliser of the first, are put into the products' small side; the large one holds exp(z - max z) alone."""

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor, bias: Tensor | None, target: Tensor, smoothing: float, learns: bool
    ) -> Tensor:
        size = weight.shape[0]
        rows = max(1, AT_A_TIME // size)
        first = features.new_zeros(size) if bias is None else bias
        hit, even = 1 - smoothing, smoothing / size
        mean, mean_first = even * weight.sum(0), even * first.sum() if smoothing else first.new_zeros(())
        total = features.new_zeros((), dtype=torch.float64)
        dfeatures, dweight, dbias = torch.empty_like(features), torch.zeros_like(weight), torch.zeros_like(first)
        room = features.new_empty(min(rows, len(features)), size)
        for part, aim, made in zip(features.split(rows), target.split(rows), dfeatures.split(rows), strict=True):
            logits = torch.addmm(first, part, weight.T, out=room[: len(part)])
            wanted, largest = hit * logits.gather(1, aim.unsqueeze(1)), logits.amax(1, keepdim=True)
            sums = logits.sub_(largest).exp_().sum(1, keepdim=True)
            smoothed = (part @ mean + mean_first).unsqueeze(1)
            total += (sums.log() + largest - wanted - smoothed).double().sum()
            if learns:
                torch.mm(logits, weight, out=made)
                made.div_(sums).sub_(weight[aim], alpha=hit).sub_(mean)
                dweight.addmm_(logits.T, part / sums)
                dbias.addmv_(logits.T, (1 / sums).squeeze(1))
        if not learns:
            return total.to(features.dtype)
        # What has a gradient by z of hit at the target and of ε/V everywhere.
        dweight.index_add_(0, target, features, alpha=-hit).sub_(even * features.sum(0))
        dbias.index_add_(0, target, torch.ones_like(target, dtype=dbias.dtype), alpha=-hit).sub_(even * len(target))
        ctx.save_for_backward(dfeatures, dweight, None if bias is None else dbias)
        return total.to(features.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        wanted = zip(ctx.saved_tensors, ctx.needs_input_grad, strict=False)
        return (*(value * grads[0] if needed else None for value, needed in wanted), None, None, None)
