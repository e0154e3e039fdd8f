"""From class moments to what a person reads."""

from TrustSegLib.uncertainty.maps import MAP_NAMES, labels, map_range, map_title, map_unit, uncertainty_map
from TrustSegLib.uncertainty.volumes import StructureRow, structure_rows

__all__ = [
    "MAP_NAMES",
    "StructureRow",
    "labels",
    "map_range",
    "map_title",
    "map_unit",
    "structure_rows",
    "uncertainty_map",
]
