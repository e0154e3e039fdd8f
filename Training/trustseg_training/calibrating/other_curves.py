"""Other ways to calibrate the error probability, to measure the isotonic curve against."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit, logit

from .error_curve import equal_error_bins
from .voxel_table import Curve, VoxelTable

_SMALLEST = 1e-7


def unchanged(table: VoxelTable) -> Curve:
    """The raw error probability."""
    return lambda raw: raw


def temperature(table: VoxelTable) -> Curve:
    """``sigmoid(logit(x) / T)``, Guo et al., ICML 2017, of two classes: right and wrong."""
    (scale,) = _fit(table, lambda x: [logit(x)], [1.0])
    return lambda raw: expit(scale * logit(_inside(raw)))


def beta(table: VoxelTable) -> Curve:
    """``sigmoid(a ln x - b ln(1 - x) + c)``, Kull, Silva Filho and Flach, AISTATS 2017."""
    found = _fit(table, _beta_terms, [1.0, 1.0, 0.0])
    return lambda raw: expit(np.tensordot(found, _beta_terms(_inside(raw)), 1))


def histogram_binning(table: VoxelTable, bins: int = 15) -> Curve:
    """Share of wrong voxels in each of some bins, Zadrozny and Elkan, ICML 2001."""
    count, raw, wrong = equal_error_bins(table, bins)
    mean = raw / count
    edges = (mean[1:] + mean[:-1]) / 2
    return lambda x: (wrong / count)[np.searchsorted(edges, x)]


OTHERS = {
    "raw": unchanged,
    "temperature": temperature,
    "beta": beta,
    "histogram binning": histogram_binning,
}


def _beta_terms(x: np.ndarray) -> list[np.ndarray]:
    return [np.log(x), -np.log1p(-x), np.ones_like(x)]


def _inside(raw: np.ndarray) -> np.ndarray:
    return np.clip(raw, _SMALLEST, 1 - _SMALLEST)


def _fit(table: VoxelTable, terms: Callable, start: list[float]) -> np.ndarray:
    """Weighted logistic regression of being wrong on some terms of the raw error probability."""
    filled = table.count > 0
    count, wrong = table.count[filled], table.wrong[filled]
    columns = np.stack(terms(_inside(table.raw_sum[filled] / count)))

    def loss(b: np.ndarray) -> float:
        eta = b @ columns
        return float((count * np.logaddexp(0, eta) - wrong * eta).sum() / count.sum())

    return minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-10}).x
