"""Settings of the panel that are saved with the scene."""

import slicer
from slicer.parameterNodeWrapper import parameterNodeWrapper

from TrustSegLib.contract import DEFAULT_MAP
from TrustSegModule.scene.maps import COLOR_MAPS
from TrustSegModule.scene.overlay import DEFAULT_OPACITY

# No postponed annotations here: Slicer's wrapper reads the types themselves.


@parameterNodeWrapper
class TrustSegParameterNode:
    """Settings of the panel.

    Attributes
    ----------
    inputVolume : vtkMRMLScalarVolumeNode
        The image.
    model : str
        Name of the model; empty for the one that fits the image.
    region : vtkMRMLMarkupsROINode
        Part of the image to segment.
    device : str
        "auto", "cpu" or "cuda:N".
    allMaps : bool
        Whether to make every uncertainty map.
    revealLater : bool
        Whether the uncertainty of a new result is hidden until the user asks for it.
    map : str
        Name of the map that is shown.
    opacity : float
        Of the overlay, 0 to 1.
    colorMap : str
        Name of the overlay's colors.
    outline : bool
        Whether the mask is an outline, or filled.
    """

    inputVolume: slicer.vtkMRMLScalarVolumeNode
    model: str = ""
    region: slicer.vtkMRMLMarkupsROINode
    device: str = "auto"
    allMaps: bool = False
    revealLater: bool = False
    map: str = DEFAULT_MAP
    opacity: float = DEFAULT_OPACITY
    colorMap: str = COLOR_MAPS[0]
    outline: bool = True
