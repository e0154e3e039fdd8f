"""Draws of activations, and moments of class probabilities over passes or ensemble members."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from .blocks import working_dtype
from .gaussian import SMALLEST_VARIANCE, ClassMoments, Gaussian


def draw(x: Gaussian) -> Tensor:
    """Draw every activation from its Gaussian by local reparameterization, with the global random numbers.

    After a convolution the draws of different voxels are independent, although they share one kernel: each
    voxel has the right mean and variance, and the gradient has less noise than with one drawn kernel.

    Parameters
    ----------
    x : Gaussian
        (B, C, ...).

    Returns
    -------
    Tensor
        (B, C, ...), in the precision of the mean.

    References
    ----------
    Kingma, Salimans and Welling, Variational dropout and the local reparameterization trick, 2015.
    """
    deviation = x.variance.to(working_dtype(x.variance)).clamp_min(SMALLEST_VARIANCE).sqrt()
    return x.mean + (deviation * torch.randn_like(deviation)).to(x.mean.dtype)


def mixture_moments(probabilities: Iterable[Tensor]) -> ClassMoments:
    """Mean and variance over draws of the class probabilities, one draw in memory at a time.

    The variance is divided by the number of draws, not by one less, so that ``variance <= mean (1 - mean)``
    holds for any draws. Sums of squared deviations are updated as by Welford.

    Parameters
    ----------
    probabilities : iterable of Tensor
        At least one draw, each (B, K, ...).

    Returns
    -------
    ClassMoments
        (B, K, ...).

    References
    ----------
    Welford, Note on a method for calculating corrected sums of squares and products, 1962.
    """
    draws = iter(probabilities)
    mean = next(draws)
    squares, count = torch.zeros_like(mean), 1
    for count, draw in enumerate(draws, start=2):
        deviation = draw - mean
        mean = mean + deviation / count
        squares = squares + deviation * (draw - mean)
    limit = (mean * (1 - mean)).clamp_min(0)
    return ClassMoments(mean, torch.minimum((squares / count).clamp_min(0), limit))
