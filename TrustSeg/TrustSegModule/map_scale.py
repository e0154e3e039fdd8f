"""How an uncertainty map is shown: a fixed scale for each map, so that pictures compare across images."""

from __future__ import annotations

from typing import NamedTuple

import slicer
from slicer.i18n import tr as _

MAP_ATTRIBUTE = "TrustSeg.Map"
CLASSES_ATTRIBUTE = "TrustSeg.Classes"
CALIBRATED_ATTRIBUTE = "TrustSeg.Calibrated"
PERCENT_MAP = "error_probability"
HIDDEN_SHARE = 0.1
"""Values below this share of the scale are hidden at first: 5 % of error probability."""


class MapScale(NamedTuple):
    """How the values of a map become colors and numbers for people.

    Attributes
    ----------
    title, unit : str
        What people read in the legend.
    factor : float
        From the values of the volume to the numbers of the legend.
    low, high : float
        Values of the volume at the ends of the colors.
    limit : float
        No value of the map is larger.
    """

    title: str
    unit: str
    factor: float
    low: float
    high: float
    limit: float

    @property
    def hidden_below(self) -> float:
        """Smallest value that is drawn at first, in the unit of the volume."""
        return self.low + HIDDEN_SHARE * (self.high - self.low)

    @property
    def heading(self) -> str:
        """Title and unit, as above a legend."""
        return f"{self.title} ({self.unit})"


def describe_map(map_node: slicer.vtkMRMLScalarVolumeNode, name: str, classes: int) -> None:
    """Keep in a node what `scale_of` needs, also after the scene was saved and loaded.

    Parameters
    ----------
    map_node : vtkMRMLScalarVolumeNode
    name : str
        One of `TrustSegLib.uncertainty.MAP_NAMES`.
    classes : int
        Number of classes of the model, background included.
    """
    map_node.SetAttribute(MAP_ATTRIBUTE, name)
    map_node.SetAttribute(CLASSES_ATTRIBUTE, str(classes))


def map_name(map_node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """Return which map a volume holds, such as "error_probability"."""
    return map_node.GetAttribute(MAP_ATTRIBUTE)


def set_calibrated(map_node: slicer.vtkMRMLScalarVolumeNode, calibrated: bool) -> None:
    """Keep in a node whether the probabilities of its result were calibrated."""
    map_node.SetAttribute(CALIBRATED_ATTRIBUTE, "1" if calibrated else None)


def lacks_calibration(map_node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Return whether a map shows probabilities in percent that nobody has held against outcomes."""
    return map_name(map_node) == PERCENT_MAP and map_node.GetAttribute(CALIBRATED_ATTRIBUTE) is None


def scale_of(map_node: slicer.vtkMRMLScalarVolumeNode) -> MapScale:
    """Return the scale of a volume that `describe_map` was called for."""
    # Here and not above: Slicer opens the module before the library is importable.
    from TrustSegLib.uncertainty import map_range, map_unit

    name, classes = map_name(map_node), int(map_node.GetAttribute(CLASSES_ATTRIBUTE))
    low, high = map_range(name, classes)
    factor, unit = (100.0, "%") if name == PERCENT_MAP else (1.0, map_unit(name))
    return MapScale(map_titles()[name], unit, factor, low, high, limit=max(high, 1.0))


def map_titles() -> dict[str, str]:
    """Return what people call each map, in their language; the library knows the English names only."""
    return {
        "error_probability": _("Error probability"),
        "predictive_variance": _("Predictive variance"),
        "entropy": _("Predictive entropy"),
        "epistemic": _("Epistemic uncertainty"),
        "aleatoric": _("Aleatoric uncertainty"),
    }
