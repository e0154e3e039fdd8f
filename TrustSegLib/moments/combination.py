"""Moments of concatenation, sums and dropout."""

from __future__ import annotations

import torch

from .channel_correlation import CorrelatedGaussian, join, summed
from .gaussian import Gaussian


def concatenate(*parts: Gaussian) -> Gaussian:
    """Concatenate Gaussians along the channels; channels of different parts count as independent."""
    mean, variance = (torch.cat(each, dim=1) for each in zip(*parts, strict=True))
    correlation = join(*parts)
    return (
        Gaussian(mean, variance) if correlation is None else CorrelatedGaussian(mean, variance, correlation)
    )


def add(*parts: Gaussian) -> Gaussian:
    """Add Gaussians as if they were independent: means add, variances add.

    The parts of a residual or skip sum depend on the same weights. Their correlation is not propagated, so
    the sum's variance is off by twice their covariance.

    Parameters
    ----------
    *parts : Gaussian
        All (B, C, ...).

    Returns
    -------
    Gaussian
        (B, C, ...).
    """
    means, variances = zip(*parts, strict=True)
    return summed(sum(means[1:], means[0]), sum(variances[1:], variances[0]), parts)


def dropout(x: Gaussian, probability: float) -> Gaussian:
    """Drop activations at random in training, with one mask for both moments.

    Kept means are scaled by ``1 / (1 - p)`` and kept variances by its square, so that dropout is the identity
    at inference.

    Parameters
    ----------
    x : Gaussian
        (B, C, ...).
    probability : float
        Fraction of activations to drop, in [0, 1).

    Returns
    -------
    Gaussian
        (B, C, ...).
    """
    kept = torch.empty_like(x.mean).bernoulli_(1 - probability).div_(1 - probability)
    return Gaussian(x.mean * kept, x.variance * kept.square())


def dropout_expected(x: Gaussian, probability: float) -> Gaussian:
    """Moments over the dropout masks, for MC dropout without sampling.

    ``E = mu`` and ``Var = v / (1 - p) + mu^2 p / (1 - p)``.

    Parameters
    ----------
    x : Gaussian
        (B, C, ...).
    probability : float
        Fraction of activations to drop, in [0, 1).

    Returns
    -------
    Gaussian
        (B, C, ...).

    References
    ----------
    Postels et al., Sampling-free epistemic uncertainty estimation using approximated variance propagation,
    ICCV 2019.
    """
    keep = 1 - probability
    return Gaussian(x.mean, (x.variance + probability * x.mean.square()) / keep)
