"""A structure's volume with an interval, by conformal prediction."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from TrustSegLib.uncertainty.structure_scores import StructureScores

CENTERS = {"mask": "volume_ml", "expected": "expected_volume_ml"}
"""Score in the middle of the interval."""


@dataclass(frozen=True)
class VolumeModel:
    """Interval `center -+ quantile * (volume_spread_ml + floor_ml)`.

    Attributes
    ----------
    label : int
        Of the structure.
    level : float
        Part of the cases whose true volume should lie in the interval, such as .9.
    center : str
        `mask` or `expected`.
    quantile : float
        Conformal quantile of `|true volume - center| / (spread + floor)`.
    floor_ml : float
        Spread of a case of which the model seems sure.
    coverage : float
        Part of the cases whose volume did lie in it, cross-validated.
    mean_width_ml, mean_width_without_uncertainty_ml : float
        Of the interval, and of one of the same width for every case.
    cases : int
        Number of cases.

    References
    ----------
    Lei et al., "Distribution-free predictive inference for regression", JASA 2018: conformal intervals whose
    width follows an estimate of the spread.
    """

    label: int
    level: float
    center: str
    quantile: float
    floor_ml: float
    coverage: float
    mean_width_ml: float
    mean_width_without_uncertainty_ml: float
    cases: int

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> VolumeModel:
        """Make it from its part of `calibration.json`.

        Raises
        ------
        ValueError
            If its numbers give no interval.
        """
        model = cls(**{name: content[name] for name in cls.__dataclass_fields__})
        if model.center not in CENTERS:
            raise ValueError(f"volumes: center is {model.center!r:.40}, not any of {', '.join(CENTERS)}")
        if not (0 <= model.quantile < math.inf and 0 <= model.floor_ml < math.inf):
            raise ValueError(f"volumes: label {model.label} has no finite, positive quantile and floor")
        return model

    def interval_ml(self, scores: StructureScores) -> tuple[float, float]:
        """Return the lowest and the highest plausible volume in ml, not below 0."""
        center = getattr(scores, CENTERS[self.center])
        half = self.quantile * (scores.volume_spread_ml + self.floor_ml)
        return max(0.0, center - half), max(0.0, center + half)

    def summary(self) -> dict[str, Any]:
        """Return what a report tells of it."""
        return {name: getattr(self, name) for name in ("label", "level", "coverage", "cases")}
