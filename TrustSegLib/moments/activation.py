"""Moments of ReLU and leaky ReLU of a Gaussian, first-order and exact, forward and backward."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .blocks import as_rows, blocks, working_dtype, written_to
from .gaussian import SMALLEST_VARIANCE, Gaussian


def leaky_relu_taylor(x: Gaussian, negative_slope: float = 0.0) -> Gaussian:
    """First-order moments; see `TaylorRectifier`. ``x`` is (B, C, ...); slope 0 is the ordinary ReLU."""
    return activate(x, TaylorRectifier(negative_slope))


def leaky_relu_exact(x: Gaussian, negative_slope: float = 0.0) -> Gaussian:
    """Exact moments; see `ExactRectifier`. ``x`` is (B, C, ...); slope 0 is the ordinary ReLU."""
    return activate(x, ExactRectifier(negative_slope))


def activate(x: Gaussian, rectifier: Rectifier) -> Gaussian:
    """Apply a rectifier block by block, keeping only the input moments for the backward pass.

    Parameters
    ----------
    x : Gaussian
        (B, C, ...). Half precision is computed in float32.
    rectifier : Rectifier
        The activation's moments and gradients.

    Returns
    -------
    Gaussian
        (B, C, ...).
    """
    return Gaussian(*_Activate.apply(x.mean, x.variance, rectifier))


class _Activate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, mean: Tensor, variance: Tensor, rectifier: Rectifier) -> tuple[Tensor, Tensor]:
        ctx.save_for_backward(mean, variance)
        ctx.rectifier = rectifier
        inputs, outputs = _rows(mean, variance), _rows(torch.empty_like(mean), torch.empty_like(variance))
        for place in blocks(inputs[0]):
            block = [row[place].to(working_dtype(mean)) for row in inputs]
            with written_to([row[place] for row in outputs], block[0]) as out:
                rectifier.moments(*block, out)
        return outputs[0].view_as(mean), outputs[1].view_as(mean)

    @staticmethod
    @once_differentiable
    def backward(ctx, to_mean: Tensor, to_variance: Tensor) -> tuple[Tensor, Tensor, None]:
        mean, variance = ctx.saved_tensors
        inputs = _rows(mean, variance, to_mean, to_variance)
        outputs = _rows(torch.empty_like(mean), torch.empty_like(variance))
        for place in blocks(inputs[0]):
            results = ctx.rectifier.gradients(*(row[place].to(working_dtype(mean)) for row in inputs))
            for output, result in zip(outputs, results, strict=True):
                output[place].copy_(result)
        return outputs[0].view_as(mean), outputs[1].view_as(mean), None


def _rows(*tensors: Tensor) -> list[Tensor]:
    return [as_rows(tensor) for tensor in tensors]


#: Mean and variance of the output: tensors in the block's shape and the working precision.
Outputs = tuple[Tensor, Tensor]


class Rectifier(Protocol):
    """Moments of an activation function on a block of any shape, and their gradients."""

    def moments(self, mean: Tensor, variance: Tensor, out: Outputs) -> None:
        """Write mean and variance of the output into ``out``, which is not the input."""

    def gradients(
        self, mean: Tensor, variance: Tensor, to_mean: Tensor, to_variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of the input moments from those of the output moments."""


