"""The last linear map: class logits with their full covariance in each voxel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .channel_correlation import CorrelatedGaussian, pointwise_covariances
from .gaussian import Gaussian, LogitMoments
from .power import power

_CONVOLVE = {2: F.conv2d, 3: F.conv3d}


def class_logits(
    x: Gaussian, weight: Tensor, weight_variance: Tensor, bias: Tensor | None = None
) -> LogitMoments:
    """Map channels to classes with a random 1x1 convolution and keep the classes' covariance.

    ``Cov_kk' = sum_c m_kc m_k'c v_c + delta_kk' s_k sum_c (mu_c^2 + v_c)``: the classes share the
    channels' errors. K (K + 1) / 2 output channels of one small convolution; it costs next to nothing.
    Of a `CorrelatedGaussian` the first sum runs over pairs of channels.

    Parameters
    ----------
    x : Gaussian
        (B, C, D, H, W) or (B, C, H, W).
    weight : Tensor
        (K, C, 1, 1, 1) or (K, C, 1, 1).
    weight_variance : Tensor
        (K,).
    bias : Tensor, optional
        (K,).

    Returns
    -------
    LogitMoments
        ``mean`` (B, K, ...), ``covariance`` (B, K, K, ...).
    """
    classes = weight.shape[0]
    convolve = _CONVOLVE[weight.dim() - 2]
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
