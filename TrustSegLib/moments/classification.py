"""The last linear map: class logits with their full covariance in every voxel."""

from __future__ import annotations

import torch
from torch import Tensor

from .channel_correlation import CorrelatedGaussian, pointwise_covariances
from .convolution import CONVOLVE
from .gaussian import Gaussian, LogitMoments
from .power import power


def class_logits(
    x: Gaussian, weight: Tensor, weight_variance: Tensor, bias: Tensor | None = None
) -> LogitMoments:
    """Map channels to class logits by a random 1x1 convolution, keeping the covariance between classes.

    ``Cov_kk' = sum_c m_kc m_k'c v_c + delta_kk' s_k sum_c (mu_c^2 + v_c)``: classes share the
    channels' errors. This is one small convolution of K (K + 1) / 2 output channels, which costs next to
    nothing. For a `CorrelatedGaussian` the first sum runs over pairs of channels.

    Parameters
    ----------
    x : Gaussian
        (B, C, D, H, W) or (B, C, H, W).
    weight : Tensor
        Kernel means, (K, C, 1, 1, 1) or (K, C, 1, 1).
    weight_variance : Tensor
        (K,), one variance for all weights of a kernel.
    bias : Tensor, optional
        (K,), certain.

    Returns
    -------
    LogitMoments
        ``mean`` (B, K, ...), ``covariance`` (B, K, K, ...).
    """
    classes = weight.shape[0]
    convolve = CONVOLVE[weight.dim() - 2]
    rows, columns = torch.triu_indices(classes, classes, device=weight.device)
    if isinstance(x, CorrelatedGaussian):
        pairs = pointwise_covariances(x, [weight.flatten(1)])[0][:, rows, columns]
    else:
        pairs = convolve(x.variance, weight[rows] * weight[columns])
    own = weight_variance[rows] * (rows == columns)
    pairs = torch.addcmul(pairs, own.view(1, -1, *(1,) * (pairs.dim() - 2)).to(pairs.dtype), power(x))
    place = torch.empty(classes, classes, dtype=torch.long, device=weight.device)
    place[rows, columns] = place[columns, rows] = torch.arange(len(rows), device=weight.device)
    covariance = pairs[:, place.flatten()].unflatten(1, (classes, classes))
    return LogitMoments(convolve(x.mean, weight, bias), covariance)
