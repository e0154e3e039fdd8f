"""Leaky ReLU of a Gaussian on one block: values and derivatives, first-order and exact."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .gaussian import SMALLEST_VARIANCE


class Rectifier(Protocol):
    """Moments of an activation function on a block of any shape, and their derivatives."""

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance of the output."""

    def gradients(
        self, mean: Tensor, variance: Tensor, to_mean: Tensor, to_variance: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Gradients of the input moments from those of the output moments."""


@dataclass(frozen=True)
class TaylorRectifier:
    """First-order moments, as published: ``max(mu, b mu)`` and ``v [mu > 0] + b^2 v [mu <= 0]``."""

    slope: float = 0.0

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """See `Rectifier`."""
        return _times_slope(mean, mean, self.slope), _times_slope(variance, mean, self.slope**2)

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
    ``E[x^2] - E[x]^2`` in this form: it keeps its digits in float32 for a down to -6.

    References
    ----------
    Frey and Hinton, Variational learning in nonlinear Gaussian belief networks, 1999.
    Gast and Roth, Lightweight probabilistic deep networks, CVPR 2018.
    """

    slope: float = 0.0

    def moments(self, mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
        """See `Rectifier`."""
        b = self.slope
        deviation, ratio = _standardize(mean, variance)
        cdf, density = _normal(ratio)
        positive = density.mul_(deviation).addcmul_(mean, cdf)
        negative = torch.sub(positive, mean, out=deviation)
        spread = (cdf.mul_(1 - b**2).add_(b**2) if b else cdf).mul_(variance)
        spread.addcmul_(positive, negative, value=-((1 - b) ** 2)).clamp_min_(0)
        return (positive.sub_(negative, alpha=b) if b else positive), spread

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


#: Beyond this many standard deviations a ReLU is 0 or the identity; densities further out are denormal
#: numbers, which processors handle many times slower.
_FARTHEST = 10.0


def _standardize(mean: Tensor, variance: Tensor) -> tuple[Tensor, Tensor]:
    deviation = variance.clamp_min(SMALLEST_VARIANCE).sqrt_()
    return deviation, torch.div(mean, deviation).clamp_(-_FARTHEST, _FARTHEST)


def _normal(ratio: Tensor) -> tuple[Tensor, Tensor]:
    """Phi and phi; the complementary error function keeps the digits of the lower tail."""
    cdf = torch.mul(ratio, -math.sqrt(0.5)).erfc_().mul_(0.5)
    return cdf, ratio.square_().mul_(-0.5).exp_().mul_(1 / math.sqrt(2 * math.pi))
