"""Moments of normalization layers: the mean is mapped affinely, the variance by the squared gain."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .gaussian import Gaussian


def instance_norm(
    x: Gaussian, weight: Tensor | None = None, bias: Tensor | None = None, epsilon: float = 1e-5
) -> Gaussian:
    """Normalize each channel of each image: `group_norm` with one channel per group."""
    return group_norm(x, x.mean.shape[1], weight, bias, epsilon)


def group_norm(
    x: Gaussian, groups: int, weight: Tensor | None = None, bias: Tensor | None = None, epsilon: float = 1e-5
) -> Gaussian:
    """Normalize groups of channels by their expected statistics over the weights.

    The expected power about the group's mean is ``var(mu) + mean(v)``. Divided by its root, the output has a
    total power of one, and its variance stays bounded where the mean is flat. With ``v = 0`` this is the
    deterministic layer.

    Parameters
    ----------
    x : Gaussian
        (B, C, D, H, W) or (B, C, H, W).
    groups : int
        Number of groups; C for instance normalization.
    weight, bias : Tensor, optional
        (C,), certain.
    epsilon : float
        Added to the square of the denominator.

    Returns
    -------
    Gaussian
        In the shape of ``x``.
    """
    shape = (x.mean.shape[0], groups, -1)
    mean, variance = _Standardize.apply(x.mean.reshape(shape), x.variance.reshape(shape), epsilon)
    return _affine(Gaussian(mean.view_as(x.mean), variance.view_as(x.variance)), weight, bias)


def batch_norm(
    x: Gaussian,
    location: Tensor,
    scale: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    epsilon: float = 1e-5,
) -> Gaussian:
    """Normalize with given statistics per channel, taken as constants.

    Parameters
    ----------
    x : Gaussian
        (B, C, D, H, W) or (B, C, H, W).
    location, scale : Tensor
        (C,), mean and variance of each channel over a batch or over the training.
    weight, bias : Tensor, optional
        (C,), certain.
    epsilon : float
        Added to ``scale``.

    Returns
    -------
    Gaussian
        In the shape of ``x``.
    """
    gain = torch.rsqrt(scale + epsilon)
    gain = gain if weight is None else gain * weight
    shift = -location * gain if bias is None else bias - location * gain
    return _affine(x, gain, shift)


def batch_statistics(x: Gaussian) -> tuple[Tensor, Tensor]:
    """Mean and expected variance of each channel over batch and space, both (C,)."""
    axes = [axis for axis in range(x.mean.dim()) if axis != 1]
    variance, location = torch.var_mean(x.mean, dim=axes, correction=0)
    return location, variance + x.variance.mean(dim=axes)


def _affine(x: Gaussian, weight: Tensor | None, bias: Tensor | None) -> Gaussian:
    shape = (1, -1, *(1,) * (x.mean.dim() - 2))
    mean, variance = x
    if weight is not None:
        scale = weight.view(shape).to(mean.dtype)
        mean = mean * scale if bias is None else torch.addcmul(bias.view(shape).to(mean.dtype), mean, scale)
        variance = variance * scale.square()
    return Gaussian(mean, variance)


class _Standardize(torch.autograd.Function):
    """``y = (mu - mean(mu)) g``, ``w = v g^2``, ``g = (var(mu) + mean(v) + eps)^(-1/2)`` over the last axis.

    The backward pass is written out: autograd would keep five activation-sized intermediates.
    """

    @staticmethod
    def forward(ctx, mean: Tensor, variance: Tensor, epsilon: float) -> tuple[Tensor, Tensor]:
        precise = torch.promote_types(mean.dtype, torch.float32)
        spread, location = torch.var_mean(mean.to(precise), dim=-1, keepdim=True, correction=0)
        gain = torch.rsqrt(spread + variance.mean(dim=-1, keepdim=True, dtype=precise) + epsilon)
        # two fused passes: the shift is folded into one multiply-add
        out_mean = torch.addcmul((-location * gain).to(mean.dtype), mean, gain.to(mean.dtype))
        out_variance = variance * gain.square().to(variance.dtype)
        ctx.save_for_backward(out_mean, variance, gain)
        return out_mean, out_variance

    @staticmethod
    @once_differentiable
    def backward(ctx, mean_gradient: Tensor, variance_gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        standardized, variance, gain = ctx.saved_tensors
        count = standardized.shape[-1]
        precise = gain.dtype
        # S = var(mu) + mean(v);  dL/dS = -(sum dy y + 2 g^2 sum dw v) g^2 / 2
        from_mean = (mean_gradient * standardized).sum(-1, keepdim=True, dtype=precise)
        from_variance = (variance_gradient * variance).sum(-1, keepdim=True, dtype=precise)
        to_power = -(from_mean + 2 * gain.square() * from_variance) * gain.square() / 2
        average = mean_gradient.mean(-1, keepdim=True, dtype=precise)
        dtype = standardized.dtype
        shifted = torch.addcmul((-average * gain).to(dtype), mean_gradient, gain.to(dtype))
        to_mean = shifted.addcmul_(standardized, (2 * to_power / gain / count).to(dtype))
        to_variance = torch.addcmul((to_power / count).to(dtype), variance_gradient, gain.square().to(dtype))
        return to_mean, to_variance, None
