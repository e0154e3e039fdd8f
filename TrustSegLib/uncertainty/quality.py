"""The expected Dice coefficient of a mask, predicted from its raw scores."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from TrustSegLib.uncertainty.structure_scores import FEATURES, StructureScores


class ExpectedDsc(NamedTuple):
    """Expected Dice coefficient with its interval, all from 0 to 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class QualityModel:
    """Expected Dice coefficient by a linear model of the scores, with an interval.

    It is `sigmoid(intercept + sum coefficients * (features - center) / scale)`.

    Attributes
    ----------
    label : int
        Of the structure.
    features : tuple of str
        Names of fields of `StructureScores`.
    center, scale, coefficients : tuple of float
        One for each feature.
    intercept : float
        Of the linear model.
    low, high : float
        Ends of the interval on the logit scale, relative to the expected value: `low <= 0 <= high`.
    level : float
        Nominal coverage of the interval, such as .9.
    fail_below : float
        A mask with a lower Dice coefficient has failed.
    unusual_below : float
        Expected values that hardly any clean image has; 0 if it is not known.
    cases : int
        Number of cases it was fitted on.
    coverage, mean_absolute_error, failure_auroc : float
        Cross-validated.
    """

    label: int
    features: tuple[str, ...]
    center: tuple[float, ...]
    scale: tuple[float, ...]
    coefficients: tuple[float, ...]
    intercept: float
    low: float
    high: float
    level: float
    fail_below: float
    cases: int
    coverage: float
    mean_absolute_error: float
    failure_auroc: float | None
    unusual_below: float = 0.0

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> QualityModel:
        """Build it from its part of `calibration.json`.

        Raises
        ------
        ValueError
            If its numbers do not define an expected Dice coefficient.
        """
        lists = ("features", "center", "scale", "coefficients")
        values = {name: content[name] for name in cls.__dataclass_fields__ if name in content}
        model = cls(**values | {name: tuple(content[name]) for name in lists})
        _check(model)
        return model

    def expected_dsc(self, scores: StructureScores) -> ExpectedDsc:
        """Return the expected Dice coefficient of a structure.

        It is 0 without an interval for an empty mask, whatever its scores.
        """
        if scores.volume_ml == 0:
            return ExpectedDsc(0.0, 0.0, 0.0)
        values = np.array([getattr(scores, name) for name in self.features])
        scaled = (values - self.center) / self.scale
        eta = self.intercept + float(np.dot(self.coefficients, scaled))
        return ExpectedDsc(_sigmoid(eta), _sigmoid(eta + self.low), _sigmoid(eta + self.high))

    def is_doubtful(self, expected: ExpectedDsc) -> bool:
        """Whether a mask is expected to be worse than usual, and possibly a failure."""
        return expected.low < self.fail_below and expected.value < self.unusual_below

    def summary(self) -> dict[str, Any]:
        """Return what a report holds of it."""
        names = ("label", "level", "coverage", "mean_absolute_error", "cases")
        return {name: getattr(self, name) for name in names}


def _check(model: QualityModel) -> None:
    where = f"quality: label {model.label}"
    unknown = sorted(set(model.features) - set(FEATURES))
    if unknown:
        raise ValueError(f"{where} uses {unknown[0]!r:.40}; known are {', '.join(FEATURES)}")
    if len({len(model.features), len(model.center), len(model.scale), len(model.coefficients)}) > 1:
        raise ValueError(f"{where}: features, center, scale and coefficients differ in length")
    numbers = (*model.center, *model.scale, *model.coefficients, model.intercept, model.low, model.high)
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{where}: a number is not finite")
    if not all(value > 0 for value in model.scale):
        raise ValueError(f"{where}: a scale is not above 0")
    if not model.low <= 0 <= model.high:
        raise ValueError(f"{where}: the interval does not hold the expected value; low <= 0 <= high")


def _sigmoid(value: float) -> float:
    # By the hyperbolic tangent, which does not overflow.
    return 0.5 * (1 + math.tanh(value / 2))
