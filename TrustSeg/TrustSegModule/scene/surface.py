"""The mask in 3D: plain surfaces in the colors of the structures, or one surface colored by a map.

Surfaces are computed when they are first shown, as they take longer than the overlay.
"""

from __future__ import annotations

import numpy as np
import slicer
import vtk
from vtk.util.numpy_support import numpy_to_vtk, vtk_to_numpy

from TrustSegModule.scene.geometry import ijk_to_ras
from TrustSegModule.scene.legend import follow_table, heading, show_surface_legend
from TrustSegModule.scene.maps import scale_of
from TrustSegModule.scene.nodes import nodes_of_class, place_beside

MODEL_ROLE = "TrustSeg.Surface"
"""From the segmentation to the colored surface."""
COLOR_ROLE = "TrustSeg.SurfaceMap"
"""From the segmentation, and from the colored surface, to the map that colors it."""


def show(scene: slicer.vtkMRMLScene, segmentation_node: slicer.vtkMRMLSegmentationNode, shown: bool) -> None:
    """Show or hide the surface of the mask in 3D, colored by the map of `color_by`, if any."""
    map_node = segmentation_node.GetNodeReference(COLOR_ROLE)
    if shown:
        segmentation_node.CreateClosedSurfaceRepresentation()
    if shown and map_node is not None:
        _update_model(scene, segmentation_node, map_node)
    segmentation_node.GetDisplayNode().SetVisibility3D(shown and map_node is None)
    model = segmentation_node.GetNodeReference(MODEL_ROLE)
    if model is not None:
        model.GetDisplayNode().SetVisibility(shown and map_node is not None)


def color_by(
    scene: slicer.vtkMRMLScene,
    segmentation_node: slicer.vtkMRMLSegmentationNode,
    map_node: slicer.vtkMRMLScalarVolumeNode | None,
) -> None:
    """Color the surface by an uncertainty map, or by structure (None); a hidden surface is not computed."""
    shown = is_shown(segmentation_node)
    segmentation_node.SetNodeReferenceID(COLOR_ROLE, map_node.GetID() if map_node else None)
    if shown:
        show(scene, segmentation_node, True)


def is_shown(segmentation_node: slicer.vtkMRMLSegmentationNode) -> bool:
    """Return whether the mask has a visible surface."""
    model = segmentation_node.GetNodeReference(MODEL_ROLE)
    if model is not None and model.GetDisplayNode().GetVisibility():
        return True
    plain = segmentation_node.GetSegmentation().ContainsRepresentation(_closed_surface())
    return bool(plain and segmentation_node.GetDisplayNode().GetVisibility3D())


def is_colored(segmentation_node: slicer.vtkMRMLSegmentationNode) -> bool:
    """Return whether a map colors the surface, shown or not."""
    return segmentation_node.GetNodeReference(COLOR_ROLE) is not None


def follow_colors(scene: slicer.vtkMRMLScene, map_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Give the surfaces that a map colors the color table of the map."""
    for model in nodes_of_class(scene, "vtkMRMLModelNode"):
        if model.GetNodeReferenceID(COLOR_ROLE) == map_node.GetID():
            model.GetDisplayNode().SetAndObserveColorNodeID(map_node.GetDisplayNode().GetColorNodeID())
            follow_table(scene, model)


def sample(map_node: slicer.vtkMRMLScalarVolumeNode, points: np.ndarray) -> np.ndarray:
    """Return the map at points, linear between voxel centers; outside the grid, the value at its border.

    Parameters
    ----------
    map_node : vtkMRMLScalarVolumeNode
    points : ndarray (N, 3)
        RAS, mm, in the volume's own frame.

    Returns
    -------
    ndarray of float32 (N,)
    """
    values = slicer.util.arrayFromVolume(map_node)
    inverse = np.linalg.inv(ijk_to_ras(map_node))
    indices = (points @ inverse[:3, :3].T + inverse[:3, 3])[:, ::-1]
    largest = np.array(values.shape) - 1
    indices = np.clip(indices, 0, largest)
    lower = np.minimum(np.floor(indices).astype(int), np.maximum(largest - 1, 0))
    weights = indices - lower
    result = np.zeros(len(points))
    for corner in np.ndindex(2, 2, 2):
        share = np.prod(np.where(corner, weights, 1 - weights), axis=1)
        result += share * values[tuple(np.minimum(lower + corner, largest).T)]
    return result.astype(np.float32)


def _update_model(scene: slicer.vtkMRMLScene, segmentation_node, map_node) -> None:
    scale = scale_of(map_node)
    surface = _joined_surface(segmentation_node)
    values = np.zeros(0, np.float32)
    if surface.GetNumberOfPoints():
        values = sample(map_node, vtk_to_numpy(surface.GetPoints().GetData())) * np.float32(scale.factor)
    scalars = numpy_to_vtk(values, deep=True)
    scalars.SetName(heading(scale))
    surface.GetPointData().SetScalars(scalars)
    model = segmentation_node.GetNodeReference(MODEL_ROLE) or _add_model(scene, segmentation_node)
    model.SetAndObserveMesh(surface)
    model.SetNodeReferenceID(COLOR_ROLE, map_node.GetID())
    place_beside(scene, model, segmentation_node)
    _color(model.GetDisplayNode(), map_node)
    show_surface_legend(scene, model, scale)


def _joined_surface(segmentation_node: slicer.vtkMRMLSegmentationNode) -> vtk.vtkPolyData:
    append = vtk.vtkAppendPolyData()
    segmentation = segmentation_node.GetSegmentation()
    # Without any input, the filter complains.
    append.AddInputData(vtk.vtkPolyData())
    for index in range(segmentation.GetNumberOfSegments()):
        piece = vtk.vtkPolyData()
        segmentation_node.GetClosedSurfaceRepresentation(segmentation.GetNthSegmentID(index), piece)
        append.AddInputData(piece)
    append.Update()
    return append.GetOutput()


def _add_model(scene: slicer.vtkMRMLScene, segmentation_node) -> slicer.vtkMRMLModelNode:
    model = scene.AddNewNodeByClass("vtkMRMLModelNode", f"{segmentation_node.GetName()} surface")
    model.CreateDefaultDisplayNodes()
    # In slices the mask is drawn already.
    model.GetDisplayNode().SetVisibility2D(False)
    segmentation_node.SetNodeReferenceID(MODEL_ROLE, model.GetID())
    return model


def _color(display: slicer.vtkMRMLModelDisplayNode, map_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    scale = scale_of(map_node)
    with slicer.util.NodeModify(display):
        display.SetActiveScalar(heading(scale), vtk.vtkAssignAttribute.POINT_DATA)
        display.SetAndObserveColorNodeID(map_node.GetDisplayNode().GetColorNodeID())
        display.SetScalarRangeFlag(slicer.vtkMRMLDisplayNode.UseManualScalarRange)
        display.SetScalarRange(scale.low * scale.factor, scale.high * scale.factor)
        display.SetScalarVisibility(True)


def _closed_surface() -> str:
    return slicer.vtkSegmentationConverter.GetSegmentationClosedSurfaceRepresentationName()
