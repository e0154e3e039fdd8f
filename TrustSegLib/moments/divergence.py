"""Kullback-Leibler divergence of random kernels from their prior."""

from __future__ import annotations

import torch
from torch import Tensor


def gaussian_divergence(mean: Tensor, variance: Tensor, prior_variance: float) -> Tensor:
    """Divergence of kernels ``N(m_k, s_k I)`` from the prior ``N(0, s_p I)``.

    ``1/2 sum_k [ (|m_k|^2 + d s_k) / s_p - d - d log(s_k / s_p) ]`` with d weights per kernel.

    Parameters
    ----------
    mean : Tensor
        (K, d), one kernel per row.
    variance : Tensor
        (K,), variance s_k of every weight of a kernel.
    prior_variance : float
        s_p.

    Returns
    -------
    Tensor
        Scalar, in nats.
    """
    weights = mean.shape[1]
    quadratic = (mean.square().sum(dim=1) + weights * variance) / prior_variance
    return 0.5 * (quadratic - weights - weights * torch.log(variance / prior_variance)).sum()


def empirical_divergence(mean: Tensor, variance: Tensor) -> Tensor:
    """Divergence from the prior that fits the layer best, ``s_p = mean(m^2 + s)``.

    Empirical Bayes (Wu et al., Deterministic variational inference, ICLR 2019): at this prior the quadratic
    term is constant and ``1/2 sum_k d log(s_p / s_k)`` remains.

    Parameters
    ----------
    mean : Tensor
        (K, d).
    variance : Tensor
        (K,).

    Returns
    -------
    Tensor
        Scalar, in nats.
    """
    prior = mean.square().mean() + variance.mean()
    return 0.5 * mean.shape[1] * torch.log(prior / variance).sum()
