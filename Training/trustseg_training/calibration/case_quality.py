"""A structure's Dice coefficient, predicted with an interval from the scores of its segmentation.

A logistic regression for fractions,

.. math:: \text{DSC} = \\sigma(\\eta), \\quad \\eta = b_0 + \\sum_j b_j (x_j - m_j) / s_j

is fitted by the cross-entropy of true and predicted DSC, which a DSC of 0 or 1 leaves finite, with a ridge
penalty on the coefficients. Scores and penalty are chosen by cross-validation over patients: the fewest
scores within two standard errors of the best choice. The interval is that of the residuals in the logit on
patients that the model was not fitted on: their 5 and 95 % quantiles, moved apart by the conformal quantile
over patients (`conformal.patient_quantile`). As with volumes, it holds on average over clean and corrupted
images of a new patient.

An empty mask overlaps nothing: its predicted DSC is 0, and it is not used to fit the model.

References
----------
Papke and Wooldridge, "Econometric methods for fractional response variables", Journal of Applied Econometrics
11, 1996.
Romano, Patterson and Candes, "Conformalized quantile regression", NeurIPS 2019.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
from scipy.special import expit, logit

from trustseg_training.corruptions import CLEAN

from .cases import INNER_FOLDS, StructureCases, folds
from .conformal import patient_quantile, weighted_quantile

LEVEL = 0.9

#: Scores that do not depend on the size of a structure.
FEATURES = ("expected_dice", "sampled_dice", "boundary_uncertainty", "mean_error")
MOST_FEATURES = 3
RIDGES = (1e-4, 1e-2)
STANDARD_ERRORS = 2

#: DSC are clipped this far from 0 and 1, so that the logit is finite.
SMALLEST_DSC = 0.005

#: Share of the clean images whose expected DSC counts as unusually low.
UNUSUAL = 0.01

_STEPS, _ENOUGH = 100, 1e-8


@dataclass(frozen=True)
class Recipe:
    """How to fit a `QualityModel`."""

    features: tuple[str, ...]
    ridge: float

    def fit(self, cases: StructureCases) -> QualityModel:
        """On all of these cases."""
        return fit_quality_model(cases, self.features, self.ridge)


@dataclass(frozen=True, eq=False)
class QualityRule:
    """A model with its interval in the logit, ``eta + low`` to ``eta + high``."""

    model: QualityModel
    low: float
    high: float

    def predict(self, cases: StructureCases) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Predicted DSC and the ends of its interval, each (n,)."""
        eta = self.model.eta(cases)
        found = expit(eta), expit(eta + self.low), expit(eta + self.high)
        return tuple(np.where(cases.is_empty, 0.0, values) for values in found)


@dataclass(frozen=True, eq=False)
class CrossValidatedQuality:
    """Cross-validated predictions and their intervals, each (n,)."""

    predicted: np.ndarray
    low: np.ndarray
    high: np.ndarray

    def covered(self, cases: StructureCases) -> np.ndarray:
        """Whether each interval contains the true DSC, bool (n,)."""
        true = np.where(cases.is_empty, cases.dsc, expit(logit_of(cases.dsc)))
        return (self.low <= true) & (true <= self.high)


def fit_quality(cases: StructureCases, level: float = LEVEL) -> QualityRule:
    """Choose a recipe, fit it on all masks, and take the interval from cross-validated residuals."""
    masks = cases.take(cases.seen).masks()
    recipe, residuals = _best(masks)
    return QualityRule(recipe.fit(masks), *_ends(residuals, masks, level))


def unusual_below(rule: QualityRule, cases: StructureCases) -> float:
    """The expected DSC below which at most `UNUSUAL` of the clean images lie; 0 without clean images.

    A structure below it is flagged if its interval reaches below the DSC of a failure. Masks that are clearly
    wrong are found by their expected DSC alone; this is for those that only stand out from the usual ones.
    """
    expected = rule.predict(cases)[0][(cases.condition == CLEAN) & ~cases.is_empty & ~cases.failed]
    if not expected.size:
        return 0.0
    return float(np.quantile(expected, UNUSUAL, method="lower"))


