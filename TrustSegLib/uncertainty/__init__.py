"""From class moments to labels, uncertainty maps, scores, volumes and regions to review."""

from TrustSegLib.uncertainty.calibration import Calibration, calibrated_rows, case_quality, with_cut_off
from TrustSegLib.uncertainty.maps import labels, uncertainty_map
from TrustSegLib.uncertainty.quality import ExpectedDsc
from TrustSegLib.uncertainty.structure_scores import (
    FEATURES,
    QUALITY_SCORES,
    ScoreSums,
    StructureScores,
)
from TrustSegLib.uncertainty.volumes import StructureRow, structure_rows

__all__ = [
    "FEATURES",
    "QUALITY_SCORES",
    "Calibration",
    "ExpectedDsc",
    "ScoreSums",
    "StructureRow",
    "StructureScores",
    "calibrated_rows",
    "case_quality",
    "labels",
    "structure_rows",
    "uncertainty_map",
    "with_cut_off",
]
