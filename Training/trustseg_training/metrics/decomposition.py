"""How much of a label's variance is noise of the data, and how much the model's own doubt.

A label is 0 or 1 with mean p, so that its whole variance is ``p (1 - p)``. Of it, the variance v of p under
the weights is epistemic and the rest, ``E[p (1 - p)] = p (1 - p) - v``, aleatoric. That needs ``0 <= v <= p
(1 - p)``, which the first-order softmax of the published method does not keep: such moments cannot be split,
and `share_within_bound` says how many voxels can.

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


def decompose(mean: np.ndarray, variance: np.ndarray) -> Decomposition:
    """Epistemic ``sum_c v_c`` and aleatoric ``sum_c p_c (1 - p_c) - v_c``, over all classes.

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
    return _parts((mean * (1 - mean)).sum(axis=0), variance.sum(axis=0))


def decompose_predicted(mean: np.ndarray, variance: np.ndarray) -> Decomposition:
    """The same for the predicted class l: ``v_l``, which SUPER-Net shows, and ``p_l (1 - p_l) - v_l``.

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
    return _parts(p * (1 - p), v)


def entropy(mean: np.ndarray) -> np.ndarray:
    """Entropy of the class probabilities (K, ...), ``-sum_c p_c ln p_c`` in nat, 0 to ln K; ``(...)``."""
    # A probability that rounding or interpolation left just below 0 would give minus infinity.
    return entr(np.maximum(mean, 0)).sum(axis=0)


def error_probability(mean: np.ndarray) -> np.ndarray:
    """One less the largest class probability of (K, ...), 0 to 1 - 1/K; ``(...)``."""
    return 1 - mean.max(axis=0)


def _parts(total: np.ndarray, epistemic: np.ndarray) -> Decomposition:
    # Within the bound up to rounding: what is below 0 is rounding.
    return Decomposition(np.maximum(epistemic, 0), np.maximum(total - epistemic, 0))


def _check(mean: np.ndarray, variance: np.ndarray) -> None:
    share = share_within_bound(mean, variance)
    if share < 1:
        outside = f"{1 - share:.2%} of the voxels have a variance outside of [0, p (1 - p)]"
        raise ValueError(f"{outside}; such moments (propagation mode taylor) have no aleatoric part")
