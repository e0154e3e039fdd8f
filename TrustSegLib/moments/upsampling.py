"""Moments of interpolation and of zero insertion."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .gaussian import SMALLEST_VARIANCE, Gaussian


def upsample_nearest(x: Gaussian, scale: int) -> Gaussian:
    """Repeat every voxel ``scale`` times along each axis, with its moments."""
    return Gaussian(
        F.interpolate(x.mean, scale_factor=scale, mode="nearest"),
        F.interpolate(x.variance, scale_factor=scale, mode="nearest"),
    )


def upsample_linear(x: Gaussian, scale: int, *, correlation: float = 0.0) -> Gaussian:
    """Bi- or trilinear interpolation (``align_corners=False``).

    Parameters
    ----------
    x : Gaussian
        (B, C, D, H, W) or (B, C, H, W).
    scale : int
        Factor along each axis.
    correlation : float
        0: neighbors are independent, ``sum w^2 v``; 1: fully correlated, ``(sum w sd)^2``; linear in between.

    Returns
    -------
    Gaussian
        (B, C, scale D, scale H, scale W).
    """
    mode = {2: "bilinear", 3: "trilinear"}[x.mean.dim() - 2]
    mean = F.interpolate(x.mean, scale_factor=scale, mode=mode, align_corners=False)
    variance = _interpolate_squared(x.variance, scale)
    if correlation:
        deviation = x.variance.clamp_min(SMALLEST_VARIANCE).sqrt()
        together = F.interpolate(deviation, scale_factor=scale, mode=mode, align_corners=False).square()
        variance = torch.lerp(variance, together, correlation)
    return Gaussian(mean, variance)


def insert_zeros(x: Gaussian | Tensor) -> Gaussian | Tensor:
    """Insert a zero, without variance, before, between and after the voxels of every axis.

    Voxel i moves to 2 i + 1 (Carannante et al., SUPER-Net). A kernel of size 2 without padding then always
    sees exactly one voxel per channel, and gives twice as many voxels along each axis.

    Parameters
    ----------
    x : Gaussian or Tensor
        (B, C, D, H, W) or (B, C, H, W).

    Returns
    -------
    Gaussian or Tensor
        (B, C, 2 D + 1, 2 H + 1, 2 W + 1) or (B, C, 2 H + 1, 2 W + 1).
    """
    if isinstance(x, Gaussian):
        return Gaussian(insert_zeros(x.mean), insert_zeros(x.variance))
    finer = x.new_zeros(*x.shape[:2], *(2 * size + 1 for size in x.shape[2:]))
    finer[(..., *(slice(1, None, 2),) * (x.dim() - 2))] = x
    return finer


def _interpolate_squared(variance: Tensor, scale: int) -> Tensor:
    """``sum w^2 v``: the weights are products over the axes, so each axis is one matrix of squares."""
    for axis in range(2, variance.dim()):
        size = variance.shape[axis]
        identity = torch.eye(size, dtype=variance.dtype, device=variance.device)[None]
        weights = F.interpolate(identity, scale_factor=scale, mode="linear", align_corners=False)[0]
        variance = torch.movedim(torch.movedim(variance, axis, -1) @ weights.square(), -1, axis)
    return variance.contiguous()
