"""The values that are propagated: moments of activations, logits and class probabilities."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

#: Variances are clamped to this before a square root, whose gradient is infinite at zero.
SMALLEST_VARIANCE = 1e-12


class Gaussian(NamedTuple):
    """Mean and variance of every activation, both (B, C, D, H, W) or (B, C, H, W)."""

    mean: Tensor
    variance: Tensor


class LogitMoments(NamedTuple):
    """Class logits: ``mean`` (B, K, D, H, W) and ``covariance`` (B, K, K, D, H, W) of each voxel."""

    mean: Tensor
    covariance: Tensor


class ClassMoments(NamedTuple):
    """Class probabilities: ``mean`` and ``variance``, both (B, K, D, H, W).

    The prediction of every model family. ``0 <= variance <= mean * (1 - mean)`` holds in every voxel.
    """

    mean: Tensor
    variance: Tensor
