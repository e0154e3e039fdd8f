"""Expected power of an activation, summed over the channels: ``sum_c E[x_c^2]``."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import working_dtype
from .gaussian import Gaussian


def power(x: Gaussian | Tensor) -> Tensor:
    """Sum ``mean^2 + variance`` over the channels.

    Parameters
    ----------
    x : Gaussian or Tensor
        (B, C, D, H, W) or (B, C, H, W); a tensor has no variance.

    Returns
    -------
    Tensor
        (B, 1, D, H, W) or (B, 1, H, W).
    """
    if isinstance(x, Tensor):
        return x.square().sum(dim=1, keepdim=True)
    return _Power.apply(x.mean, x.variance)


class _Power(torch.autograd.Function):
    """Accumulate channel by channel, so that no activation-sized intermediate is ever written."""

    @staticmethod
    def forward(ctx, mean: Tensor, variance: Tensor) -> Tensor:
        ctx.save_for_backward(mean)
        total = mean.new_zeros(mean[:, :1].shape, dtype=working_dtype(mean))
        for channel in range(mean.shape[1]):
            slab = slice(channel, channel + 1)
            part = mean[:, slab].to(total.dtype)
            total.addcmul_(part, part).add_(variance[:, slab])
        return total.to(mean.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor]:
        (mean,) = ctx.saved_tensors
        return (mean * gradient).mul_(2), gradient.expand_as(mean)