def cross_validate_quality(cases: StructureCases, level: float = LEVEL) -> CrossValidatedQuality:
    """Choose, fit and predict on patients that took no part in either."""
    found = np.zeros((3, len(cases)))
    for fit, left_out in folds(cases.patient):
        found[:, left_out] = fit_quality(cases.take(fit), level).predict(cases.take(left_out))
    return CrossValidatedQuality(*found)


def constant_errors(cases: StructureCases) -> np.ndarray:
    """Error of the simplest prediction: the mean DSC of the other patients, and 0 for an empty mask; (n,)."""
    errors = cases.dsc.copy()
    for fit, left_out in folds(cases.patient):
        others, own = cases.take(fit & cases.seen).masks(), left_out & ~cases.is_empty
        if len(others):
            errors[own] = np.abs(cases.dsc[own] - others.mean(others.dsc))
    return errors


@lru_cache
def recipes() -> tuple[Recipe, ...]:
    """All candidates, those with fewer features first."""
    return tuple(_recipes())


def _recipes() -> Iterator[Recipe]:
    for count in range(1, MOST_FEATURES + 1):
        for features in combinations(FEATURES, count):
            for ridge in RIDGES:
                yield Recipe(features, ridge)


def _best(cases: StructureCases) -> tuple[Recipe, np.ndarray]:
    """The recipe and its residuals in the logit (n,)."""
    all_eta = [_cross_fitted_eta(recipe, cases) for recipe in recipes()]
    errors = np.array([_errors(eta, cases) for eta in all_eta])
    means = errors.mean(axis=1)
    best = int(np.argmin(means))
    # Standard error of the difference to the best, over patients.
    spread = (errors - errors[best]).std(axis=1, ddof=1) / np.sqrt(errors.shape[1])
    count = [len(recipe.features) for recipe in recipes()]
    near = [i for i in range(len(means)) if means[i] <= means[best] + STANDARD_ERRORS * spread[i]]
    chosen = min(near, key=lambda i: (count[i], means[i]))
    return recipes()[chosen], logit_of(cases.dsc) - all_eta[chosen]


def _cross_fitted_eta(recipe: Recipe, cases: StructureCases) -> np.ndarray:
    eta = np.zeros(len(cases))
    for fit, left_out in folds(cases.patient, INNER_FOLDS, seed=1):
        eta[left_out] = recipe.fit(cases.take(fit)).eta(cases.take(left_out))
    return eta


def _errors(eta: np.ndarray, cases: StructureCases) -> np.ndarray:
    """Weighted mean absolute error of the predicted DSC, (patients,)."""
    _, place = np.unique(cases.patient, return_inverse=True)
    return np.bincount(place, cases.weight * np.abs(expit(eta) - cases.dsc))


def _ends(residuals: np.ndarray, cases: StructureCases, level: float) -> tuple[float, float]:
    tail = (1 - level) / 2
    low, high = (weighted_quantile(residuals, cases.weight, at) for at in (tail, 1 - tail))
    outside = np.maximum(low - residuals, residuals - high)
    more = patient_quantile(outside, cases.patient, cases.weight, level)
    # The predicted value is always in its interval, also where the model is biased.
    return min(low - more, 0.0), max(high + more, 0.0)


@dataclass(frozen=True, eq=False)
class QualityModel:
    """Features with their means, spreads and coefficients, and the intercept; see the module."""

    features: tuple[str, ...]
    center: np.ndarray
    scale: np.ndarray
    coefficients: np.ndarray
    intercept: float

    def eta(self, cases: StructureCases) -> np.ndarray:
        """Logit of the predicted DSC, (n,)."""
        return self.intercept + _scaled(cases, self.features, self.center, self.scale) @ self.coefficients


def fit_quality_model(cases: StructureCases, features: Sequence[str], ridge: float) -> QualityModel:
    """Fit by Newton's method on a convex loss.

    Parameters
    ----------
    cases : StructureCases
        To fit on; every patient has the same weight.
    features : sequence of str
        Names of scores.
    ridge : float
        Penalty ``ridge / 2 |b|^2`` added to the mean cross-entropy; positive.
    """
    matrix = np.stack([cases.scores[name] for name in features], axis=1)
    weight = cases.weight / cases.weight.sum()
    center = weight @ matrix
    scale = np.sqrt(weight @ (matrix - center) ** 2)
    scale[scale < 1e-12] = 1.0  # a constant score
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
    """Steps are halved until the loss decreases: far from the optimum a full one can be too long."""

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
