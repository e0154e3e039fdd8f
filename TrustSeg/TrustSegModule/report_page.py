"""The library's page for people, made of what is in the scene now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import slicer
import vtk
from slicer.i18n import tr as _
from vtk.util.numpy_support import vtk_to_numpy

from TrustSegModule.audit_log import entries
from TrustSegModule.edits import PREFIX, edited_volumes
from TrustSegModule.errors import SceneError
from TrustSegModule.input_volume import image_array, request_geometry
from TrustSegModule.map_scale import PERCENT_MAP
from TrustSegModule.result_nodes import ResultNodes, find_results, image_of, report_of
from TrustSegModule.review import Review


def write_page(scene: slicer.vtkMRMLScene, segmentation_node: slicer.vtkMRMLSegmentationNode, path: Path):
    """Write `report.html` with the mask as it is now and the audit log.

    Raises
    ------
    SceneError
        The image or its map of the error probability has left the scene, a package is missing, or the file
        cannot be written.
    """
    try:
        from TrustSegLib.errors import OutputError
        from TrustSegLib.imaging import Volume
        from TrustSegLib.report import write_html_report
    except ModuleNotFoundError as error:
        message = _("{name} is not written: the package {package} is missing; click Segment to install it")
        raise SceneError(message.format(name=path.name, package=error.name)) from error
    nodes = _nodes(scene, segmentation_node, path)
    image = image_of(segmentation_node)
    place, display = request_geometry(image), image.GetDisplayNode()
    window = None if display is None else (display.GetWindowLevelMin(), display.GetWindowLevelMax())
    try:
        write_html_report(
            page_content(segmentation_node),
            path,
            image=Volume(image_array(image), *place),
            labels=Volume(mask_on(segmentation_node, image)[np.newaxis], *place),
            error=Volume(image_array(nodes.maps[PERCENT_MAP]), *place),
            colors=_colors(segmentation_node),
            window=window,
            audit=entries(segmentation_node),
        )
    except OutputError as error:
        raise SceneError(str(error)) from error


def page_content(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, Any]:
    """Return the report, with a warning for each structure whose mask is no longer the one it tells of."""
    report, volumes = report_of(segmentation_node), edited_volumes(Review(segmentation_node))
    text = _("{name} was edited: {volume:.2f} ml now; its other numbers are those of the automatic mask.")
    edited = [
        text.format(name=row["name"], volume=volumes[row["label"]])
        for row in report["structures"]
        if row["label"] in volumes
    ]
    case = report["case"]
    return {**report, "case": {**case, "warnings": [*case["warnings"], *edited]}}


def mask_on(segmentation_node: slicer.vtkMRMLSegmentationNode, image) -> np.ndarray:
    """Return the labels of the model's structures on the grid of the image, (D, H, W) uint8."""
    segments = _segments(segmentation_node)
    grid, merged = slicer.vtkOrientedImageData(), slicer.vtkOrientedImageData()
    names, labels, matrix = vtk.vtkStringArray(), vtk.vtkIntArray(), vtk.vtkMatrix4x4()
    image.GetIJKToRASMatrix(matrix)
    grid.SetDimensions(*image.GetImageData().GetDimensions())
    grid.SetImageToWorldMatrix(matrix)
    for name, label in segments.items():
        names.InsertNextValue(name)
        labels.InsertNextValue(label)
    mode = slicer.vtkSegmentation.EXTENT_REFERENCE_GEOMETRY
    segmentation_node.GenerateMergedLabelmapForAllSegments(merged, mode, grid, names, labels)
    voxels = vtk_to_numpy(merged.GetPointData().GetScalars())
    return voxels.reshape(merged.GetDimensions()[::-1]).astype(np.uint8)


def _nodes(scene: slicer.vtkMRMLScene, segmentation_node, path: Path) -> ResultNodes:
    image = image_of(segmentation_node)
    nodes = None if image is None else find_results(scene, image)
    if nodes is None or PERCENT_MAP not in nodes.maps:
        message = _("{name} is not written: the image or its error map was removed; segment the image again")
        raise SceneError(message.format(name=path.name))
    return nodes


def _segments(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[str, int]:
    """Return the labels of the structures by segment ID; segments that a person added are none."""
    segmentation = segmentation_node.GetSegmentation()
    names = [segmentation.GetNthSegmentID(number) for number in range(segmentation.GetNumberOfSegments())]
    known = Review(segmentation_node).automatic
    return {name: int(name.removeprefix(PREFIX)) for name in names if name in known}


def _colors(segmentation_node: slicer.vtkMRMLSegmentationNode) -> dict[int, tuple[int, ...]]:
    segmentation = segmentation_node.GetSegmentation()
    return {
        label: tuple(round(255 * part) for part in segmentation.GetSegment(name).GetColor())
        for name, label in _segments(segmentation_node).items()
    }
