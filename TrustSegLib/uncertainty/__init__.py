"""From class moments to what a person reads."""

from TrustSegLib.uncertainty.calibrated_rows import calibrated_rows, case_quality
from TrustSegLib.uncertainty.calibration import Calibration
from TrustSegLib.uncertainty.expected_dsc import ExpectedDsc
from TrustSegLib.uncertainty.maps import MAP_NAMES, labels, map_range, map_title, map_unit, uncertainty_map
from TrustSegLib.uncertainty.structure_scores import FEATURES, ScoreSums, StructureScores
from TrustSegLib.uncertainty.volumes import StructureRow, structure_rows

__all__ = [
    "FEATURES",
    "MAP_NAMES",
    "Calibration",
    "ExpectedDsc",
    "ScoreSums",
    "StructureRow",
    "StructureScores",
    "calibrated_rows",
    "case_quality",
    "labels",
    "map_range",
    "map_title",
    "map_unit",
    "structure_rows",
    "uncertainty_map",
]
