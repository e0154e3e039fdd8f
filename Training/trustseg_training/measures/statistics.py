"""What a difference between two models is worth: intervals over patients and a paired test."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 10_000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Mean:
    """A mean over patients with its bootstrap interval; without an interval for fewer than two patients."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference:
    """Mean of paired differences with its interval, and the p-value of Wilcoxon's signed-rank test.

    Without a p-value for fewer than two patients; it is 1 where no patient differs.
    """

    mean: Mean
    p_value: float | None


def bootstrap_mean(values: np.ndarray, seed: int = 0, resamples: int = RESAMPLES) -> Mean:
    """Mean and percentile interval, patients drawn with replacement.

    Parameters
    ----------
    values : np.ndarray
        (patients,).
    seed : int
        The same seed gives the same interval.
    resamples : int
        Number of draws.
    """
    mean = float(np.mean(values))
    if len(values) < 2:
        return Mean(mean, None, None)
    interval = stats.bootstrap(
        (np.asarray(values, float),),
        np.mean,
        n_resamples=resamples,
        batch=1000,
        confidence_level=CONFIDENCE,
        method="percentile",
        random_state=np.random.default_rng(seed),
    ).confidence_interval
    return Mean(mean, float(interval.low), float(interval.high))


def paired_difference(values: np.ndarray, reference: np.ndarray, seed: int = 0) -> Difference:
    """Compare two models on the same patients: ``values`` less ``reference``, both (patients,)."""
    difference = np.asarray(values, float) - np.asarray(reference, float)
    mean = bootstrap_mean(difference, seed)
    if len(difference) < 2:
        return Difference(mean, None)
    if not difference.any():
        return Difference(mean, 1.0)
    return Difference(mean, float(stats.wilcoxon(difference).pvalue))
