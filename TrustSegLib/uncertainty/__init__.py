"""From class moments to what a person reads.

Importing it takes numpy and no more: Slicer asks how a saved map is drawn, where SciPy may not be installed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from TrustSegLib.uncertainty.maps import MAP_NAMES, labels, map_range, map_title, map_unit, uncertainty_map
from TrustSegLib.uncertainty.volumes import StructureRow, structure_rows

if TYPE_CHECKING:
    from TrustSegLib.uncertainty.calibration import Calibration, calibrated_rows, case_quality
    from TrustSegLib.uncertainty.quality import ExpectedDsc
    from TrustSegLib.uncertainty.structure_scores import FEATURES, ScoreSums, StructureScores

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

_WITH_SCIPY = {
    "calibration": ("Calibration", "calibrated_rows", "case_quality"),
    "quality": ("ExpectedDsc",),
    "structure_scores": ("FEATURES", "ScoreSums", "StructureScores"),
}
"""What is imported when it is first asked for, by its file."""


def __getattr__(name: str) -> Any:
    for file, names in _WITH_SCIPY.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{file}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
