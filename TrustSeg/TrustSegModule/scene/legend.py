"""Color legends with title, unit and numbers: of a map in slice views, of a surface in 3D views.

A legend writes the numbers of the display node it belongs to. Probabilities are stored from 0 to 1 and read
in percent: so the legend of a map has a display node of its own on the same volume, which draws nothing.
"""

from __future__ import annotations

import slicer
from slicer.i18n import tr as _

from TrustSegLib.contract import MapDisplay
from TrustSegModule.scene.maps import make_display, scale_of
from TrustSegModule.scene.nodes import nodes_of_class

DISPLAY_ROLE = "TrustSeg.LegendDisplay"
LEGEND_ROLE = "TrustSeg.Legend"
LABELS = 6
"""Six numbers split a scale from 0 to 50 into tens."""
SIZE, POSITION = (0.15, 0.5), (0.95, 0.5)


def show_legend(scene: slicer.vtkMRMLScene, map_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Show the legend of a map in every slice view that shows the map."""
    scale = scale_of(map_node)
    display = map_node.GetNodeReference(DISPLAY_ROLE) or _add_display(scene, map_node)
    display.SetWindowLevelMinMax(scale.low * scale.factor, scale.high * scale.factor)
    display.SetAndObserveColorNodeID(map_node.GetDisplayNode().GetColorNodeID())
    legend = _place_legend(scene, map_node, display)
    _style(legend, scale)
    follow_threshold(map_node)
    legend.SetVisibility(True)


def show_surface_legend(
    scene: slicer.vtkMRMLScene, model: slicer.vtkMRMLModelNode, scale: MapDisplay
) -> None:
    """Show the legend of a colored surface in the 3D views; slice views have that of the map."""
    legend = _place_legend(scene, model, model.GetDisplayNode())
    _style(legend, scale)
    legend.SetTitleText(heading(scale))
    legend.RemoveAllViewNodeIDs()
    for view in nodes_of_class(scene, "vtkMRMLViewNode"):
        legend.AddViewNodeID(view.GetID())
    legend.SetVisibility(True)


def heading(scale: MapDisplay) -> str:
    """Return title and unit, as above a legend."""
    return scale.heading


def hide_legend(map_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Hide the legend of a map, if there is one."""
    legend = map_node.GetNodeReference(LEGEND_ROLE)
    if legend is not None:
        legend.SetVisibility(False)


def follow_colors(scene: slicer.vtkMRMLScene, map_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Give the legend of a map, if there is one, the map's colors."""
    display = map_node.GetNodeReference(DISPLAY_ROLE)
    if display is not None:
        display.SetAndObserveColorNodeID(map_node.GetDisplayNode().GetColorNodeID())
        follow_table(scene, map_node)


def follow_table(scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLDisplayableNode) -> None:
    """Redraw the legend of a map or surface, if any, after its color table has changed."""
    legend = node.GetNodeReference(LEGEND_ROLE)
    if legend is not None:
        _place_legend(scene, node, legend.GetPrimaryDisplayNode())


def follow_threshold(map_node: slicer.vtkMRMLScalarVolumeNode) -> None:
    """Write the threshold below the title of a map's legend."""
    legend, scale = map_node.GetNodeReference(LEGEND_ROLE), scale_of(map_node)
    if legend is not None:
        threshold = map_node.GetDisplayNode().GetLowerThreshold()
        note = _("from {value}").format(value=scale.text(threshold, ".3g")) if threshold > scale.low else ""
        legend.SetTitleText("\n".join(filter(None, [heading(scale), note])))


def _place_legend(
    scene: slicer.vtkMRMLScene, node: slicer.vtkMRMLDisplayableNode, display: slicer.vtkMRMLDisplayNode
) -> slicer.vtkMRMLColorLegendDisplayNode:
    """Add the legend of a display node to the scene, or add it again, as its last node.

    A view draws only legends that are added while it exists. And loading a saved scene fails on a legend that
    is listed before its color table.
    """
    legend = node.GetNodeReference(LEGEND_ROLE)
    if legend is None:
        legend = slicer.vtkMRMLColorLegendDisplayNode()
        legend.SetVisibility(False)
    else:
        scene.RemoveNode(legend)
    scene.AddNode(legend)
    node.AddAndObserveDisplayNodeID(legend.GetID())
    node.SetNodeReferenceID(LEGEND_ROLE, legend.GetID())
    legend.SetAndObservePrimaryDisplayNode(display)
    legend.Modified()  # The views saw it when it was added and had no display node yet.
    return legend


def _add_display(scene: slicer.vtkMRMLScene, map_node) -> slicer.vtkMRMLScalarVolumeDisplayNode:
    display = scene.AddNode(make_display(scale_of(map_node)))
    map_node.AddAndObserveDisplayNodeID(display.GetID())
    map_node.SetNodeReferenceID(DISPLAY_ROLE, display.GetID())
    return display


def _style(legend: slicer.vtkMRMLColorLegendDisplayNode, scale: MapDisplay) -> None:
    legend.SetLabelFormat("%.0f" if scale.factor > 1 else "%.2f")
    legend.SetNumberOfLabels(LABELS)
    legend.SetSize(*SIZE)
    legend.SetPosition(*POSITION)