@dataclass(frozen=True)
class TaylorRectifier:
    """First-order moments, as published: ``max(mu, b mu)`` and ``v [mu > 0] + b^2 v [mu <= 0]``."""

    slope: float = 0.0

    def moments(self, mean: Tensor, variance: Tensor, out: Outputs) -> None:
        """See `Rectifier`."""
        leak = torch.ops.aten.leaky_relu_backward.grad_input
        leak(mean, mean, self.slope, False, grad_input=out[0])
        leak(variance, mean, self.slope**2, False, grad_input=out[1])

    def gradients(
        self, mean: Tensor, variance: Tensor, to_mean: Tensor, to_variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Rectifier`."""
        return _times_slope(to_mean, mean, self.slope), _times_slope(to_variance, mean, self.slope**2)


def _times_slope(values: Tensor, mean: Tensor, slope: float) -> Tensor:
    """Values where the mean is positive, ``slope`` times the values elsewhere, as one kernel."""
    return torch.ops.aten.leaky_relu_backward(values, mean, slope, False)


@dataclass(frozen=True)
class ExactRectifier:
    """Closed-form moments.

    With ``a = mu / sd``, ``m = mu Phi(a) + sd phi(a)`` (mean of the positive part) and ``n = m - mu`` (mean
    of the negative part), the positive part has variance ``v Phi(a) - m n``; the leaky ReLU of slope b has
    mean ``m - b n`` and variance ``v (b^2 + (1 - b^2) Phi(a)) - (1 - b)^2 m n``. There is no
    ``E[x^2] - E[x]^2`` in this form, so float32 keeps its digits for a down to -6.

    References
    ----------
    Frey and Hinton, Variational learning in nonlinear Gaussian belief networks, 1999.
    Gast and Roth, Lightweight probabilistic deep networks, CVPR 2018.
    """

    slope: float = 0.0

    def moments(self, mean: Tensor, variance: Tensor, out: Outputs) -> None:
        """See `Rectifier`.

        With ``u = a / sqrt(2)``: ``Phi = erfc(-u) / 2`` and ``sd phi = sqrt(2 v) exp(-u^2) / (2 sqrt(pi))``.
        Every line is one pass over the block.
        """
        b = self.slope
        width = torch.add(variance.new_tensor(2 * SMALLEST_VARIANCE), variance, alpha=2).sqrt_()
        u = torch.div(mean, width).clamp_(-_FARTHEST * _ROOT_HALF, _FARTHEST * _ROOT_HALF)
        opposite = torch.neg(u)
        density = torch.addcmul(u.new_tensor(_LOG_DENSITY), u, opposite, out=u).exp_()
        twice_cdf = opposite.erfc_()
        positive = density.mul_(width).addcmul_(mean, twice_cdf, value=0.5)
        negative = torch.sub(positive, mean, out=width)
        share = torch.add(mean.new_tensor(b**2), twice_cdf, alpha=0.5 * (1 - b**2), out=twice_cdf)
        spread = torch.mul(share, variance, out=out[1])
        spread.addcmul_(positive, negative, value=-((1 - b) ** 2)).clamp_min_(0)
        torch.sub(positive, negative, alpha=b, out=out[0])

    def gradients(
        self, mean: Tensor, variance: Tensor, to_mean: Tensor, to_variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Rectifier`.

        ``d mean / d mu = b + (1 - b) Phi`` and ``d mean / d v = (1 - b) phi / (2 sd)``;
        ``d var / d mu = (1 - b^2) sd phi - (1 - b)^2 (m (Phi - 1) + n Phi)``;
        ``d var / d v = b^2 + (1 - b^2) (Phi - a phi / 2) - (1 - b)^2 (m + n) phi / (2 sd)``.
        """
        b = self.slope
        even, odd = 1 - b**2, (1 - b) ** 2
        deviation, ratio = _standardize(mean, variance)
        cdf, density = _normal(ratio)
        halved = torch.div(density, deviation).mul_(0.5)  # phi / (2 sd)
        tilted = density * deviation  # sd phi
        positive = torch.addcmul(tilted, mean, cdf)
        both = torch.sub(positive, mean).add_(positive)  # m + n
        # d var / d v: a phi / 2 = mu phi / (2 sd)
        slope_v = torch.mul(both, odd).add_(mean, alpha=even).mul_(halved).neg_()
        slope_v.add_(cdf, alpha=even).add_(b**2)
        # d var / d mu: m (Phi - 1) + n Phi = (m + n) Phi - m
        slope_mu = both.mul_(cdf).sub_(positive).mul_(-odd).add_(tilted, alpha=even)
        from_v = slope_v.mul_(to_variance).addcmul_(halved, to_mean, value=1 - b)
        from_mu = slope_mu.mul_(to_variance).add_(cdf.mul_(1 - b).add_(b).mul_(to_mean))
        return from_mu, from_v


_ROOT_HALF = math.sqrt(0.5)

#: ``ln(1 / (2 sqrt(pi)))``, inside the exponential: one pass less.
_LOG_DENSITY = -math.log(2 * math.sqrt(math.pi))

#: Beyond this many standard deviations a ReLU is 0 or the identity; densities further out are denormal
#: numbers, which processors handle many times slower.
_FARTHEST = 10.0


def _standardize(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    deviation = variance.clamp_min(SMALLEST_VARIANCE).sqrt_()
    return deviation, torch.div(mean, deviation).clamp_(-_FARTHEST, _FARTHEST)


def _normal(ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Phi and phi; the complementary error function keeps the digits of the lower tail."""
    cdf = torch.mul(ratio, -_ROOT_HALF).erfc_().mul_(0.5)
    return cdf, ratio.square_().mul_(-0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
