"""An uncertainty map as a volume of the scene."""

from __future__ import annotations

import slicer
import vtk

from TrustSegModule.color_tables import COLOR_MAPS, color_table
from TrustSegModule.map_scale import describe_map, map_name, scale_of


def create_map(
    scene: slicer.vtkMRMLScene, name: str, classes: int, image_name: str
) -> slicer.vtkMRMLScalarVolumeNode:
    """Add an empty volume for a map to the scene.

    Parameters
    ----------
    scene : vtkMRMLScene
    name : str
        One of `TrustSegLib.uncertainty.MAP_NAMES`.
    classes : int
        Number of classes of the model, background included.
    image_name : str
        The volume is called "<image> <title of the map>".
    """
    node = slicer.vtkMRMLScalarVolumeNode()
    describe_map(node, name, classes)
    scale = scale_of(node)
    node.SetName(f"{image_name} {scale.title.lower()}")
    node.SetVoxelValueUnits(_no_unit())
    scene.AddNode(node)
    display = scene.AddNode(map_display(scale.low, scale.high))
    display.SetThreshold(scale.hidden_below, scale.limit)
    display.SetAndObserveColorNodeID(color_table(scene, COLOR_MAPS[0]).GetID())
    node.SetAndObserveDisplayNodeID(display.GetID())
    return node


def fill_map(
    node: slicer.vtkMRMLScalarVolumeNode,
    image: vtk.vtkImageData,
    input_node: slicer.vtkMRMLVolumeNode,
    classes: int,
) -> None:
    """Replace the voxels by those of a result; threshold, colors and opacity stay as the user set them.

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
    """
    describe_map(node, map_name(node), classes)
    node.CopyOrientation(input_node)
    node.SetAndObserveImageData(image)
    scale = scale_of(node)
    node.GetDisplayNode().SetWindowLevelMinMax(scale.low, scale.high)


def remove_map(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Remove a map with its legend from the scene."""
    for display in [node.GetNthDisplayNode(n) for n in range(node.GetNumberOfDisplayNodes())]:
        scene.RemoveNode(display)
    scene.RemoveNode(node)


def map_display(low: float, high: float) -> slicer.vtkMRMLScalarVolumeDisplayNode:
    """Return a display node with a fixed scale of colors that hides values below its threshold."""
    display = slicer.vtkMRMLScalarVolumeDisplayNode()
    # Before the voxels come: else a histogram of the whole volume is taken, and the scale fitted to it.
    display.AutoWindowLevelOff()
    display.AutoThresholdOff()
    display.SetWindowLevelMinMax(low, high)
    display.ApplyThresholdOn()
    # The color of a voxel is its value: interpolated ones are those of no voxel.
    display.InterpolateOff()
    return display


def _no_unit() -> slicer.vtkCodedEntry:
    """Return the code for a number without unit, such as a probability."""
    units = slicer.vtkCodedEntry()
    units.SetValueSchemeMeaning("1", "UCUM", "no units")
    return units
