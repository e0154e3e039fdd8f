r"""A Dice coefficient predicted from scores: logistic regression for fractions.

.. math:: \text{DSC} = \sigma(\eta), \quad \eta = b_0 + \sum_j b_j (x_j - m_j) / s_j

fitted by the cross-entropy of true and predicted DSC, which a DSC of 0 or 1 leaves finite, with a ridge
penalty on the coefficients.

References
----------
Papke and Wooldridge, "Econometric methods for fractional response variables", Journal of Applied Econometrics
11, 1996.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from .structure_cases import StructureCases

_STEPS, _ENOUGH = 100, 1e-8

#: The logit of a DSC of 0 or 1 is that of this distance from it.
SMALLEST_DSC = 0.005


@dataclass(frozen=True, eq=False)
class QualityModel:
    """Features, their means and spreads, coefficients (all of one length) and intercept; see the module."""

    features: tuple[str, ...]
    center: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float

    def eta(self, cases: StructureCases) -> np.ndarray:
        """Logit of the predicted DSC, (n,)."""
        return self.intercept + _scaled(cases, self.features, self.center, self.scale) @ self.coefficients


def fit_quality_model(cases: StructureCases, features: Sequence[str], ridge: float) -> QualityModel:
    """Newton's method on a convex loss.

    Parameters
    ----------
    cases : StructureCases
        To fit on; every patient counts once.
    features : sequence of str
        Names of scores.
    ridge : float
        Penalty ``ridge / 2 |b|^2`` beside the mean cross-entropy; positive.
    """
    matrix = np.stack([cases.scores[name] for name in features], axis=1)
    weight = cases.weight / cases.weight.sum()
    center = weight @ matrix
    scale = np.sqrt(weight @ (matrix - center) ** 2)
    scale[scale < 1e-12] = 1.0  # a score that never changes
    x = np.column_stack([np.ones(len(cases)), (matrix - center) / scale])
    penalty = np.append(0.0, np.full(len(features), ridge))
    mean = np.clip(weight @ cases.dsc, SMALLEST_DSC, 1 - SMALLEST_DSC)
    b = _newton(x, cases.dsc, weight, penalty, np.append(logit(mean), np.zeros(len(features))))
    return QualityModel(tuple(features), center, scale, b[1:], float(b[0]))


def logit_of(dsc: np.ndarray) -> np.ndarray:
    """Finite logit of a true DSC."""
    return logit(np.clip(dsc, SMALLEST_DSC, 1 - SMALLEST_DSC))


def _scaled(
    cases: StructureCases, features: Sequence[str], center: np.ndarray, scale: np.ndarray
) -> np.ndarray:
    return (np.stack([cases.scores[name] for name in features], axis=1) - center) / scale


def _newton(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, penalty: np.ndarray, b: np.ndarray
) -> np.ndarray:
    """Steps are halved until the loss falls: far from the optimum a whole one can be too long."""

    def loss(b: np.ndarray) -> float:
        eta = x @ b
        return float(weight @ (np.logaddexp(0, eta) - y * eta) + 0.5 * penalty @ b**2)

    now = loss(b)
    for _ in range(_STEPS):
        p = expit(x @ b)
        gradient = x.T @ (weight * (p - y)) + penalty * b
        hessian = (x * (weight * p * (1 - p))[:, None]).T @ x + np.diag(penalty + 1e-12)
        step = np.linalg.solve(hessian, gradient)
        while loss(b - step) > now and np.abs(step).max() > _ENOUGH:
            step = step / 2
        if np.abs(step).max() <= _ENOUGH:
            return b
        b = b - step
        now = loss(b)
    return b
