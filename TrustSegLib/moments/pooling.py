"""Moments of max and average pooling."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from .gaussian import SMALLEST_VARIANCE, Gaussian

_MAX_POOL = {2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE_POOL = {2: F.avg_pool2d, 3: F.avg_pool3d}


def max_pool(x: Gaussian, kernel_size: int, stride: int | None = None, padding: int = 0) -> Gaussian:
    """Take the largest mean of each window, and the variance of the same voxel.

    The errors of neighboring voxels correlate by about 0.97, as they share the kernels' noise, so the
    variance of the maximum is nearly that of this voxel. Clark's formula for independent neighbors would be
    far off.

    Parameters
    ----------
    x : Gaussian
        (B, C, D, H, W) or (B, C, H, W).
    kernel_size, stride, padding : int
        As in `torch.nn.functional.max_pool3d`.

    Returns
    -------
    Gaussian
        (B, C, D', H', W').
    """
    pool = _MAX_POOL[x.mean.dim() - 2]
    mean, places = pool(x.mean, kernel_size, stride, padding, return_indices=True)
    variance = torch.gather(x.variance.flatten(2), 2, places.flatten(2)).view_as(mean)
    return Gaussian(mean, variance)


def average_pool(
    x: Gaussian, kernel_size: int, stride: int | None = None, padding: int = 0, *, correlation: float = 0.0
) -> Gaussian:
    """Average each window.

    Parameters
    ----------
    x : Gaussian
        (B, C, D, H, W) or (B, C, H, W).
    kernel_size, stride, padding : int
        As in `torch.nn.functional.avg_pool3d`; padded voxels count as certain zeros.
    correlation : float
        0: the n voxels are independent, ``sum v / n^2``; 1: ``(sum sd / n)^2``; linear in between.

    Returns
    -------
    Gaussian
        (B, C, D', H', W').
    """
    dimensions = x.mean.dim() - 2
    pool = _AVERAGE_POOL[dimensions]
    mean = pool(x.mean, kernel_size, stride, padding)
    variance = pool(x.variance, kernel_size, stride, padding) / kernel_size**dimensions
    if correlation:
        deviation = pool(x.variance.clamp_min(SMALLEST_VARIANCE).sqrt(), kernel_size, stride, padding)
        variance = torch.lerp(variance, deviation.square(), correlation)
    return Gaussian(mean, variance)
