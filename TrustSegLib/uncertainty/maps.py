"""From class moments to voxel maps: the labels, and five maps of their uncertainty.

All arrays are `(K, D, H, W)` or `(K, H, W)` with K classes first, and may be memory-mapped: they are read in
slabs along the first spatial axis, so that only one slab and the result are held in memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from TrustSegLib.contract import MAP_NAMES
from TrustSegLib.errors import OptionError

SLAB_BYTES = 32 * 2**20
"""Largest part of one class moment that is read at once; a slab holds at least one slice."""


def labels(mean: np.ndarray) -> np.ndarray:
    """Return the most probable class of each voxel.

    Parameters
    ----------
    mean : ndarray (K, D, H, W) or (K, H, W)
        Class probabilities, at most 256 classes.

    Returns
    -------
    ndarray of uint8 (D, H, W) or (H, W)
        Class index; the lowest one where several are equally probable.
    """
    if mean.shape[0] > 256:
        raise ValueError(f"labels are stored in 8 bits: {mean.shape[0]} classes are more than 256")
    result = np.empty(mean.shape[1:], dtype=np.uint8)
    for slab in _slabs(mean.shape):
        result[slab] = _read(mean, slab).argmax(axis=0)
    return result


def uncertainty_map(name: str, mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    r"""Return one uncertainty map of the class moments :math:`p_c`, :math:`v_c`.

    The label is :math:`l = \arg\max_c p_c`.

    ===================== ============================================ ============
    name                  value                                        unit
    ===================== ============================================ ============
    `error_probability`   :math:`1 - p_l`                              probability
    `predictive_variance` :math:`v_l`                                  probability²
    `entropy`             :math:`-\sum_c p_c \ln p_c`                  nat
    `epistemic`           :math:`\sum_c v_c`                           probability²
    `aleatoric`           :math:`\sum_c p_c (1 - p_c) - v_c`           probability²
    ===================== ============================================ ============

    Epistemic and aleatoric part add up to the total :math:`\sum_c p_c (1 - p_c)`.

    Parameters
    ----------
    name : str
        One of `TrustSegLib.contract.MAP_NAMES`.
    mean : ndarray (K, D, H, W) or (K, H, W)
        Class probabilities.
    variance : ndarray, shape of `mean`
        Their variances, :math:`0 \le v_c \le p_c (1 - p_c)`.

    Returns
    -------
    ndarray of float32 (D, H, W) or (H, W)
        Never negative; NaN where the moments are.

    Raises
    ------
    OptionError
        If there is no map of this name.

    References
    ----------
    Kwon et al., "Uncertainty quantification using Bayesian neural networks in classification", MIDL 2018: the
    epistemic and the aleatoric part. The SUPER-Net papers: the variance at the predicted class.
    """
    if mean.shape != variance.shape:
        raise ValueError(f"mean {mean.shape} and variance {variance.shape} differ in shape")
    if name not in _FORMULAS:
        raise OptionError(f"there is no uncertainty map {name!r}; choose from {', '.join(MAP_NAMES)}")
    formula = _FORMULAS[name]
    result = np.empty(mean.shape[1:], dtype=np.float32)
    for slab in _slabs(mean.shape):
        # Rounding can leave a value a few 1e-8 below zero, which readers would take for an error.
        result[slab] = np.maximum(formula(_read(mean, slab), _read(variance, slab)), 0)
    return result


def _error_probability(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return 1 - mean.max(axis=0)


def _predictive_variance(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return np.take_along_axis(variance, mean.argmax(axis=0)[None], axis=0)[0]


def _entropy(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    # p ln p tends to 0 with p, where the logarithm itself is minus infinity; a NaN still comes out as NaN.
    logarithm = np.log(mean, out=np.zeros_like(mean), where=mean > 0)
    return -(mean * logarithm).sum(axis=0)


def _epistemic(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return variance.sum(axis=0)


def _aleatoric(mean: np.ndarray, variance: np.ndarray) -> np.ndarray:
    return (mean * (1 - mean) - variance).sum(axis=0)


_FORMULAS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "error_probability": _error_probability,
    "predictive_variance": _predictive_variance,
    "entropy": _entropy,
    "epistemic": _epistemic,
    "aleatoric": _aleatoric,
}


def _slabs(shape: tuple[int, ...]) -> Iterator[slice]:
    slice_bytes = 4 * shape[0] * math.prod(shape[2:])
    step = max(1, SLAB_BYTES // max(1, slice_bytes))
    for start in range(0, shape[1], step):
        yield slice(start, min(start + step, shape[1]))


def _read(moments: np.ndarray, slab: slice) -> np.ndarray:
    return np.asarray(moments[:, slab], dtype=np.float32)
