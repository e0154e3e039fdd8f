"""Results as nodes of the scene: the mask, the uncertainty maps and the report."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import slicer
from slicer.i18n import tr as _

from TrustSegLib.contract import is_map_calibrated
from TrustSegModule.results.prepared import PreparedResult, WorkerResult, prepare
from TrustSegModule.review import decisions
from TrustSegModule.scene import overlay, surface, views
from TrustSegModule.scene.inputs import image_array
from TrustSegModule.scene.maps import create_map, fill_map, map_name, remove_map
from TrustSegModule.scene.nodes import SceneError, nodes_of_class, place_beside
from TrustSegModule.scene.segmentation import create_segmentation, fill_segmentation, structure_colors

INPUT_ROLE = "TrustSeg.Input"
"""From the nodes of a result to the image."""
REPORT_ATTRIBUTE = "TrustSeg.Report"


@dataclass(frozen=True)
class ResultNodes:
    """The nodes of one result.

    Attributes
    ----------
    segmentation : vtkMRMLSegmentationNode
    maps : dict of str to vtkMRMLScalarVolumeNode
        By the name of the map, such as "error_probability".
    """

    segmentation: slicer.vtkMRMLSegmentationNode
    maps: dict[str, slicer.vtkMRMLScalarVolumeNode]

    @property
    def all(self) -> tuple[slicer.vtkMRMLTransformableNode, ...]:
        """The segmentation and the maps."""
        return (self.segmentation, *self.maps.values())


def put_result(
    scene: slicer.vtkMRMLScene,
    input_node: slicer.vtkMRMLVolumeNode,
    result: WorkerResult,
    model: dict[str, Any],
) -> ResultNodes:
    """Add a result to the scene at once, for scripts: `prepare`, then `put_prepared`.

    Parameters
    ----------
    scene : vtkMRMLScene
    input_node : vtkMRMLVolumeNode
        The image that was segmented.
    result : SegmentResult
        Mask and maps on the grid of the image, and the report.
    model : dict
        `model.json`.

    Returns
    -------
    ResultNodes

    Raises
    ------
    SceneError
        The image has another size than the one that was segmented; the scene is as it was.
    """
    return put_prepared(scene, input_node, prepare(result), model)


def put_prepared(
    scene: slicer.vtkMRMLScene,
    input_node: slicer.vtkMRMLVolumeNode,
    result: PreparedResult,
    model: dict[str, Any],
) -> ResultNodes:
    """Add a result to the scene; the nodes of an earlier result on the same image get the new content.

    Parameters
    ----------
    scene : vtkMRMLScene
    input_node : vtkMRMLVolumeNode
        The image that was segmented. Its parent transform and its place in the subject hierarchy are given to
        the result.
    result : PreparedResult
        Its images become those of the nodes: it can be put once.
    model : dict
        `model.json`.

    Returns
    -------
    ResultNodes

    Raises
    ------
    SceneError
        The image has another size than the one that was segmented; the scene is as it was.
    """
    _require_same_size(input_node, result)
    _remove_other_maps(scene, input_node, result.maps)
    calibrated = is_map_calibrated(result.report["calibration"])
    nodes = _make_nodes(scene, input_node, result.maps, len(model["structures"]) + 1, calibrated)
    surface_shown = surface.is_shown(nodes.segmentation)
    with ExitStack() as batch:
        # With their display nodes: an observer of any change finds all of it.
        for node in (*nodes.all, *filter(None, (node.GetDisplayNode() for node in nodes.all))):
            batch.enter_context(slicer.util.NodeModify(node))
        _fill(nodes, input_node, result, model)
    for node in nodes.all:
        place_beside(scene, node, input_node)
    if surface_shown:
        surface.show(scene, nodes.segmentation, True)
    return nodes


def find_results(scene: slicer.vtkMRMLScene, input_node: slicer.vtkMRMLVolumeNode) -> ResultNodes | None:
    """Return the result on an image, also after the scene was saved and loaded; None if there is none."""
    segmentation = _find_segmentation(scene, input_node)
    return None if segmentation is None else ResultNodes(segmentation, _find_maps(scene, input_node))


def show_only(scene: slicer.vtkMRMLScene, segmentation_node: slicer.vtkMRMLSegmentationNode) -> None:
    """Show this mask and hide those of other images."""
    for node in nodes_of_class(scene, "vtkMRMLSegmentationNode"):
        if node.GetNodeReferenceID(INPUT_ROLE):
            node.SetDisplayVisibility(node.GetID() == segmentation_node.GetID())


def report_of(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, Any]:
    """Return the report that came with a result, as `TrustSegLib.report.report_json` made it."""
    return json.loads(segmentation_node.GetAttribute(REPORT_ATTRIBUTE))


def report_and_colors(
    results: ResultNodes | None,
) -> tuple[dict[str, Any] | None, dict[str, tuple[float, float, float]]]:
    """Return the report of a result and the colors of its structures; (None, {}) without one."""
    if results is None:
        return None, {}
    return report_of(results.segmentation), structure_colors(results.segmentation)


def image_of(segmentation_node: slicer.vtkMRMLSegmentationNode) -> slicer.vtkMRMLScalarVolumeNode | None:
    """Return the image that a result belongs to; None once it has left the scene."""
    return segmentation_node.GetNodeReference(INPUT_ROLE)


def _require_same_size(input_node: slicer.vtkMRMLVolumeNode, result: PreparedResult) -> None:
    if image_array(input_node).shape[1:] != result.shape:
        message = _("'{name}' was changed while it was segmented; segment it again")
        raise SceneError(message.format(name=input_node.GetName()))


def _make_nodes(
    scene: slicer.vtkMRMLScene, input_node, names: Iterable[str], classes: int, calibrated: bool
) -> ResultNodes:
    segmentation = _find_segmentation(scene, input_node)
    if segmentation is None:
        segmentation = create_segmentation(scene, f"{input_node.GetName()} TrustSeg")
        segmentation.SetNodeReferenceID(INPUT_ROLE, input_node.GetID())
    maps = _find_maps(scene, input_node)
    for name in names:
        if name not in maps:
            maps[name] = create_map(scene, name, classes, input_node.GetName(), calibrated)
            maps[name].SetNodeReferenceID(INPUT_ROLE, input_node.GetID())
    return ResultNodes(segmentation, maps)


def _fill(nodes: ResultNodes, input_node, result: PreparedResult, model: dict[str, Any]) -> None:
    # A scan that was searched for both sides has a segment for each structure and side.
    segmented = {**model, "structures": result.report.get("anatomy") or model["structures"]}
    fill_segmentation(nodes.segmentation, result.labelmap, input_node, segmented)
    views.keep_middle(nodes.segmentation, result.middle)
    nodes.segmentation.SetAttribute(REPORT_ATTRIBUTE, json.dumps(result.report))
    decisions.begin(nodes.segmentation).log("segmented", details=f"{model['name']} {model['version']}")
    calibrated = is_map_calibrated(result.report["calibration"])
    for name, node in nodes.maps.items():
        fill_map(node, result.maps[name], input_node, len(model["structures"]) + 1, calibrated)


def _remove_other_maps(scene: slicer.vtkMRMLScene, input_node, names: Container[str]) -> None:
    """Remove maps of an earlier run that this one does not have: they would not fit the new mask."""
    for name, node in _find_maps(scene, input_node).items():
        if name not in names:
            overlay.hide(scene, node)
            remove_map(scene, node)


def _find_segmentation(scene: slicer.vtkMRMLScene, input_node) -> slicer.vtkMRMLSegmentationNode | None:
    return next(iter(_results_of(scene, input_node, "vtkMRMLSegmentationNode")), None)


def _find_maps(scene: slicer.vtkMRMLScene, input_node) -> dict[str, slicer.vtkMRMLScalarVolumeNode]:
    found: dict[str, slicer.vtkMRMLScalarVolumeNode] = {}
    for node in _results_of(scene, input_node, "vtkMRMLScalarVolumeNode"):
        # The first of a kind: later ones are copies by the user.
        found.setdefault(map_name(node), node)
    return found


def _results_of(scene: slicer.vtkMRMLScene, input_node, class_name: str) -> list:
    nodes = nodes_of_class(scene, class_name)
    return [node for node in nodes if node.GetNodeReferenceID(INPUT_ROLE) == input_node.GetID()]
