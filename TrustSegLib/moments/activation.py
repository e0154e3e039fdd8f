"""Moments of ReLU and leaky ReLU of a Gaussian."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import blocks, working_dtype
from .gaussian import SMALLEST_VARIANCE, Gaussian


def leaky_relu_taylor(x: Gaussian, negative_slope: float = 0.0) -> Gaussian:
    """First-order moments, as published: the slope at the mean acts on the deviation.

    Parameters
    ----------
    x : Gaussian
        (B, C, ...).
    negative_slope : float
        0 is the ordinary ReLU.

    Returns
    -------
    Gaussian
        ``max(mu, b mu)`` and ``v [mu > 0] + b^2 v [mu <= 0]``.
    """
    mean = torch.nn.functional.leaky_relu(x.mean, negative_slope) if negative_slope else x.mean.relu()
    variance = torch.where(x.mean > 0, x.variance, x.variance * negative_slope**2)
    return Gaussian(mean, variance)


def leaky_relu_exact(x: Gaussian, negative_slope: float = 0.0) -> Gaussian:
    """Closed-form moments of a (leaky) ReLU of a Gaussian.

    With ``a = mu / sd``, ``m = mu Phi(a) + sd phi(a)`` (the mean of the positive part) and ``n = m - mu``
    (the mean of the negative part), the positive part has variance ``v Phi(a) - m n`` and the leaky ReLU of
    slope b has mean ``m - b n`` and variance ``v (b^2 + (1 - b^2) Phi(a)) - (1 - b)^2 m n``.
    This form has no ``E[x^2] - E[x]^2`` and keeps its digits in float32 for a down to -6.

    Parameters
    ----------
    x : Gaussian
        (B, C, ...). Half precision works in float32 inside.
    negative_slope : float
        0 is the ordinary ReLU.

    Returns
    -------
    Gaussian

    References
    ----------
    Frey and Hinton, Variational learning in nonlinear Gaussian belief networks, 1999.
    Gast and Roth, Lightweight probabilistic deep networks, CVPR 2018.
    """
    return Gaussian(*_ExactLeakyReLU.apply(x.mean, x.variance, negative_slope))


def _half_moments(mean: Tensor, variance: Tensor) -> tuple[Tensor, ...]:
    """``sd, a, Phi(a), sd phi(a), m, n`` of one block."""
    deviation = variance.clamp_min(SMALLEST_VARIANCE).sqrt_()
    ratio = mean / deviation
    cdf = torch.mul(ratio, -math.sqrt(0.5)).erfc_().mul_(0.5)
    density = ratio.square().mul_(-0.5).exp_().mul_(deviation).mul_(1 / math.sqrt(2 * math.pi))
    positive = torch.addcmul(density, mean, cdf)
    return deviation, ratio, cdf, density, positive, positive - mean


class _ExactLeakyReLU(torch.autograd.Function):
    """One pass over the activation forward and one backward; only the input moments are kept."""

    @staticmethod
    def forward(ctx, mean: Tensor, variance: Tensor, slope: float) -> tuple[Tensor, Tensor]:
        mean, variance = mean.contiguous(), variance.contiguous()
        ctx.save_for_backward(mean, variance)
        ctx.slope = slope
        out_mean, out_variance = torch.empty_like(mean), torch.empty_like(variance)
        dtype = working_dtype(mean)
        for mu, v, out_mu, out_v in blocks(mean, variance, out_mean, out_variance):
            mu, v = mu.to(dtype), v.to(dtype)
            _, _, cdf, _, positive, negative = _half_moments(mu, v)
            share = cdf.mul_(1 - slope**2).add_(slope**2) if slope else cdf
            spread = share.mul_(v).addcmul_(positive, negative, value=-((1 - slope) ** 2))
            out_v.copy_(spread.clamp_min_(0))
            out_mu.copy_(positive.sub_(negative, alpha=slope) if slope else positive)
        return out_mean, out_variance

    @staticmethod
    @once_differentiable
    def backward(ctx, mean_gradient: Tensor, variance_gradient: Tensor) -> tuple[Tensor, Tensor, None]:
        mean, variance = ctx.saved_tensors
        slope, dtype = ctx.slope, working_dtype(mean)
        even, odd = 1 - slope**2, (1 - slope) ** 2
        to_mean, to_variance = torch.empty_like(mean), torch.empty_like(variance)
        gradients = (mean_gradient.contiguous(), variance_gradient.contiguous())
        for mu, v, g_mu, g_v, out_mu, out_v in blocks(mean, variance, *gradients, to_mean, to_variance):
            mu, v, g_mu, g_v = (part.to(dtype) for part in (mu, v, g_mu, g_v))
            deviation, ratio, cdf, density, positive, negative = _half_moments(mu, v)
            # d mean / d mu = b + (1 - b) Phi;  d mean / d v = (1 - b) phi / (2 sd)
            # d var / d mu = (1 - b^2) sd phi - (1 - b)^2 (n Phi - m (1 - Phi))
            # d var / d v = b^2 + (1 - b^2) (Phi - a phi / 2) - (1 - b)^2 (m + n) phi / (2 sd)
            half = density.div(deviation).div_(deviation).mul_(0.5)  # phi / (2 sd)
            out_mu.copy_(
                g_mu * (slope + (1 - slope) * cdf)
                + g_v * (even * density - odd * (negative * cdf - positive * (1 - cdf)))
            )
            curve = cdf - ratio.mul_(deviation).mul_(half)  # Phi - a phi / 2
            slope_of_variance = slope**2 + even * curve - odd * (positive + negative) * half
            out_v.copy_(g_mu * ((1 - slope) * half) + g_v * slope_of_variance)
        return to_mean, to_variance, None
