"""Uncertainty maps as volumes of the scene, on fixed scales so that pictures compare across images.

Their colors are tables of their own, the same in every version of Slicer and in the report.

The files of the color tables hold 256 colors in Slicer's format. Inferno, Magma and Grey leave out the dark
end, which would be lost on a dark image.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _

from TrustSegLib.contract import DEFAULT_MAP, MapDisplay, map_display
from TrustSegModule.scene.nodes import nodes_of_class

MAP_ATTRIBUTE = "TrustSeg.Map"
CLASSES_ATTRIBUTE = "TrustSeg.Classes"
CALIBRATED_ATTRIBUTE = "TrustSeg.Calibrated"

COLOR_MAPS = ("Inferno", "Viridis", "Cividis", "Magma", "Grey", "Rainbow")
"""The first is the default; the others are for eyes and habits that differ."""
COLOR_MAP_ATTRIBUTE = "TrustSeg.ColorMap"
COLOR_TABLE_FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "ColorTables"


def describe_map(map_node: slicer.vtkMRMLScalarVolumeNode, name: str, classes: int) -> None:
    """Store in a node what `scale_of` needs, also after the scene was saved and loaded.

    Parameters
    ----------
    map_node : vtkMRMLScalarVolumeNode
    name : str
        One of `TrustSegLib.contract.MAP_NAMES`.
    classes : int
        Number of classes of the model, background included.
    """
    map_node.SetAttribute(MAP_ATTRIBUTE, name)
    map_node.SetAttribute(CLASSES_ATTRIBUTE, str(classes))


def map_name(map_node: slicer.vtkMRMLScalarVolumeNode) -> str:
    """Return which map a volume holds, such as "error_probability"."""
    return map_node.GetAttribute(MAP_ATTRIBUTE)


def set_calibrated(map_node: slicer.vtkMRMLScalarVolumeNode, calibrated: bool) -> None:
    """Store in a node whether the error probability of its result was calibrated."""
    map_node.SetAttribute(CALIBRATED_ATTRIBUTE, "1" if calibrated else None)


def lacks_calibration(map_node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Return whether a map shows error probabilities that were not calibrated."""
    return map_name(map_node) == DEFAULT_MAP and map_node.GetAttribute(CALIBRATED_ATTRIBUTE) is None


def scale_of(map_node: slicer.vtkMRMLScalarVolumeNode) -> MapDisplay:
    """Return how a volume that `describe_map` was called for is displayed, with its title translated."""
    name, classes = map_name(map_node), int(map_node.GetAttribute(CLASSES_ATTRIBUTE))
    calibrated = not lacks_calibration(map_node)
    return replace(map_display(name, classes, calibrated), title=map_titles(calibrated)[name])


def upper_threshold(scale: MapDisplay) -> float:
    """Return a threshold that no value exceeds: a calibrated probability may reach 1 with any classes."""
    return max(scale.largest, 1.0)


def map_titles(calibrated: bool = True) -> dict[str, str]:
    """Return the translated titles of the maps; the contract has the English ones only."""
    return {
        DEFAULT_MAP: _("Error probability") if calibrated else _("Uncertainty, raw (not calibrated)"),
        "predictive_variance": _("Predictive variance"),
        "entropy": _("Predictive entropy"),
        "epistemic": _("Epistemic uncertainty"),
        "aleatoric": _("Aleatoric uncertainty"),
    }


