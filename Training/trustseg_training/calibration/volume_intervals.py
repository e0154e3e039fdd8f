r"""Intervals for a structure's volume, by conformal prediction normalized with the propagated spread.

.. math:: c \pm q (s + f)

with the volume c of the mask or of the probabilities, its spread s and a floor f in ml. For every case
``|truth - c| / (s + f)`` is the width that the interval would have needed; q is its conformal quantile over
patients, `conformal.patient_quantile`, on clean and corrupted images with `cases.weights`. So the level holds
for an image of a new patient that is clean or corrupted as often as the weights say, on average over such
images: not under every condition by itself, and not for scans that are unlike all of these.

References
----------
Lei et al., "Distribution-free predictive inference for regression", JASA 113, 2018: normalized residuals.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .cases import INNER_FOLDS, StructureCases, folds
from .conformal import patient_quantile, weighted_quantile

LEVEL = 0.9
CENTERS = {"mask": "volume_ml", "expected": "expected_volume_ml"}

#: Candidate floors, in medians of the volume's error: 0 relies on the spread alone, 30 hardly at all.
FLOORS = (0.03, 0.1, 0.3, 1.0, 3.0, 30.0)


@dataclass(frozen=True)
class VolumeRule:
    """An interval's formula; see the module. ``quantile`` is NaN until it is fitted."""

    center: str
    floor_ml: float
    quantile: float = float("nan")

    def centers(self, cases: StructureCases) -> np.ndarray:
        """(n,) ml."""
        return cases.scores[CENTERS[self.center]]

    def half_widths(self, cases: StructureCases) -> np.ndarray:
        """(n,) ml, without the quantile."""
        return cases.scores["volume_spread_ml"] + self.floor_ml

    def intervals(self, cases: StructureCases) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper ends, each (n,) ml."""
        center, half = self.centers(cases), self.quantile * self.half_widths(cases)
        return np.maximum(center - half, 0), center + half

    def needed(self, cases: StructureCases) -> np.ndarray:
        """(n,) smallest quantile whose interval contains the truth."""
        return np.abs(cases.true_volume_ml - self.centers(cases)) / self.half_widths(cases)

    def fitted(self, cases: StructureCases, level: float) -> VolumeRule:
        """The rule with the quantile of these cases."""
        quantile = patient_quantile(self.needed(cases), cases.patient, cases.weight, level)
        return replace(self, quantile=quantile)


class RelativeRule(VolumeRule):
    """Without uncertainty: the width is proportional to the volume."""

    def half_widths(self, cases: StructureCases) -> np.ndarray:
        """(n,) ml; never 0, or no quantile would reach the truth of a missed structure."""
        return np.maximum(self.centers(cases), self.floor_ml)


class ConstantRule(VolumeRule):
    """Without uncertainty: the same width for all cases."""

    def half_widths(self, cases: StructureCases) -> np.ndarray:
        """(n,) ones, in ml."""
        return np.ones(len(cases))


@dataclass(frozen=True, eq=False)
class CrossValidatedIntervals:
    """Cross-validated intervals: whether each contains the truth, and its width in ml, both (n,)."""

    covered: np.ndarray
    width_ml: np.ndarray


def fit_volume_rule(cases: StructureCases, level: float = LEVEL) -> VolumeRule:
    """Choose center and floor by the cross-validated interval score; fit the quantile on all cases."""
    seen = cases.take(cases.seen)
    return best_rule(candidates(seen), seen, level).fitted(seen, level)


def candidates(cases: StructureCases) -> list[VolumeRule]:
    """Rules that use the propagated spread."""
    rules = []
    for center, name in CENTERS.items():
        unit = _unit(cases, name)
        rules += [VolumeRule(center, factor * unit) for factor in FLOORS]
    return rules


def without_uncertainty(cases: StructureCases) -> list[VolumeRule]:
    """Rules that use only the volume: constant and relative widths."""
    return [
        kind(center, _unit(cases, name))
        for center, name in CENTERS.items()
        for kind in (ConstantRule, RelativeRule)
    ]


def best_rule(rules: list[VolumeRule], cases: StructureCases, level: float) -> VolumeRule:
    """The rule with the best interval score on patients that it was not fitted on."""
    scores = [cases.mean(_cross_fitted_scores(rule, cases, level)) for rule in rules]
    return rules[int(np.argmin(scores))]


def cross_validate_intervals(
    cases: StructureCases, make=candidates, level: float = LEVEL
) -> CrossValidatedIntervals:
    """Choose, fit and evaluate intervals on patients that took no part in either."""
    covered, width = np.zeros(len(cases), bool), np.zeros(len(cases))
    for fit, left_out in folds(cases.patient):
        train, test = cases.take(fit & cases.seen), cases.take(left_out)
        rule = best_rule(make(train), train, level).fitted(train, level)
        covered[left_out], width[left_out] = _evaluated(rule, test)
    return CrossValidatedIntervals(covered, width)


def _cross_fitted_scores(rule: VolumeRule, cases: StructureCases, level: float) -> np.ndarray:
    """Interval score in ml, (n,): width, and distance of the truth from it times 2 / (1 - level).

    The width alone would favor constant intervals, which fail where the spread is large. Rules are only
    compared, so there is no correction for few patients.

    References
    ----------
    Gneiting and Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 102, 2007.
    """
    score = np.zeros(len(cases))
    for fit, left_out in folds(cases.patient, INNER_FOLDS, seed=1):
        train, test = cases.take(fit), cases.take(left_out)
        quantile = weighted_quantile(rule.needed(train), train.weight, level)
        low, high = replace(rule, quantile=quantile).intervals(test)
        outside = np.maximum(low - test.true_volume_ml, test.true_volume_ml - high).clip(min=0)
        score[left_out] = high - low + 2 / (1 - level) * outside
    return score


def _evaluated(rule: VolumeRule, cases: StructureCases) -> tuple[np.ndarray, np.ndarray]:
    low, high = rule.intervals(cases)
    inside = (low <= cases.true_volume_ml) & (cases.true_volume_ml <= high)
    return inside, high - low


def _unit(cases: StructureCases, name: str) -> float:
    """Median error of a center in ml; where most are exact, a thousandth of the largest true volume."""
    median = float(np.median(np.abs(cases.true_volume_ml - cases.scores[name])))
    return max(median, 1e-3 * float(cases.true_volume_ml.max()), 1e-6)
