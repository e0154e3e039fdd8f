"""Dice without the truth: expected under the class probabilities, or between the masks of several models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np


def expected_dice(probability: np.ndarray, mask: np.ndarray) -> float:
    r"""Dice that a mask is expected to have against a truth drawn from the probabilities, to first order.

    .. math:: E\left[\frac{2 \sum_i m_i y_i}{\sum_i m_i + \sum_i y_i}\right]
              \approx \frac{2 \sum_i m_i p_i}{\sum_i m_i + \sum_i p_i}

    The ratio of the expectations: it needs the probabilities only, not their correlation, and is accurate as
    long as the true volume varies little around its mean. An empty mask has an expected Dice of 1 if all
    probabilities are 0, and of 0 otherwise.

    Parameters
    ----------
    probability : np.ndarray
        float (D, H, W), of the structure: that of its class, or the sum over the classes of a union.
    mask : np.ndarray
        bool (D, H, W), the structure as predicted.

    Raises
    ------
    ValueError
        The shapes differ, or a probability is outside [0, 1].
    """
    if probability.shape != mask.shape:
        raise ValueError(f"probability {probability.shape} and mask {mask.shape} differ in shape")
    # Written so that a NaN is refused too.
    if probability.size and not (probability.min() >= -1e-6 and probability.max() <= 1 + 1e-6):
        raise ValueError("a probability is outside of [0, 1]")
    sizes = float(mask.sum()) + float(probability.sum(dtype=np.float64))
    return 2 * float(probability[mask].sum(dtype=np.float64)) / sizes if sizes > 0 else 1.0


def pairwise_dice(masks: Sequence[np.ndarray]) -> float:
    """Mean Dice over all pairs of masks; two empty masks agree: 1.

    For members of an ensemble or passes with dropout: the strongest case score in Zenk et al., "Comparative
    benchmarking of failure detection methods in medical image segmentation", MedIA 101, 2025.

    Parameters
    ----------
    masks : sequence of np.ndarray
        At least two, bool (D, H, W), of one structure.

    Raises
    ------
    ValueError
        There are fewer than two.
    """
    if len(masks) < 2:
        raise ValueError(f"at least two masks are needed, not {len(masks)}")
    sizes = [np.count_nonzero(mask) for mask in masks]
    pairs = combinations(range(len(masks)), 2)
    return float(np.mean([_dice(masks[i] & masks[j], sizes[i] + sizes[j]) for i, j in pairs]))


def _dice(shared: np.ndarray, sizes: int) -> float:
    return 2 * np.count_nonzero(shared) / sizes if sizes else 1.0