def create_map(
    scene: slicer.vtkMRMLScene, name: str, classes: int, image_name: str, calibrated: bool = True
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add an empty volume for a map to the scene.

    Parameters
    ----------
    scene : vtkMRMLScene
    name : str
        One of `TrustSegLib.contract.MAP_NAMES`.
    classes : int
        Number of classes of the model, background included.
    image_name : str
        The volume is called "<image> <title of the map>".
    calibrated : bool
        Whether the error probability of the result is calibrated.
    """
    node = slicer.vtkMRMLScalarVolumeNode()
    describe_map(node, name, classes)
    set_calibrated(node, calibrated)
    scale = scale_of(node)
    node.SetName(f"{image_name} {scale.title.lower()}")
    node.SetVoxelValueUnits(_no_unit())
    scene.AddNode(node)
    display = scene.AddNode(make_display(scale))
    display.SetThreshold(scale.hidden_below, upper_threshold(scale))
    display.SetAndObserveColorNodeID(color_table(scene, COLOR_MAPS[0]).GetID())
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node


def fill_map(
    node: slicer.vtkMRMLScalarVolumeNode,
    image: vtk.vtkImageData,
    input_node: slicer.vtkMRMLVolumeNode,
    classes: int,
    calibrated: bool = True,
) -> None:
    """Replace the voxels by those of a result; threshold, colors and opacity stay as the user set them.

    A volume that still has the name that it was given is renamed where another model's error probability is
    calibrated and that of the last one was not, or the other way round.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode
        From `create_map`.
    image : vtkImageData of float
        The voxels, on the grid of the input; the node keeps it.
    input_node : vtkMRMLVolumeNode
        What was segmented.
    classes : int
        Number of classes of the model, background included.
    calibrated : bool
        Whether the error probability of the result is calibrated.
    """
    before = scale_of(node).title.lower()
    describe_map(node, map_name(node), classes)
    set_calibrated(node, calibrated)
    if node.GetName().endswith(before):
        node.SetName(node.GetName().removesuffix(before) + scale_of(node).title.lower())
    node.CopyOrientation(input_node)
    node.SetAndObserveImageData(image)
    scale = scale_of(node)
    node.GetDisplayNode().SetWindowLevelMinMax(scale.low, scale.high)


def remove_map(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Remove a map with its legend from the scene."""
    for display in [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]:
        scene.RemoveNode(display)
    scene.RemoveNode(node)


def make_display(scale: MapDisplay) -> slicer.vtkMRMLScalarVolumeDisplayNode:
    """Return a display node with a fixed scale of colors that hides values below its threshold."""
    display = slicer.vtkMRMLScalarVolumeDisplayNode()
    # Before the voxels come: else a histogram of the whole volume is taken, and the scale fitted to it.
    display.AutoWindowLevelOff()
    display.AutoThresholdOff()
    display.SetWindowLevelMinMax(scale.low, scale.high)
    display.ApplyThresholdOn()
    # The color of a voxel is its value: interpolated ones are those of no voxel.
    display.InterpolateOff()
    return display


def _no_unit() -> slicer.vtkCodedEntry:
    """Return the code for a number without unit, such as a probability."""
    units = slicer.vtkCodedEntry()
    units.SetValueSchemeMeaning("1", "UCUM", "no units")
    return units


def color_table(scene: slicer.vtkMRMLScene, name: str) -> slicer.vtkMRMLColorTableNode:
    """Return the scene's color table of this name; added at the first call.

    Raises
    ------
    ValueError
        The name is not in `COLOR_MAPS`.
    """
    if name not in COLOR_MAPS:
        raise ValueError(f"there is no color map {name!r}; choose from {', '.join(COLOR_MAPS)}")
    for node in nodes_of_class(scene, "vtkMRMLColorTableNode"):
        if node.GetAttribute(COLOR_MAP_ATTRIBUTE) == name:
            return node
    return scene.AddNode(_make_table(name))


def read_colors(name: str) -> np.ndarray:
    """Return the colors of a table as (256, 3) from 0 to 1, lowest value first."""
    return np.loadtxt(COLOR_TABLE_FOLDER / f"{name}.txt", usecols=(2, 3, 4)) / 255


def _make_table(name: str) -> slicer.vtkMRMLColorTableNode:
    colors = read_colors(name)
    node = slicer.vtkMRMLColorTableNode()
    node.SetTypeToUser()
    node.SetName(f"TrustSeg {name}")
    node.SetAttribute(COLOR_MAP_ATTRIBUTE, name)
    node.SetNumberOfColors(len(colors))
    for index, color in enumerate(colors):
        node.SetColor(index, str(index), *color, 1.0)
    return node
