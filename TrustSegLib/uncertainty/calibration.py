"""A model's calibration: from raw scores to numbers that were checked on patients kept aside."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from TrustSegLib.uncertainty.error_curve import ErrorCurve
from TrustSegLib.uncertainty.expected_dsc import ExpectedDsc, QualityModel
from TrustSegLib.uncertainty.structure_scores import StructureScores
from TrustSegLib.uncertainty.volume_interval import VolumeModel


@dataclass(frozen=True)
class Calibration:
    """What `calibration.json` says; each part may be missing.

    Attributes
    ----------
    record : Mapping
        What it was fitted on: `data`, `patients`, `conditions`, `cases`, `folds`.
    curve : ErrorCurve or None
        From raw to calibrated error probability.
    volumes : Mapping of int to VolumeModel
        Volume interval of each label that has one.
    qualities : Mapping of int to QualityModel
        Expected Dice coefficient of each label that has one.
    input : Mapping or None
        Facts about the images it was fitted on, as they are in the file.
    """

    record: Mapping[str, Any]
    curve: ErrorCurve | None = None
    volumes: Mapping[int, VolumeModel] = field(default_factory=dict)
    qualities: Mapping[int, QualityModel] = field(default_factory=dict)
    input: Mapping[str, Any] | None = None

    @classmethod
    def parse(cls, content: Mapping[str, Any]) -> Calibration:
        """Make it from the content of a `calibration.json`.

        Parameters
        ----------
        content : Mapping
            Fits `bundle/calibration.schema.json`, which says what there is and of which type.

        Raises
        ------
        ValueError
            In one line: a curve falls, a number is not finite, lists differ in length, an interval or a
            range is upside down, a score is not known, or a label comes twice.
        """
        curve = content.get("error_probability")
        return cls(
            record=content["record"],
            curve=None if curve is None else ErrorCurve.parse(curve),
            volumes=_by_label("volumes", map(VolumeModel.parse, content.get("volumes", ()))),
            qualities=_by_label("quality", map(QualityModel.parse, content.get("quality", ()))),
            input=_ordered(content.get("input")),
        )

    @property
    def labels(self) -> frozenset[int]:
        """Labels that have an interval or an expected Dice coefficient."""
        return frozenset(self.volumes) | frozenset(self.qualities)

    def error_probability(self, raw: np.ndarray) -> np.ndarray:
        """Return calibrated error probabilities, float32; the raw ones if there is no curve."""
        return raw if self.curve is None else self.curve(raw)

    def volume_interval_ml(self, scores: StructureScores) -> tuple[float, float] | None:
        """Return the interval of a structure's volume in ml; None if it was not calibrated."""
        model = self.volumes.get(scores.label)
        return None if model is None else model.interval_ml(scores)

    def expected_dsc(self, scores: StructureScores) -> ExpectedDsc | None:
        """Return the expected Dice coefficient of a structure; None if it was not calibrated."""
        model = self.qualities.get(scores.label)
        return None if model is None else model.expected_dsc(scores)

    def summary(self) -> dict[str, Any]:
        """Return what a report tells of it: the record, and how well each part held in cross-validation."""
        return {
            "record": dict(self.record),
            "error_probability": None if self.curve is None else {"ece_after": self.curve.ece_after},
            "volumes": [model.summary() for model in self.volumes.values()],
            "quality": [model.summary() for model in self.qualities.values()],
        }


def _ordered(input: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The part `input`, of which every range is one: no image would be inside of another."""
    for name, limits in () if input is None else input["facts"].items():
        for low, high in ((limits["low"], limits["high"]), limits.get("seen", (0, 0))):
            if not -math.inf < low <= high < math.inf:
                raise ValueError(f"input: {name} is from {low} to {high}, which is no range")
    return input


def _by_label(part: str, models: Any) -> dict[int, Any]:
    found: dict[int, Any] = {}
    for model in models:
        if model.label in found:
            raise ValueError(f"{part}: label {model.label} comes twice")
        found[model.label] = model
    return found
