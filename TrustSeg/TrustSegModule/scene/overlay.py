"""The uncertainty over the anatomy: the map as the foreground of the slice views, with a legend."""

from __future__ import annotations

import slicer

from TrustSegModule.scene import legend, surface
from TrustSegModule.scene.maps import MAP_ATTRIBUTE, color_table, scale_of, upper_threshold
from TrustSegModule.scene.nodes import nodes_of_class

DEFAULT_OPACITY = 0.5
"""Half of the anatomy shows through the colors."""
PREVIOUS_FOREGROUND = "TrustSeg.PreviousForeground"
PREVIOUS_OPACITY = "TrustSeg.PreviousOpacity"


def show(
    scene: slicer.vtkMRMLScene,
    map_node: slicer.vtkMRMLScalarVolumeNode,
    input_node: slicer.vtkMRMLVolumeNode,
    opacity: float = DEFAULT_OPACITY,
) -> None:
    """Show the map over the image in every slice view, including those of hidden layouts.

    Call it again when a new layout has made more views.

    Parameters
    ----------
    scene : vtkMRMLScene
    map_node : vtkMRMLScalarVolumeNode
        An uncertainty map of `put_result`.
    input_node : vtkMRMLVolumeNode
        The image, shown below.
    opacity : float
        0 shows the image, 1 the map.
    """
    for composite in _composites(scene):
        with slicer.util.NodeModify(composite):
            _remember_foreground(composite)
            composite.SetBackgroundVolumeID(input_node.GetID())
            composite.SetForegroundVolumeID(map_node.GetID())
            composite.SetForegroundOpacity(opacity)
    legend.show_legend(scene, map_node)


def hide(scene: slicer.vtkMRMLScene, map_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Remove the map and restore the foreground that it replaced; the background stays."""
    for composite in _showing(scene, map_node):
        with slicer.util.NodeModify(composite):
            _restore_foreground(composite)
    legend.hide_legend(map_node)


def is_shown(scene: slicer.vtkMRMLScene, map_node: slicer.vtkMRMLScalarVolumeNode) -> bool:
    """Return whether the map is shown over the image in any slice view."""
    return bool(_showing(scene, map_node))


def set_threshold(map_node: slicer.vtkMRMLScalarVolumeNode, value: float) -> None:
    """Hide the voxels of the map below a value, in the unit of the map (a probability: 0 to 1)."""
    map_node.GetDisplayNode().SetThreshold(value, upper_threshold(scale_of(map_node)))
    legend.follow_threshold(map_node)


def set_opacity(scene: slicer.vtkMRMLScene, map_node: slicer.vtkMRMLScalarVolumeNode, opacity: float) -> None:
    """Set how opaque the map is where it is shown, 0 to 1."""
    for composite in _showing(scene, map_node):
        composite.SetForegroundOpacity(opacity)


def set_color_map(scene: slicer.vtkMRMLScene, map_node: slicer.vtkMRMLScalarVolumeNode, name: str) -> None:
    """Color the map, its legend and a surface colored by it with one of `maps.COLOR_MAPS`.

    Raises
    ------
    ValueError
        There is no color map of this name.
    """
    map_node.GetDisplayNode().SetAndObserveColorNodeID(color_table(scene, name).GetID())
    legend.follow_colors(scene, map_node)
    surface.follow_colors(scene, map_node)


def set_outline(segmentation_node: slicer.vtkMRMLSegmentationNode, outline: bool) -> None:
    """Draw the mask in slice views as an outline, or filled."""
    display = segmentation_node.GetDisplayNode()
    with slicer.util.NodeModify(display):
        display.SetVisibility2DOutline(True)
        display.SetVisibility2DFill(not outline)


def _composites(scene: slicer.vtkMRMLScene) -> list[slicer.vtkMRMLSliceCompositeNode]:
    return nodes_of_class(scene, "vtkMRMLSliceCompositeNode")


def _showing(scene: slicer.vtkMRMLScene, map_node) -> list[slicer.vtkMRMLSliceCompositeNode]:
    return [node for node in _composites(scene) if node.GetForegroundVolumeID() == map_node.GetID()]


def _remember_foreground(composite: slicer.vtkMRMLSliceCompositeNode) -> None:
    foreground = composite.GetScene().GetNodeByID(composite.GetForegroundVolumeID() or "")
    if foreground is not None and foreground.GetAttribute(MAP_ATTRIBUTE):
        return  # One of our maps: what was there before it is remembered already.
    composite.SetNodeReferenceID(PREVIOUS_FOREGROUND, composite.GetForegroundVolumeID())
    composite.SetAttribute(PREVIOUS_OPACITY, str(composite.GetForegroundOpacity()))


def _restore_foreground(composite: slicer.vtkMRMLSliceCompositeNode) -> None:
    foreground = composite.GetNodeReference(PREVIOUS_FOREGROUND)
    composite.SetForegroundVolumeID(foreground.GetID() if foreground else None)
    # None where the user, and not `show`, chose the map as the foreground.
    opacity = composite.GetAttribute(PREVIOUS_OPACITY)
    if opacity is not None:
        composite.SetForegroundOpacity(float(opacity))
    composite.SetNodeReferenceID(PREVIOUS_FOREGROUND, None)
    composite.RemoveAttribute(PREVIOUS_OPACITY)
