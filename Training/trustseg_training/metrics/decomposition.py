"""Split of a label's variance into aleatoric (noise of the data) and epistemic (uncertainty of the model).

A label is 0 or 1 with mean p, so its total variance is ``p (1 - p)``. Of it, the variance v of p under the
weights is epistemic and the rest, ``E[p (1 - p)] = p (1 - p) - v``, aleatoric. This requires ``0 <= v <= p
(1 - p)``, which the first-order softmax of the published method can violate: such moments cannot be split,
and `share_within_bound` is the share of voxels that can.

References
----------
Kwon et al., "Uncertainty quantification using Bayesian neural networks in classification", MIDL 2018.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import entr

#: Moments are float32, and p (1 - p) is at most 1/4.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Decomposition:
    """Two parts whose sum is the variance of the label, never negative; ``(...)``, in probability squared."""

    epistemic: np.ndarray
    aleatoric: np.ndarray


def share_within_bound(mean: np.ndarray, variance: np.ndarray) -> float:
    """Share of the voxels where ``0 <= v <= p (1 - p)`` for every class, up to rounding; a NaN is not within.

    Parameters
    ----------
    mean, variance : np.ndarray
        (K, ...) class probabilities and their variances.

    Raises
    ------
    ValueError
        They are not of the same shape, or there is no voxel.
    """
    if mean.shape != variance.shape or mean.ndim < 2 or mean.size == 0:
        shapes = f"{mean.shape} and {variance.shape}"
        raise ValueError(f"mean and variance (K, ...) of at least one voxel are needed, not {shapes}")
    within = (variance >= -ROUNDING) & (variance <= mean * (1 - mean) + ROUNDING)
    return float(within.all(axis=0).mean())


def decompose_predicted(mean: np.ndarray, variance: np.ndarray) -> Decomposition:
    """Split the variance of the predicted class l: epistemic ``v_l``, aleatoric ``p_l (1 - p_l) - v_l``.

    The epistemic part is what SUPER-Net displays.

    Parameters
    ----------
    mean, variance : np.ndarray
        (K, ...) class probabilities and their variances.

    Raises
    ------
    ValueError
        A variance is outside of ``[0, p (1 - p)]``.
    """
    _check(mean, variance)
    label = mean.argmax(axis=0)[None]
    p, v = (np.take_along_axis(moment, label, axis=0)[0] for moment in (mean, variance))
    # Within the bound up to rounding: what is below 0 is rounding.
    return Decomposition(np.maximum(v, 0), np.maximum(p * (1 - p) - v, 0))


def entropy(mean: np.ndarray) -> np.ndarray:
    """Entropy of the class probabilities (K, ...), ``-sum_c p_c ln p_c`` in nat, 0 to ln K; ``(...)``."""
    # A probability that rounding or interpolation left just below 0 would give minus infinity.
    return entr(np.maximum(mean, 0)).sum(axis=0)


def error_probability(mean: np.ndarray) -> np.ndarray:
    """One less the largest class probability of (K, ...), 0 to 1 - 1/K; ``(...)``."""
    return 1 - mean.max(axis=0)


def _check(mean: np.ndarray, variance: np.ndarray) -> None:
    share = share_within_bound(mean, variance)
    if share < 1:
        outside = f"{1 - share:.2%} of the voxels have a variance outside of [0, p (1 - p)]"
        raise ValueError(f"{outside}; such moments (propagation mode taylor) have no aleatoric part")
