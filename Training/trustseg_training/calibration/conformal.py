"""Conformal quantiles over patients with several images each."""

from __future__ import annotations

import numpy as np

#: Rounding error of sums of weights.
_ROUNDING = 1e-9


def patient_quantile(values: np.ndarray, patient: np.ndarray, weight: np.ndarray, level: float) -> float:
    r"""Conformal quantile of nonconformity values over patients.

    The smallest value q with

    .. math:: \sum_{i:\, s_i \le q} w_i / (K + 1) \ge \text{level}

    for K patients whose weights sum to 1 each. With one image per patient it is the value of rank
    ``ceil((K + 1) level)``, the usual finite-sample correction. With several, a case of a new patient, under
    a condition drawn according to the weights, is below q with at least this probability if patients are
    exchangeable; images of one patient need not be independent.

    Parameters
    ----------
    values : np.ndarray
        (n,); infinite where no width suffices.
    patient : np.ndarray
        (n,) names.
    weight : np.ndarray
        (n,) summing to 1 over each patient.
    level : float
        0 to 1.

    Returns
    -------
    float
        Infinite if there are too few patients for the level.

    References
    ----------
    Lee, Barber and Willett, "Distribution-free inference with hierarchical data", arXiv:2306.06342, 2023.
    """
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order]) / (len(np.unique(patient)) + 1)
    place = int(np.searchsorted(reached, level - _ROUNDING))
    return float(values[order][place]) if place < len(order) else float("inf")


def weighted_quantile(values: np.ndarray, weight: np.ndarray, level: float) -> float:
    """The smallest value with at least this share of the weight at or below it, without a correction."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    return float(values[order][min(int(np.searchsorted(reached, level - _ROUNDING)), len(order) - 1)])
